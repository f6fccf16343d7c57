"""Every service call of the documents, typed one after the other as it stands, into a node that sees a face."""

import importlib
import time

import pytest
import yaml
from face_attributes.msg import Task
from face_attributes.srv import ListTasks

from support.camera import Camera, back_and_forth
from support.documents import ROOT, service_calls
from support.pictures import bgr8
from support.process import PATIENCE_S

BUSY = {Task.QUEUED, Task.TRAINING}


def typed(service, request):
    """The fields of a request as `ros2 service call` reads them: a number without a point is a float where one is wanted."""
    kinds = service.Request.get_fields_and_field_types()
    return {name: float(value) if kinds[name] in ("float", "double") else value for name, value in request.items()}


def wait_until_idle(peer):
    end = time.monotonic() + 4 * PATIENCE_S
    while any(task.state in BUSY for task in peer.call(ListTasks, "list_tasks").tasks):
        assert time.monotonic() < end, "a training does not end"
        time.sleep(0.2)


@pytest.mark.parametrize("document", ["README.md", "docs/teaching.md"])
def test_the_commands_of_a_document_can_be_pasted_in_their_order(document, new_node, peer, frames):
    node = new_node(model=ROOT / "models/default").start()
    calls = service_calls(ROOT / document)
    assert calls
    with Camera(peer, [bgr8(frame) for frame in back_and_forth(frames("single_face.mp4"))]) as camera:
        camera.wait_for(15)
        for at, (name, package, kind, request) in enumerate(calls):
            service = getattr(importlib.import_module(f"{package}.srv"), kind)
            fields = typed(service, yaml.safe_load(request))
            reply = peer.call(service, name, timeout=4 * PATIENCE_S, **fields)
            assert getattr(reply, "success", True), f"{name} {request}: {reply.message}"
            if not (at + 1 < len(calls) and calls[at + 1][2] == "CancelTraining"):
                wait_until_idle(peer)
    assert node.process.stop() == 0
