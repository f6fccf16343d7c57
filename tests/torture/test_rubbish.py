"""Malformed calls and pictures over real ROS: each call is answered, nothing panics, memory stays flat."""

import json

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from face_attributes.msg import FaceAttributesArray
from face_attributes.srv import ListTasks
from sensor_msgs.msg import CompressedImage, Image

from support.camera import Camera
from support.peer import SENSOR
from support.pictures import bgr8
from support.process_view import resident_mb
from torture import TIMES, rubbish

CALLS = 250 * TIMES
# Allowed beside what the first calls took: caches, and what a training keeps.
GROWTH_MB = 60
SHIPPED = {"mood", "glasses", "person"}


def refused_pictures(message):
    """How many pictures /diagnostics says were rejected; none: it says nothing of pictures."""
    frames = [status for status in message.status if status.name.endswith(": frames")]
    return [int(value.value) for status in frames for value in status.values if value.key == "rejected"]


@pytest.fixture(scope="module")
def node(new_node):
    return new_node().start()


def test_each_malformed_call_is_answered_while_malformed_pictures_come(node, peer, frames):
    rng = rubbish.source(1)
    raw = peer.node.create_publisher(Image, "image", SENSOR)
    compressed = peer.node.create_publisher(CompressedImage, "image/compressed", SENSOR)
    granted, pictures, settled = 0, 0, None
    for number in range(CALLS):
        raw.publish(rubbish.image(rng))
        compressed.publish(rubbish.encoded(rng))
        pictures += 2
        service, name, fields = rubbish.call(rng)
        reply = peer.call(service, name, **fields)
        granted += reply.success
        assert reply.success or reply.message, f"{number}: {name} is refused without a reason: {fields}"
        assert "made the node fail" not in reply.message, f"{number}: {name} panicked: {fields}"
        if number == CALLS // 4:
            settled = resident_mb(node.process.pid)
    grown = resident_mb(node.process.pid) - settled
    log = node.process.output()
    assert node.process.code() is None and "panicked" not in log, node.process.tail()
    assert {task.name for task in peer.call(ListTasks, "list_tasks").tasks} >= SHIPPED
    assert grown < GROWTH_MB, f"{grown:.0f} MB more than after a quarter of the calls"
    assert 0 < granted < CALLS
    # Best effort: not all arrive, but most that do cannot be used.
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics")
    refused = refused_pictures(diagnostics.next(refused_pictures, "the number of rejected pictures"))[0]
    assert refused > pictures / 10
    with Camera(peer, [bgr8(frame) for frame in frames("single_face.mp4")[:30]]):
        peer.listen(FaceAttributesArray, "attributes").next(lambda answer: answer.faces, "a face, after all that")
    row = {"calls": CALLS, "granted": granted, "pictures": pictures, "refused": refused, "panics": 0, "unanswered": 0, "grown_mb": round(grown, 1)}
    print("torture:", json.dumps({"what": "malformed calls and pictures", "found": row}))
    assert node.process.stop() == 0
