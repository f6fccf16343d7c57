"""Every service call of the documents, typed one after the other as it stands, into a node that sees a face."""

import importlib
import sys
import time

import pytest
import yaml
from face_attributes.msg import Task
from face_attributes.srv import ListTasks

from support.actions import Client
from support.camera import Camera, back_and_forth
from support.documents import ROOT, calls, programs, typed
from support.pictures import bgr8
from support.process import PATIENCE_S, run_to_end

BUSY = {Task.QUEUED, Task.TRAINING}


def wait_until_idle(peer):
    end = time.monotonic() + 4 * PATIENCE_S
    while any(task.state in BUSY for task in peer.call(ListTasks, "list_tasks").tasks):
        assert time.monotonic() < end, "a training does not end"
        time.sleep(0.2)


def test_the_program_with_actions_runs_as_it_stands(new_node, peer, frames, environment, tmp_path):
    node = new_node(model=ROOT / "models/default").start()
    (program,) = [text for text in programs(ROOT / "docs/teaching.md") if "ActionClient" in text]
    file = tmp_path / "operator.py"
    file.write_text(program)
    with Camera(peer, [bgr8(frame) for frame in back_and_forth(frames("single_face.mp4"))]) as camera:
        camera.wait_for(15)
        ended = run_to_end([sys.executable, file], environment, timeout=4 * PATIENCE_S, input="\n\n")
    assert ended.returncode == 0, ended.stderr
    assert "captured for tilt" in ended.stdout and "tilt answers after" in ended.stdout, ended.stdout
    assert node.process.stop() == 0


@pytest.mark.parametrize("document", ["README.md", "docs/teaching.md"])
def test_the_commands_of_a_document_can_be_pasted_in_their_order(document, new_node, peer, frames):
    node = new_node(model=ROOT / "models/default").start()
    typed_in = calls(ROOT / document)
    assert typed_in
    with Camera(peer, [bgr8(frame) for frame in back_and_forth(frames("single_face.mp4"))]) as camera:
        camera.wait_for(15)
        for at, (name, package, of, kind, request) in enumerate(typed_in):
            interface = getattr(importlib.import_module(f"{package}.{of}"), kind)
            if of == "srv":
                fields = typed(interface.Request, yaml.safe_load(request))
                reply = peer.call(interface, name, timeout=4 * PATIENCE_S, **fields)
            else:
                with Client(peer, interface, name) as client:
                    _, reply = client.run(**typed(interface.Goal, yaml.safe_load(request)))
            assert getattr(reply, "success", True), f"{name} {request}: {reply.message}"
            if not (at + 1 < len(typed_in) and typed_in[at + 1][3] == "CancelTraining"):
                wait_until_idle(peer)
    assert node.process.stop() == 0
