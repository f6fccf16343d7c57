"""Cameras, clocks and processes that do not behave: whatever happened, the next good picture is answered."""

import json
import signal
import time

import pytest
from builtin_interfaces.msg import Time
from face_attributes.msg import FaceAttributesArray
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from support import pictures
from support.camera import Camera, back_and_forth, stamp_of
from support.peer import RELIABLE, SENSOR
from support.process import wait_until
from support.process_view import descriptors, resident_mb, threads
from torture import TIMES, rubbish

# Allowed beside what it took before: caches of other sizes.
GROWTH_MB = 40


@pytest.fixture(scope="module")
def film(frames):
    return back_and_forth(frames("single_face.mp4"))


def answered(answers, camera):
    """Waits until a picture sent from now on is answered with a face."""
    camera.wait_for(1)
    sent = set(camera.sent()[-1:])

    def is_new(answer):
        return answer.faces and stamp_of(answer) >= max(sent)

    return answers.wait_for(is_new, "a face in a new picture")


def test_a_camera_that_stops_and_changes_is_followed(new_node, peer, film):
    node = new_node().start()
    kinds = [
        [pictures.bgr8(frame) for frame in film],
        [pictures.mono8(frame) for frame in film],
        [pictures.yuyv(frame) for frame in film],
        [pictures.bgr8(frame[::2, ::2].copy()) for frame in film],
        [pictures.bgr8(frame[60:420, 80:560].copy()) for frame in film],
    ]
    rng = rubbish.source(2)
    raw = peer.node.create_publisher(Image, "image", SENSOR)
    compressed = peer.node.create_publisher(CompressedImage, "image/compressed", SENSOR)
    rounds, first = 2 * TIMES, None
    pid = node.process.pid
    for number in range(rounds * len(kinds)):
        with peer.listen(FaceAttributesArray, "attributes") as answers:
            with Camera(peer, kinds[number % len(kinds)], rate=30.0) as camera:
                answered(answers, camera)
            # Between two cameras: what no camera sends, and stamps of long ago and far ahead.
            for stamp in (Time(), Time(sec=2**31 - 1, nanosec=999_999_999), Time(sec=1), Time(nanosec=2**32 - 1)):
                message = rubbish.image(rng)
                message.header.stamp = stamp
                raw.publish(message)
                compressed.publish(rubbish.encoded(rng))
        if number + 1 == len(kinds):
            first = (resident_mb(pid), threads(pid), descriptors(pid))
    last = (resident_mb(pid), threads(pid), descriptors(pid))
    assert last[0] - first[0] < GROWTH_MB and last[1] <= first[1] + 2 and last[2] <= first[2] + 4, (first, last)
    assert "panicked" not in node.process.output(), node.process.tail()
    row = {"cameras": rounds * len(kinds), "panics": 0, "grown_mb": round(last[0] - first[0], 1)}
    print("torture:", json.dumps({"what": "cameras that change", "found": row}))
    assert node.process.stop() == 0


def test_a_node_that_was_held_up_goes_on_with_the_newest_picture(new_node, peer, film):
    node = new_node().start()
    messages = [pictures.bgr8(frame) for frame in film]
    for _ in range(TIMES):
        with peer.listen(FaceAttributesArray, "attributes") as answers, Camera(peer, messages) as camera:
            answered(answers, camera)
            node.process.send(signal.SIGSTOP)
            camera.wait_for(30)
            held = camera.sent()[-1]
            answers.forget()
            node.process.send(signal.SIGCONT)
            answers.wait_for(lambda answer, held=held: stamp_of(answer) >= held, "a picture after the pause")
            # What waited for two seconds is not answered one by one: the middleware keeps few, the node the newest.
            old = [answer for answer in answers.messages() if stamp_of(answer) < held]
            assert len(old) <= 8, len(old)
    assert node.process.stop() == 0


def test_a_clock_that_runs_back_and_forth_stops_nothing(new_node, peer, film):
    node = new_node(use_sim_time=True).start()
    clock = peer.node.create_publisher(Clock, "/clock", RELIABLE)
    with peer.listen(FaceAttributesArray, "attributes") as answers:
        with Camera(peer, [pictures.bgr8(frame) for frame in film]) as camera:
            for seconds in [100, 50, 10_000, 0, 2**31 - 1, 1, 100] * TIMES:
                clock.publish(Clock(clock=Time(sec=seconds)))
                answered(answers, camera)
    assert "panicked" not in node.process.output(), node.process.tail()
    assert node.process.stop() == 0


def test_five_nodes_answer_one_camera_and_end(new_node, peer, film):
    nodes = [new_node(namespace=f"/face_{number}", threads=1) for number in range(5)]
    for node in nodes:
        node.extra = ["-r", "image:=/face/image"]
        node.start()
    listeners = [peer.listen(FaceAttributesArray, f"{node.namespace}/attributes") for node in nodes]
    with Camera(peer, [pictures.bgr8(frame) for frame in film]) as camera:
        for answers in listeners:
            answered(answers, camera)
        for node in nodes:
            node.process.send(signal.SIGINT)
        begun = time.monotonic()
        for node in nodes:
            wait_until(lambda node=node: node.process.code() is not None, "a node has ended")
        took = time.monotonic() - begun
    assert [node.process.code() for node in nodes] == [0] * len(nodes)
    print("torture:", json.dumps({"what": "five nodes", "found": {"nodes": 5, "ended_within_s": round(took, 2)}}))
