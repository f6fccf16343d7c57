"""What the services refuse: with a message that names the thing and says what to do, and without changing anything.

One node with two taught tasks: `posture`, and `stance` which draws from it. A camera shows one face all the time.
"""

import hashlib
import re
import time
from pathlib import Path

import numpy as np
import pytest
from face_attributes.msg import FaceAttributesArray, Sample, Task, TaskArray
from face_attributes.srv import (
    AddSamples,
    AddTask,
    CancelTraining,
    CaptureSamples,
    ExportTask,
    ForgetSamples,
    ImportTask,
    ListTasks,
    RemoveTask,
)

from support import pictures, teaching
from support.camera import Camera
from support.peer import LATCHED
from support.process import wait_until
from support.services import CHANGING

SAMPLES = teaching.crops(2)
TEACH = {"name": "gaze", "labels": teaching.LABELS, "samples": SAMPLES, "no_sources": True}


@pytest.fixture(scope="module")
def node(new_node, peer):
    node = new_node().start()
    for request in (teaching.quick("posture", transferable=True), teaching.quick("stance") | draws_from("posture")):
        reply = peer.call(AddTask, "add_task", wait=True, **request)
        assert reply.success, reply.message
    return node


def draws_from(*sources):
    return {"no_sources": False, "sources": list(sources)}


@pytest.fixture(scope="module")
def digest_before(node, peer):
    """Over every column's answers on the probe batch, before anything was refused."""
    return probed(peer)


def probed(peer):
    """A column that comes and goes: both replies carry the digest over all other columns' answers."""
    added = peer.call(AddTask, "add_task", **teaching.quick("passing", wait=True))
    removed = peer.call(RemoveTask, "remove_task", name="passing")
    assert added.success and removed.success and added.promise_kept and removed.promise_kept
    assert added.promise_digest == removed.promise_digest and len(added.promise_digest) == 64
    return added.promise_digest


@pytest.fixture(scope="module", autouse=True)
def one_face(node, peer, astronaut, digest_before):
    answers = peer.listen(FaceAttributesArray, "attributes")
    with Camera(peer, [pictures.bgr8(astronaut)]):
        answers.wait_for(lambda answer: answer.faces, "a face")
        yield


def contents(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def unchanged(node, peer, model):
    """Holds that the test changes neither task list nor disk."""

    def all_there_is():
        return repr(peer.call(ListTasks, "list_tasks").tasks), contents(node.state_dir), contents(model)

    before = all_there_is()
    yield
    assert all_there_is() == before
    assert node.process.code() is None


def picture(frame, kind="PNG", label=teaching.LABELS[0]):
    return Sample(label=label, compressed=pictures.compressed(pictures.file_bytes(frame, kind)))


def with_sample(sample):
    return TEACH | {"samples": [*SAMPLES, sample]}


BELOW, ABOVE = reversed(teaching.LABELS)
WITHOUT_BELOW = [sample for sample in SAMPLES if sample.label == ABOVE]
ENDLESS_NAME = "a" * 64

# What is asked, and what the refusal must say.
ADD_TASK = {
    "a name in use": (TEACH | {"name": "posture"}, ["`posture` exists already", "choose another name", "retrain"]),
    "the name of a shipped task": (TEACH | {"name": "mood"}, ["`mood` exists already", "choose another name"]),
    "retraining a shipped task": (TEACH | {"name": "mood", "retrain": True}, ["`mood` is part of the shipped model"]),
    "retraining what is not there": (TEACH | {"retrain": True}, ["no task `gaze`", "posture"]),
    "a name with capitals": (TEACH | {"name": "Gaze"}, ["'Gaze' is not a task name", "lower-case letter"]),
    "a name that leads elsewhere": (TEACH | {"name": "../gaze"}, ["'../gaze' is not a task name"]),
    "a name too long": (TEACH | {"name": ENDLESS_NAME}, [ENDLESS_NAME, "up to 62"]),
    "no name": (TEACH | {"name": ""}, ["'' is not a task name"]),
    "no label": (TEACH | {"labels": [], "samples": []}, ["`gaze` has 0 labels", "at least 2"]),
    "one label": (TEACH | {"labels": [ABOVE], "samples": WITHOUT_BELOW}, ["`gaze` has 1 labels", "at least 2"]),
    "a label twice": (TEACH | {"labels": [ABOVE, BELOW, ABOVE]}, [f"`{ABOVE}` is given twice"]),
    "an empty label": (TEACH | {"labels": [ABOVE, ""]}, ["'' is not a label", "1 to 63 characters"]),
    "a label without samples": (TEACH | {"samples": WITHOUT_BELOW}, [f"no samples of {BELOW}", "capture_samples"]),
    "a sample of another label": (TEACH | {"labels": [ABOVE, "aside"]}, [f"labelled `{BELOW}`", "aside"]),
    "a source that is not there": (TEACH | draws_from("pose"), ["no task `pose` to draw from", "posture"]),
    "a source that is not transferable": (TEACH | draws_from("person"), ["`person` is not transferable"]),
    "a source twice": (TEACH | draws_from("mood", "mood"), ["`mood` cannot be a source", "twice"]),
    "sources and none": (TEACH | {"sources": ["mood"]}, ["`sources` and `no_sources` exclude each other"]),
    "an empty sample": (with_sample(Sample(label=ABOVE)), ["image 5", "is empty", "`compressed`"]),
    "a sample without a label": (with_sample(Sample(image=SAMPLES[0].image)), ["image 5", "is not a label"]),
    "an image that is none": (
        with_sample(Sample(label=ABOVE, compressed=pictures.compressed(b"GIF89a, not a picture"))),
        ["image 5", f"'{ABOVE}'", "neither JPEG nor PNG"],
    ),
    "an unknown encoding": (
        with_sample(Sample(label=ABOVE, image=teaching.Image(encoding="h264", width=2, height=2, step=2, data=[0] * 6))),
        ["image 5", "h264", "an encoding that the node subscribes to"],
    ),
}


@pytest.mark.parametrize("case", ADD_TASK)
def test_add_task_refuses(case, unchanged, peer):
    request, words = ADD_TASK[case]
    reply = peer.call(AddTask, "add_task", wait=True, **request)
    assert not reply.success
    assert [word for word in words if word not in reply.message] == [], reply.message


def test_an_image_without_a_face_is_refused(unchanged, peer, frames):
    nobody = frames("no_face.mp4")[0]
    reply = peer.call(AddTask, "add_task", **with_sample(picture(nobody)))
    assert not reply.success
    assert all(word in reply.message for word in ("image 5", f"'{ABOVE}'", "has no face", "is_crop")), reply.message


def test_an_image_that_is_cut_off_is_refused(unchanged, peer, astronaut):
    whole = pictures.file_bytes(astronaut, "PNG")
    sample = Sample(label=ABOVE, compressed=pictures.compressed(whole[: len(whole) // 2], "png"))
    reply = peer.call(AddTask, "add_task", **with_sample(sample))
    assert not reply.success
    assert "image 5" in reply.message and "does not decode" in reply.message, reply.message


def test_an_oversized_image_is_refused_and_not_decoded(unchanged, peer, astronaut):
    large = astronaut[:1, :1].repeat(5000, 0).repeat(4000, 1)
    reply = peer.call(AddTask, "add_task", **with_sample(picture(large)))
    assert not reply.success
    assert all(word in reply.message for word in ("image 5", "4000×5000", "shrink it", "max_image_pixels")), reply.message


def test_a_request_with_too_many_pixels_in_all_is_refused(unchanged, peer, astronaut):
    large = picture(astronaut[:1, :1].repeat(4000, 0).repeat(4000, 1))
    reply = peer.call(AddSamples, "add_samples", name="gaze", samples=[large] * 5)
    assert not reply.success and "from image 5 on" in reply.message and "several requests" in reply.message


CAPTURE = {"name": "gaze", "label": ABOVE, "track_id": "largest", "count": 2, "seconds": 2.0}
OTHERS = {
    "capture: an unknown track": (CaptureSamples, CAPTURE | {"track_id": "zzzzz"}, ["zzzzz", "in view: ", "largest"]),
    "capture: no track id": (CaptureSamples, CAPTURE | {"track_id": "7"}, ["five letters", "largest"]),
    "capture: too many": (CaptureSamples, CAPTURE | {"count": 201}, ["count is 201", "1 to 200"]),
    "capture: too long": (CaptureSamples, CAPTURE | {"seconds": 61.0}, ["seconds is 61", "0.1 to 60 s"]),
    "capture: a shipped task": (CaptureSamples, CAPTURE | {"name": "mood"}, ["`mood` is part of the shipped model"]),
    "capture: a bad name": (CaptureSamples, CAPTURE | {"name": "no spaces"}, ["'no spaces' is not a task name"]),
    "add_samples: a shipped task": (AddSamples, {"name": "mood", "samples": SAMPLES}, ["`mood` is part of the shipped"]),
    "remove: what others draw from": (
        RemoveTask,
        {"name": "posture"},
        ["stance draw(s) from task `posture`", "cascade", "keep_as_source"],
    ),
    "remove: two ways at once": (
        RemoveTask,
        {"name": "posture", "cascade": True, "keep_as_source": True},
        ["`cascade` and `keep_as_source` exclude each other"],
    ),
    "remove: a shipped task": (RemoveTask, {"name": "mood"}, ["`mood` is part of the shipped model"]),
    "remove: what is not there": (RemoveTask, {"name": "gaze"}, ["no task `gaze`", "posture"]),
    "cancel: nothing runs": (CancelTraining, {}, ["no training runs"]),
    "cancel: what is not there": (CancelTraining, {"name": "gaze"}, ["no task `gaze`", "posture"]),
    "export: a shipped task": (ExportTask, {"name": "mood", "directory": "/nowhere"}, ["`mood` is part of the shipped"]),
    "export: elsewhere": (ExportTask, {"name": "posture", "directory": "/etc/here"}, ["/etc/here", "exchange_dir"]),
    "export: upwards": (ExportTask, {"name": "posture", "directory": "../here"}, ["../here", "plain path"]),
    "export: no name": (ExportTask, {"name": "posture"}, ["give a name"]),
    "import: elsewhere": (ImportTask, {"directory": "/etc"}, ["/etc", "exchange_dir"]),
    "import: no such folder": (ImportTask, {"directory": "no_such_folder"}, ["no_such_folder", "export_task"]),
    "forget: what is not there": (ForgetSamples, {"name": "gaze"}, ["no task `gaze`", "posture"]),
    "forget: no such label": (ForgetSamples, {"name": "posture", "label": "aside"}, ["`aside`", ABOVE, BELOW]),
}


@pytest.mark.parametrize("case", OTHERS)
def test_the_other_services_refuse(case, unchanged, peer):
    service, request, words = OTHERS[case]
    reply = peer.call(service, CHANGING[service], **request)
    assert not reply.success
    assert [word for word in words if word not in reply.message] == [], reply.message


def test_an_export_into_a_folder_that_is_not_empty_is_refused(unchanged, peer, tmp_path):
    (tmp_path / "mine").write_text("mine")
    reply = peer.call(ExportTask, "export_task", name="posture", directory=str(tmp_path))
    assert not reply.success and "not empty" in reply.message
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_task_from_another_model_is_refused(unchanged, peer, tmp_path):
    reply = peer.call(ExportTask, "export_task", name="posture", directory=str(tmp_path / "task"))
    assert reply.success
    manifest = tmp_path / "task" / "manifest.yaml"
    text = manifest.read_text()
    (digest,) = {line.split()[-1] for line in text.splitlines() if line.strip().startswith("encoder")}
    manifest.write_text(text.replace(digest, "0" * 64))
    reply = peer.call(ImportTask, "import_task", directory=str(tmp_path / "task"), name="moved")
    assert not reply.success and "encoder" in reply.message, reply.message


@pytest.fixture
def no_training(peer):
    """Ends every training that the test leaves behind."""
    yield
    tasks = peer.call(ListTasks, "list_tasks").tasks
    for task in reversed(tasks):
        if task.state in (Task.QUEUED, Task.TRAINING):
            assert peer.call(CancelTraining, "cancel_training", name=task.name).success
    with peer.listen(TaskArray, "tasks", LATCHED) as listener:
        listener.wait_for(
            lambda message: all(task.state not in (Task.QUEUED, Task.TRAINING) for task in message.tasks), "no training"
        )
    for task in tasks:
        if task.state in (Task.QUEUED, Task.TRAINING):
            assert peer.call(RemoveTask, "remove_task", name=task.name).success


def test_trainings_wait_in_a_queue_of_four_and_a_further_one_is_refused(node, peer, no_training):
    assert peer.call(AddTask, "add_task", **teaching.endless("first")).success
    with peer.listen(TaskArray, "tasks", LATCHED) as listener:
        listener.wait_for(
            lambda message: any(task.name == "first" and task.state == Task.TRAINING for task in message.tasks), "a training"
        )
    for name in ("second", "third", "fourth", "fifth"):
        reply = peer.call(AddTask, "add_task", **(TEACH | {"name": name}))
        assert reply.success and reply.task_id == f"{name}@1", reply.message
    reply = peer.call(AddTask, "add_task", **(TEACH | {"name": "sixth"}))
    assert not reply.success and "4 trainings wait already" in reply.message and "cancel_training" in reply.message

    # And what trains or waits is not to be touched.
    for service, name in ((RemoveTask, "remove_task"), (ForgetSamples, "forget_samples")):
        reply = peer.call(service, name, name="first")
        assert not reply.success and "`first` is being trained" in reply.message and "cancel_training" in reply.message
    reply = peer.call(AddTask, "add_task", **(TEACH | {"name": "second", "retrain": True}))
    assert not reply.success and "`second` is being trained or waits" in reply.message
    states = {task.name: task.state for task in peer.call(ListTasks, "list_tasks").tasks}
    assert states["first"] == Task.TRAINING
    assert [states[name] for name in ("second", "third", "fourth", "fifth")] == [Task.QUEUED] * 4
    assert "sixth" not in states


def test_after_all_refusals_every_column_answers_bit_for_bit_as_before(node, peer, digest_before):
    assert probed(peer) == digest_before


def test_pictures_that_grow_when_decoded_neither_fill_the_memory_nor_stop_the_camera(node, peer):
    """20 calls of four PNGs of 16 million pixels, 50 KB each: decoded at once they would take gigabytes."""
    bomb = pictures.compressed(pictures.file_bytes(np.zeros((4000, 4000, 3), np.uint8), "PNG"))
    samples = [Sample(label="a", compressed=bomb, is_crop=True) for _ in range(4)]
    assert sum(len(sample.compressed.data) for sample in samples) < 1_000_000
    answers, before = peer.listen(FaceAttributesArray, "attributes"), peak_mb(node)
    asked = []
    for number in range(20):
        asked.append(peer.ask(AddSamples, "add_samples", name=f"bomb{number}", samples=samples))
        # The middleware keeps ten requests for a service and drops older ones.
        time.sleep(0.1)
    seen = len(answers.messages())
    wait_until(lambda: len(answers.messages()) > seen + 5, "answers to the camera meanwhile")
    wait_until(lambda: all(future.done() for future in asked), "a reply to each call", timeout=240)
    replies = [future.result() for future in asked]
    refused = {reply.message for reply in replies if not reply.success}
    assert any(reply.success for reply in replies) and any("try again" in message for message in refused), refused
    assert peak_mb(node) - before < 600
    for number in range(20):
        peer.call(ForgetSamples, "forget_samples", name=f"bomb{number}")


def peak_mb(node):
    status = Path(f"/proc/{node.process.pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1000
