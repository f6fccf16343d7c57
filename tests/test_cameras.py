"""Several cameras in one node: topics of their own, one network, one set of tasks."""

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from face_attributes.msg import FaceAttributesArray
from face_attributes.srv import AddTask, CaptureSamples
from hri_msgs.msg import IdsList

from conftest import ROOT
from support.camera import Camera, stamp_of
from support.pictures import bgr8
from support.process import wait_until


@pytest.fixture(scope="module")
def node(new_node):
    node = new_node(cameras="front,rear", rep155=True, model=ROOT / "models/default").start()
    yield node
    assert node.process.stop() == 0


@pytest.fixture
def front(node, peer):
    with peer.listen(FaceAttributesArray, "front/attributes") as answers:
        yield answers


@pytest.fixture
def rear(node, peer):
    with peer.listen(FaceAttributesArray, "rear/attributes") as answers:
        yield answers


def test_each_camera_has_its_own_answers(peer, front, rear, astronaut, frames):
    other = frames("single_face.mp4")[0]
    with (
        Camera(peer, [bgr8(astronaut)], topic="front/image", frame_id="front_frame") as ahead,
        Camera(peer, [bgr8(other)], topic="rear/image", frame_id="rear_frame") as behind,
        peer.listen(DiagnosticArray, "/diagnostics") as diagnostics,
        peer.listen(IdsList, "/humans/faces/tracked") as tracked,
    ):
        ids = {}
        for answers, camera in ((front, ahead), (rear, behind)):
            # Judged: the network sees the faces of both.
            judged = answers.wait_for(lambda answer: answer.faces and answer.faces[0].attributes, "a judged face")
            assert judged.header.frame_id == camera.frame_id and stamp_of(judged) in camera.sent()
            ids[camera] = judged.faces[0].track_id
            answers.forget()
            camera.wait_for(30)
            seen = {face.track_id for answer in answers.messages() for face in answer.faces}
            assert seen == {ids[camera]}, "a face was lost while the other camera's frames came"
        assert len(set(ids.values())) == 2
        parts = {status.name.partition(": ")[2] for status in diagnostics.wait_for(lambda _: True, "a report").status}
        assert parts == {
            "frames front",
            "detector front",
            "frames rear",
            "detector rear",
            "network",
            "tasks",
            "process",
        }
        # REP-155 has the faces of both in one list.
        tracked.next(lambda message: set(message.ids) == set(ids.values()), "the faces of both cameras")


def test_the_faces_of_a_camera_that_dies_are_withdrawn(peer, node, astronaut):
    with peer.listen(IdsList, "/humans/faces/tracked") as tracked:
        with Camera(peer, [bgr8(astronaut)], topic="rear/image"):
            with Camera(peer, [bgr8(astronaut)], topic="front/image"):
                tracked.next(lambda message: len(message.ids) == 2, "two faces")
            tracked.next(lambda message: len(message.ids) == 1, "the face of the camera that lives")
        tracked.next(lambda message: not message.ids, "nobody")


def test_what_one_camera_was_taught_the_other_knows(peer, front, rear, astronaut):
    capture = {"name": "who", "label": "eileen", "track_id": "largest", "count": 5}
    with Camera(peer, [bgr8(astronaut)], topic="front/image"):
        front.next(lambda answer: answer.faces, "a face")
        wrong = peer.call(CaptureSamples, "capture_samples", camera="top", **capture)
        assert not wrong.success and "there are front, rear" in wrong.message
        nobody = peer.call(CaptureSamples, "capture_samples", camera="rear", seconds=0.5, **capture)
        assert not nobody.success
        # Without a name it is the camera that sees somebody.
        captured = peer.call(CaptureSamples, "capture_samples", **capture)
        assert captured.success, captured.message
    taught = peer.call(AddTask, "add_task", name="who", kind=AddTask.Request.IDENTITY, labels=["eileen"], wait=True)
    assert taught.success, taught.message

    def recognised(answer):
        return any(told.task == "who" and told.label == "eileen" for face in answer.faces for told in face.attributes)

    with Camera(peer, [bgr8(astronaut)], topic="rear/image"):
        rear.next(recognised, "the person whom the front camera met")


def test_names_that_are_no_names_are_refused(new_node, program, environment):
    node = new_node(cameras="front,Front")
    node.ready = "parameter 'cameras'"
    node.start()
    wait_until(lambda: node.process.code() == 2, "the node has ended")
