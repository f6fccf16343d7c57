"""Requests that are small to send and large to decode: camera's answers go on, memory is bounded, each caller gets a reply."""

import array
import io
import json
import threading
import time

import pytest
from face_attributes.msg import FaceAttributesArray, Sample
from face_attributes.srv import AddSamples
from PIL import Image as Picture
from sensor_msgs.msg import CompressedImage

from support.camera import Camera, back_and_forth
from support.pictures import bgr8
from support.process import PATIENCE_S
from support.process_view import peak_mb

# Of one request; each is decoded to 48 MB.
PICTURES = 4
SIDES = (4000, 3999)
# At once: more than ROS keeps of a service's requests by default.
CALLS = 32
# Without bombs.
CALM_S = 5.0
MOST_MB = 600
# Of the answers without bombs.
LEAST_SHARE = 0.25


@pytest.fixture(scope="module")
def bomb():
    file = io.BytesIO()
    Picture.new("RGB", SIDES, (90, 90, 90)).save(file, "PNG", optimize=True)
    return CompressedImage(format="png", data=array.array("B", file.getvalue()))


def test_large_pictures_in_small_files_are_decoded_in_turn(new_node, peer, frames, bomb):
    node = new_node().start()
    samples = [Sample(label="above", compressed=bomb) for _ in range(PICTURES)]
    answers = peer.listen(FaceAttributesArray, "attributes")
    replies, done = [], threading.Event()

    def count(future):
        replies.append(future.result())
        if len(replies) == CALLS:
            done.set()

    with Camera(peer, [bgr8(frame) for frame in back_and_forth(frames("single_face.mp4"))]) as camera:
        camera.wait_for(15)
        answers.forget()
        time.sleep(CALM_S)
        calm = len(answers.messages()) / CALM_S
        answers.forget()
        begun = time.monotonic()
        for number in range(CALLS):
            peer.ask(AddSamples, "add_samples", name=f"bomb_{number}", samples=samples).add_done_callback(count)
        # One after the other, each a moment of a core.
        assert done.wait(PATIENCE_S * 2), f"{len(replies)} of {CALLS} replies"
        took = time.monotonic() - begun
        under_fire = len(answers.messages()) / took
    peak = peak_mb(node.process.pid)
    # Nobody is in these pictures; who does not get a turn is told so.
    assert all(not reply.success and reply.message for reply in replies)
    # The machine may be busy with others, but was so before the bombs, too.
    assert under_fire > calm * LEAST_SHARE, f"{under_fire:.1f} answers a second, {calm:.1f} without bombs"
    assert peak < MOST_MB, f"{peak:.0f} MB"
    row = {
        "calls": CALLS,
        "sent_kb": round(len(bomb.data) * PICTURES / 1000, 1),
        "seconds": round(took, 1),
        "answers_per_s": {"calm": round(calm, 1), "meanwhile": round(under_fire, 1), "share": round(under_fire / calm, 2)},
        "peak_mb": round(peak),
    }
    print("torture:", json.dumps({"what": "pictures of 16 Mpixel in calls", "found": row}))
    assert node.process.stop() == 0
