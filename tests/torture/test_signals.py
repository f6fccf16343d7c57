"""A signal ends the node within two seconds, whatever it does and however busy the machine is."""

import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from face_attributes.msg import Task
from face_attributes.srv import AddTask, ListTasks

from support import pictures, teaching
from support.camera import Camera, back_and_forth
from support.process import wait_until
from torture import TIMES

# One more than a training that takes the node down is given.
ROUNDS = 3 + TIMES
# Load ends by itself, should nobody end it.
LOAD_S = 60.0
BURN = f"import time\nend = time.monotonic() + {LOAD_S}\nwhile time.monotonic() < end:\n    pass\n"


@pytest.fixture
def busy():
    """Twice as many programs as processors, all at work."""
    burners = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(2 * (os.cpu_count() or 2))]
    yield
    for burner in burners:
        burner.kill()
        burner.wait()


def test_a_training_under_load_is_ended_by_a_signal(new_node, peer, frames, busy):
    node = new_node().start()
    film = [pictures.bgr8(frame) for frame in back_and_forth(frames("single_face.mp4"))]
    took = []

    def trains():
        tasks = peer.call(ListTasks, "list_tasks").tasks
        return any(task.state == Task.TRAINING for task in tasks)

    with Camera(peer, film) as camera:
        assert peer.call(AddTask, "add_task", **teaching.endless("posture")).success
        for number in range(ROUNDS):
            # After the first round it goes on where it was.
            wait_until(trains, "a training runs")
            camera.wait_for(5)
            begun = time.monotonic()
            assert node.process.stop(signal.SIGINT if number % 2 else signal.SIGTERM) == 0, node.process.tail()
            took.append(time.monotonic() - begun)
            node.start()
            peer.reach(ListTasks, "list_tasks")
    row = {"rounds": ROUNDS, "longest_s": round(max(took), 2), "mean_s": round(sum(took) / len(took), 2)}
    print("torture:", json.dumps({"what": "a signal in a training, under load", "found": row}))
    assert node.process.stop() == 0


def segments(pid):
    """Those of Fast DDS that a program made: it holds a lock on a file beside each. Others that it has mapped are its peers'."""
    links = [os.readlink(entry) for entry in glob.glob(f"/proc/{pid}/fd/*") if os.path.islink(entry)]
    return {link.removesuffix("_el") for link in links if re.search(r"^/dev/shm/fast\w+_[0-9a-f]+_el$", link)}


def test_shared_memory_of_a_killed_node_goes_with_the_next_start(new_node, peer):
    node = new_node().start()
    peer.reach(ListTasks, "list_tasks")
    others = segments(os.getpid())
    own = segments(node.process.pid)
    if not own:
        pytest.skip("this middleware takes no shared memory")
    node.process.kill()
    assert all(os.path.exists(path) for path in own)
    node.start()
    assert not any(os.path.exists(path) for path in own)
    # Those that live keep theirs.
    assert all(os.path.exists(path) for path in others)
    peer.reach(ListTasks, "list_tasks")
    assert node.process.stop() == 0
