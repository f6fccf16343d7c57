"""A state folder that cannot be written: perception goes on, teaching is refused with the reason."""

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from face_attributes.msg import FaceAttributesArray, Task
from face_attributes.srv import AddTask, CaptureSamples, ListTasks

from support import pictures, teaching
from support.camera import Camera

WARN = b"\x01"


@pytest.fixture(params=["no folder can be made", "a file is in its place"])
def state_dir(request, tmp_path):
    if request.param == "no folder can be made":
        return "/proc/face_attributes"
    file = tmp_path / "state"
    file.write_text("")
    return file


def test_perception_goes_on_and_teaching_is_refused_with_the_reason(state_dir, new_node, peer, astronaut):
    node = new_node(namespace="/sealed", state_dir=state_dir).start()
    attributes = peer.listen(FaceAttributesArray, "/sealed/attributes")
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics")
    with Camera(peer, [pictures.bgr8(astronaut)], topic="/sealed/image"):
        attributes.next(lambda answer: answer.faces and answer.faces[0].attributes, "a judged face")
        requests = [
            (AddTask, "add_task", teaching.quick("gaze")),
            (CaptureSamples, "capture_samples", {"name": "gaze", "label": "up", "track_id": "largest", "count": 1, "seconds": 0.5}),
        ]
        for service, name, request in requests:
            reply = peer.call(service, f"/sealed/{name}", **request)
            assert not reply.success and str(state_dir) in reply.message and "state_dir" in reply.message, reply.message

        def told(message):
            mine = [status for status in message.status if status.name == "/sealed/face_attributes: tasks"]
            return any(status.level == WARN and str(state_dir) in status.message for status in mine)

        diagnostics.next(told, "why nothing can be taught")
    tasks = peer.call(ListTasks, "/sealed/list_tasks").tasks
    assert {task.state for task in tasks} == {Task.READY}
    assert node.process.stop() == 0
