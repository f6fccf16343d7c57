"""Values with a meaning of their own: they are not taken for what they are not."""

import math

import pytest
from face_attributes.srv import AddSamples, AddTask, CaptureSamples, ListTasks

from support import teaching


@pytest.fixture(scope="module")
def node(new_node):
    return new_node().start()


@pytest.mark.parametrize("seconds", [math.nan, -1.0, -math.inf, math.inf, 1e-3])
def test_seconds_that_are_none_are_refused_as_they_were_given(seconds, node, peer):
    reply = peer.call(CaptureSamples, "capture_samples", name="gaze", label="up", track_id="largest", seconds=seconds)
    given = {"nan": "NaN"}.get(str(seconds), str(seconds)).removesuffix(".0")
    assert not reply.success and f"seconds is {given}" in reply.message and "0.1 to 60 s" in reply.message, reply.message


def test_adding_nothing_is_no_success(node, peer):
    reply = peer.call(AddSamples, "add_samples", name="gaze", samples=[])
    assert not reply.success and "`samples` is empty" in reply.message, reply.message


@pytest.mark.parametrize("label", ["unknown", "Unknown"])
def test_unknown_is_what_answers_say_and_no_label(label, node, peer):
    (sample,) = teaching.crops(1, [label])
    requests = [
        (AddTask, "add_task", {"name": "gaze", "labels": ["up", label]}),
        (AddSamples, "add_samples", {"name": "gaze", "samples": [sample]}),
        (CaptureSamples, "capture_samples", {"name": "gaze", "label": label, "track_id": "largest"}),
    ]
    for service, name, request in requests:
        reply = peer.call(service, name, **request)
        assert not reply.success and f"'{label}' is what answers call faces" in reply.message, reply.message
    assert "gaze" not in {task.name for task in peer.call(ListTasks, "list_tasks").tasks}
    assert node.process.code() is None
