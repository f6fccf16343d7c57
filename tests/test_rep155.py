"""People as REP-155 (ROS4HRI) has them, heard as pyhri and rviz hear them."""

import numpy as np
import pytest
from face_attributes.msg import FaceAttributesArray
from face_attributes.srv import AddTask, CaptureSamples
from hri_msgs.msg import (
    Expression,
    FacialLandmarks,
    IdsList,
    IdsMatch,
    NormalizedRegionOfInterest2D,
    SoftBiometrics,
)
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from conftest import ROOT
from support.camera import Camera, stamp_of
from support.peer import SENSOR
from support.pictures import bgr8
from support.process import wait_until

OF_A_FACE = ["aligned", "cropped", "expression", "landmarks", "roi", "softbiometrics"]
WALL = bgr8(np.full((480, 640, 3), 90, np.uint8))
EXPRESSIONS = ["", "neutral", "happy", "surprised", "sad", "angry", "disgusted", "scared"]


@pytest.fixture(scope="module")
def node(new_node):
    node = new_node(rep155=True, model=ROOT / "models/default").start()
    yield node
    assert node.process.stop() == 0


@pytest.fixture
def tracked(node, peer):
    with peer.listen(IdsList, "/humans/faces/tracked") as listener:
        yield listener


def topics_of_faces(peer):
    """What is published of single faces now."""
    names = [name for name, _ in peer.node.get_topic_names_and_types() if name.startswith("/humans/faces/")]
    return sorted(name for name in names if name.count("/") == 4 and peer.node.count_publishers(name))


def turned(rotation, vector):
    """A vector turned by a quaternion."""
    x, y, z, w = rotation.x, rotation.y, rotation.z, rotation.w
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in rows]


def test_a_face_has_its_topics_while_it_is_there(peer, tracked, astronaut):
    with Camera(peer, [bgr8(astronaut)]) as camera:
        (face,) = tracked.wait_for(lambda message: message.ids, "a face").ids
        place = f"/humans/faces/{face}"
        assert topics_of_faces(peer) == [f"{place}/{name}" for name in OF_A_FACE]
        with (
            peer.listen(NormalizedRegionOfInterest2D, f"{place}/roi") as rois,
            peer.listen(FacialLandmarks, f"{place}/landmarks") as landmarks,
            peer.listen(Image, f"{place}/cropped") as cropped,
            peer.listen(Image, f"{place}/aligned") as aligned,
            peer.listen(SoftBiometrics, f"{place}/softbiometrics") as biometrics,
            peer.listen(Expression, f"{place}/expression") as expressions,
            peer.listen(FaceAttributesArray, "attributes") as attributes,
        ):
            roi = rois.wait_for(lambda _: True, "a box")
            assert 0 <= roi.xmin < roi.xmax <= 1 and 0 <= roi.ymin < roi.ymax <= 1 and 0 < roi.c <= 1
            assert stamp_of(roi) in camera.sent() and roi.header.frame_id == camera.frame_id
            same = attributes.wait_for(lambda message: stamp_of(message) == stamp_of(roi), "the same frame").faces[0]
            height, width, _ = astronaut.shape
            assert roi.xmin == pytest.approx(same.roi.x / width, abs=1e-5)
            assert roi.ymax == pytest.approx((same.roi.y + same.roi.height) / height, abs=1e-5)

            points = landmarks.wait_for(lambda _: True, "landmarks")
            right, left = (points.landmarks[at] for at in (FacialLandmarks.RIGHT_PUPIL, FacialLandmarks.LEFT_PUPIL))
            nose = points.landmarks[FacialLandmarks.NOSE]
            # The person's right is on the picture's left.
            assert right.x < nose.x < left.x and max(right.y, left.y) < nose.y and nose.c > 0
            assert sum(point.c > 0 for point in points.landmarks) == 5
            assert (points.width, points.height) == (width, height)

            crop = cropped.wait_for(lambda _: True, "a crop")
            assert crop.encoding == "bgr8" and len(crop.data) == crop.step * crop.height
            assert crop.width == pytest.approx(same.roi.width, abs=2)
            face_image = aligned.wait_for(lambda _: True, "an aligned face")
            assert (face_image.encoding, face_image.width, face_image.height) == ("mono8", 128, 128)

            told = biometrics.wait_for(lambda message: message.gender_confidence > 0 and message.age, "age and gender")
            assert told.gender == SoftBiometrics.FEMALE and 15 <= told.age <= 55 and 0 < told.age_confidence <= 1
            told = expressions.wait_for(lambda _: True, "an expression")
            assert told.expression in EXPRESSIONS and 0 <= told.confidence <= 1

    # Nobody is there any more: the camera shows a wall.
    with Camera(peer, [WALL]):
        tracked.next(lambda message: not message.ids, "nobody")
        wait_until(lambda: topics_of_faces(peer) == [], "the face's topics have gone")


def test_a_face_that_is_missed_for_a_moment_stays(peer, tracked, astronaut):
    film = [bgr8(astronaut)] * 20 + [WALL] * 6
    with Camera(peer, film) as camera:
        (face,) = tracked.next(lambda message: message.ids, "a face").ids
        camera.wait_for(3 * len(film))
        heard = [list(message.ids) for message in tracked.messages()]
    assert heard[heard.index([face]) :] == [[face]] * len(heard[heard.index([face]) :])
    assert topics_of_faces(peer) == [f"/humans/faces/{face}/{name}" for name in OF_A_FACE]


def test_heads_have_frames_once_the_camera_is_calibrated(peer, tracked, astronaut):
    height, width, _ = astronaut.shape
    info = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
    info.k = [600.0, 0.0, width / 2, 0.0, 600.0, height / 2, 0.0, 0.0, 1.0]
    publisher = peer.node.create_publisher(CameraInfo, "camera_info", SENSOR)
    with Camera(peer, [bgr8(astronaut)]) as camera, peer.listen(TFMessage, "/tf") as frames:
        (face,) = tracked.next(lambda message: message.ids, "a face").ids
        camera.wait_for(5)
        assert not frames.messages()
        timer = peer.node.create_timer(0.1, lambda: publisher.publish(info))
        try:
            head, gaze = frames.wait_for(lambda _: True, "frames").transforms
        finally:
            peer.node.destroy_timer(timer)
        assert (head.header.frame_id, head.child_frame_id) == (camera.frame_id, f"face_{face}")
        assert stamp_of(head) in camera.sent()
        # The eyes are 50 pixels apart or so: half a metre to a metre and a half at this focal length.
        assert 0.4 < head.transform.translation.z < 1.5
        # She looks at the camera: the face's x is against its z, and her head is upright.
        assert turned(head.transform.rotation, [1, 0, 0])[2] < -0.8
        assert turned(head.transform.rotation, [0, 0, 1])[1] < -0.8
        assert (gaze.header.frame_id, gaze.child_frame_id) == (f"face_{face}", f"gaze_{face}")
        # The gaze's z is the face's x.
        assert turned(gaze.transform.rotation, [0, 0, 1]) == pytest.approx([1, 0, 0], abs=1e-6)
    peer.node.destroy_publisher(publisher)


def test_somebody_who_was_taught_is_a_candidate_until_the_face_goes(peer, tracked, astronaut):
    with peer.listen(IdsMatch, "/humans/candidate_matches") as candidates:
        with Camera(peer, [bgr8(astronaut)]):
            (face,) = tracked.next(lambda message: message.ids, "a face").ids
            capture = {"name": "who", "label": "eileen", "track_id": "largest", "count": 5}
            captured = peer.call(CaptureSamples, "capture_samples", **capture)
            assert captured.success, captured.message
            taught = peer.call(
                AddTask, "add_task", name="who", kind=AddTask.Request.IDENTITY, labels=["eileen"], wait=True
            )
            assert taught.success, taught.message
            match = candidates.wait_for(lambda message: message.id2 == "eileen", "a candidate")
            assert (match.id1, match.id1_type, match.id2_type) == (face, IdsMatch.FACE, IdsMatch.PERSON)
            assert 0.5 < match.confidence <= 1
        with Camera(peer, [WALL]):
            gone = candidates.wait_for(lambda message: message.confidence == 0, "that it is not the person any more")
            assert (gone.id1, gone.id2) == (face, "eileen")


def test_a_deactivated_node_has_no_faces(peer, tracked, astronaut):
    def change(number):
        transition = Transition(id=number)
        assert peer.call(ChangeState, "face_attributes/change_state", transition=transition).success

    with Camera(peer, [bgr8(astronaut)]):
        tracked.next(lambda message: message.ids, "a face")
        change(Transition.TRANSITION_DEACTIVATE)
        tracked.wait_for(lambda message: not message.ids, "nobody")
        wait_until(lambda: topics_of_faces(peer) == [], "the face's topics have gone")
        change(Transition.TRANSITION_ACTIVATE)
        tracked.next(lambda message: message.ids, "a face again")
