"""The node as a managed one: the services of lifecycle_msgs, as `ros2 lifecycle` and nav2's lifecycle manager call them."""

import time
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from face_attributes.msg import FaceAttributesArray, Task, TaskArray
from face_attributes.srv import AddSamples, AddTask, CancelTraining, CaptureSamples, ListTasks
from lifecycle_msgs.msg import State, Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState

from conftest import ROOT
from support import teaching
from support.camera import Camera
from support.peer import LATCHED
from support.pictures import bgr8
from support.process import wait_until
from support.process_view import processor_s, resident_mb

NODE = "face_attributes"


def state(peer):
    return peer.call(GetState, f"{NODE}/get_state").current_state.label


def change(peer, label):
    """Whether the transition of this name was gone through."""
    return peer.call(ChangeState, f"{NODE}/change_state", transition=Transition(label=label)).success


def change_by_number(peer, number):
    """The same by its number, as launch and nav2 ask for it."""
    return peer.call(ChangeState, f"{NODE}/change_state", transition=Transition(id=number)).success


def has_task(face, name):
    return any(task.task == name for task in face.attributes)


@pytest.fixture
def managed(new_node):
    """A node that waits for somebody who manages it."""
    node = new_node(autostart=False, model=ROOT / "models/default")
    node.ready = "unconfigured: waits"
    yield node.start()
    assert node.process.stop() == 0


def test_a_node_that_starts_by_itself_is_active(new_node, peer):
    node = new_node().start()
    assert state(peer) == "active"
    assert not change(peer, "configure")
    assert "`configure` is not possible: the node is active" in node.process.output()
    assert node.process.stop() == 0


def test_the_state_machine_is_that_of_rcl_lifecycle(managed, peer):
    states = peer.call(GetAvailableStates, f"{NODE}/get_available_states").available_states
    assert len(states) == 11
    assert {(known.id, known.label) for known in states} >= {
        (State.PRIMARY_STATE_UNCONFIGURED, "unconfigured"),
        (State.PRIMARY_STATE_FINALIZED, "finalized"),
        (State.TRANSITION_STATE_ERRORPROCESSING, "errorprocessing"),
    }
    graph = peer.call(GetAvailableTransitions, f"{NODE}/get_transition_graph").available_transitions
    assert len(graph) == 25
    now = peer.call(GetAvailableTransitions, f"{NODE}/get_available_transitions").available_transitions
    assert [(way.transition.id, way.transition.label) for way in now] == [
        (Transition.TRANSITION_CONFIGURE, "configure"),
        (Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, "shutdown"),
    ]
    assert now[0].start_state.label == "unconfigured" and now[0].goal_state.label == "configuring"


def test_a_managed_node_is_taken_through_its_states(managed, peer, astronaut):
    pid = managed.process.pid
    with (
        Camera(peer, [bgr8(astronaut)]) as camera,
        peer.listen(FaceAttributesArray, "attributes") as answers,
        peer.listen(TransitionEvent, f"{NODE}/transition_event") as events,
        peer.listen(TaskArray, "tasks", LATCHED) as tasks,
        peer.listen(DiagnosticArray, "/diagnostics") as diagnostics,
    ):

        def watched():
            return any(info.node_name == NODE for info in peer.node.get_subscriptions_info_by_topic("/face/image"))

        def diagnosed(label):
            diagnostics.next(
                lambda message: any(s.name.endswith("frames") and s.message == label for s in message.status), label
            )

        # Unconfigured: nothing is in memory, and nothing can be asked.
        assert state(peer) == "unconfigured"
        diagnosed("unconfigured")
        refused = peer.call(ListTasks, "list_tasks")
        assert not refused.success and "unconfigured" in refused.message and "configure it first" in refused.message
        assert not change(peer, "activate")
        empty_mb = resident_mb(pid)

        # Inactive: tasks can be taught, and the camera is left alone.
        assert change(peer, "configure")
        assert state(peer) == "inactive"
        assert peer.call(ListTasks, "list_tasks").success
        assert peer.call(AddTask, "add_task", **teaching.quick("posture", wait=True)).success
        captured = peer.call(CaptureSamples, "capture_samples", name="posture", label="above", track_id="largest")
        assert not captured.success and "inactive" in captured.message
        assert not watched() and not answers.messages()

        # Active.
        assert change(peer, "activate")
        first = answers.wait_for(lambda message: message.faces, "a face").faces[0]
        answers.wait_for(lambda message: any(has_task(face, "posture") for face in message.faces), "the taught task")

        # Inactive again: no subscription, no processor time, and who comes back is met anew.
        assert change(peer, "deactivate")
        wait_until(lambda: not watched(), "the camera has no subscriber")
        camera.wait_for(5)
        answers.forget()
        used_s, since = processor_s(pid), time.monotonic()
        camera.wait_for(45)
        share = (processor_s(pid) - used_s) / (time.monotonic() - since)
        assert not answers.messages()
        diagnosed("inactive")
        assert share < 0.1, f"{100 * share:.1f}% of a core while deactivated"
        print(f"deactivated: {100 * share:.2f}% of a core")
        assert change(peer, "activate")
        again = answers.wait_for(lambda message: message.faces, "a face").faces[0]
        assert again.track_id != first.track_id

        loaded_mb = resident_mb(pid)

        # Cleaned up: the memory is given back, what was taught stays on the disk.
        assert change(peer, "deactivate") and change(peer, "cleanup")
        assert state(peer) == "unconfigured"
        tasks.wait_for(lambda message: not message.tasks, "no tasks")
        rest_mb = resident_mb(pid)
        print(f"memory: {empty_mb:.0f} MB unconfigured, {loaded_mb:.0f} MB active, {rest_mb:.0f} MB cleaned up")
        assert rest_mb < empty_mb + 0.5 * (loaded_mb - empty_mb)
        assert change(peer, "configure")
        assert any(task.name == "posture" for task in peer.call(ListTasks, "list_tasks").tasks)
        assert change(peer, "shutdown")
        assert state(peer) == "finalized"
        gone = [(e.transition.label, e.start_state.label, e.goal_state.label) for e in events.messages()]
        assert gone[:4] == [
            ("configure", "unconfigured", "configuring"),
            ("transition_success", "configuring", "inactive"),
            ("activate", "inactive", "activating"),
            ("transition_success", "activating", "active"),
        ]
        assert gone[-1] == ("transition_success", "shuttingdown", "finalized")
    assert managed.process.code() is None


def test_a_configuration_that_fails_leaves_the_node_unconfigured_and_can_be_tried_again(
    new_node, peer, model, tmp_path
):
    weights = next(iter(Path(model).glob("encoder*.safetensors")))
    broken = tmp_path / "model"
    broken.mkdir()
    for file in Path(model).iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / weights.name).write_bytes(b"broken")
    node = new_node(autostart=False, model=broken)
    node.ready = "unconfigured: waits"
    node.start()
    assert not change(peer, "configure")
    assert state(peer) == "unconfigured"
    assert weights.name in node.process.output()
    (broken / weights.name).write_bytes(weights.read_bytes())
    assert change(peer, "configure") and change(peer, "activate")
    assert state(peer) == "active"
    assert node.process.stop() == 0


def test_requests_that_come_while_the_model_is_loaded_are_answered_after_it(new_node, peer):
    node = new_node()
    node.ready = "offers the actions"
    node.start()
    assert peer.call(ListTasks, "list_tasks").success
    assert node.process.stop() == 0


def test_a_training_goes_on_after_cleanup_and_configure(new_node, peer):
    node = new_node().start()
    with peer.listen(TaskArray, "tasks", LATCHED) as tasks:

        def in_training(message):
            return any(
                task.name == "gaze" and task.state == Task.TRAINING and task.progress > 0 for task in message.tasks
            )

        waiting = peer.ask(AddTask, "add_task", **teaching.endless("gaze", wait=True))
        tasks.wait_for(in_training, "a training")
        assert change_by_number(peer, Transition.TRANSITION_DEACTIVATE)
        assert change_by_number(peer, Transition.TRANSITION_CLEANUP)
        wait_until(waiting.done, "the request is answered")
        assert not waiting.result().success and "starts again" in waiting.result().message
        assert change_by_number(peer, Transition.TRANSITION_CONFIGURE)
        tasks.next(in_training, "the training again")
    assert peer.call(CancelTraining, "cancel_training").cancelled == "gaze"
    assert node.process.stop() == 0


def test_a_model_is_not_loaded_anew_under_the_hands_of_a_request(new_node, peer):
    """It would find the state folder locked, and could teach nothing."""
    node = new_node().start()
    asked = [peer.ask(AddSamples, "add_samples", name="pose", samples=teaching.crops(30)) for _ in range(6)]
    assert change(peer, "deactivate") and change(peer, "cleanup") and change(peer, "configure")
    wait_until(lambda: all(request.done() for request in asked), "all requests are answered")
    assert peer.call(AddTask, "add_task", **teaching.quick("posture", wait=True)).success
    assert node.process.stop() == 0


def test_deactivation_ends_a_capture(new_node, peer, astronaut):
    node = new_node().start()
    with Camera(peer, [bgr8(astronaut)]) as camera:
        camera.wait_for(10)
        capture = {"name": "calmness", "label": "calm", "track_id": "largest", "count": 200, "seconds": 60.0}
        capturing = peer.ask(CaptureSamples, "capture_samples", **capture)
        camera.wait_for(10)
        assert change(peer, "deactivate")
        # Neither waits for the other.
        assert change(peer, "cleanup")
        assert "still worked on" not in node.process.output()
        wait_until(capturing.done, "the capture is answered", timeout=10)
        reply = capturing.result()
        assert not reply.success and "deactivated" in reply.message, reply.message
    assert change(peer, "configure")
    assert all(task.name != "calmness" for task in peer.call(ListTasks, "list_tasks").tasks)
    assert node.process.stop() == 0


def test_who_manages_a_node_that_starts_by_itself_does_not_end_it(new_node, peer):
    node = new_node()
    node.ready = "offers the actions"
    node.start()
    # It comes before, between or after the node's own two steps.
    peer.call(ChangeState, f"{NODE}/change_state", transition=Transition(label="shutdown"))
    assert state(peer) == "finalized"
    refused = peer.call(ListTasks, "list_tasks")
    assert not refused.success and "finalized" in refused.message
    assert node.process.code() is None
    assert node.process.stop() == 0


def test_transitions_are_gone_through_in_the_order_of_their_requests(managed, peer):
    labels = ["configure", *["activate", "deactivate"] * 4]
    asked = [peer.ask(ChangeState, f"{NODE}/change_state", transition=Transition(label=label)) for label in labels]
    wait_until(lambda: all(request.done() for request in asked), "all requests are answered")
    assert [request.result().success for request in asked] == [True] * len(asked)
    assert state(peer) == "inactive"
