"""Teaching while the camera runs: a peer captures, teaches, cancels, restarts the node, and finds its task again.

One node throughout; `who` is taught once, from two people on real video.
"""

import os
import re
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from face_attributes.msg import FaceAttributesArray, Task, TaskArray
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
from support.camera import Camera, back_and_forth
from support.peer import LATCHED
from support.process import run_to_end, wait_until

PEOPLE = {"ada": "single_face.mp4", "bob": "WolfgangLanger_Pexels.mp4"}
# Fewer than by default: two people are soon told apart.
EPOCHS = 12
SHIPPED = ["mood", "glasses", "person"]


@pytest.fixture(scope="module")
def node(new_node):
    return new_node().start()


@pytest.fixture(scope="module")
def answers(node, peer):
    return peer.listen(FaceAttributesArray, "attributes")


@pytest.fixture(scope="module")
def tasks(node, peer):
    return peer.listen(TaskArray, "tasks", LATCHED)


@pytest.fixture(scope="module")
def films(frames):
    """What the camera shows for each label."""
    return {
        label: back_and_forth([pictures.bgr8(frame) for frame in frames(video)]) for label, video in PEOPLE.items()
    }


def named(name, message):
    return next((task for task in message.tasks if task.name == name), None)


def state_of(name, *states):
    return lambda message: (task := named(name, message)) is not None and task.state in states


def listed(peer):
    return {task.name: task for task in peer.call(ListTasks, "list_tasks").tasks}


def said_of(task, answer):
    return next((said for face in answer.faces for said in face.attributes if said.task == task), None)


def labelled(task, label):
    return lambda answer: (said := said_of(task, answer)) is not None and said.label == label


@pytest.fixture(scope="module")
def taught(node, peer, answers, tasks, films):
    """`who`, taught from captures of active tracks without waiting for it."""
    captured = {}
    for label, film in films.items():
        with Camera(peer, film):
            face = answers.next(lambda answer: answer.faces and answer.faces[0].attributes, "a judged face").faces[0]
            # The first by its id, the second as the largest face.
            track = "largest" if captured else face.track_id
            captured[label] = peer.call(
                CaptureSamples, "capture_samples", name="who", label=label, track_id=track, count=16, seconds=3.0
            )
    tasks.forget()
    reply = peer.call(AddTask, "add_task", name="who", labels=list(PEOPLE), epochs=EPOCHS)
    tasks.wait_for(state_of("who", Task.READY, Task.FAILED), "`who` ready")
    history = [task for message in tasks.messages() if (task := named("who", message))]
    return SimpleNamespace(captured=captured, reply=reply, history=history, task=history[-1])


def test_captured_crops_are_counted_by_label(taught):
    counts = {}
    for label, reply in taught.captured.items():
        assert reply.success, reply.message
        assert 8 <= reply.captured <= 16
        counts[label] = reply.captured
        assert dict(zip(reply.labels, reply.samples, strict=True)) == counts


def test_add_task_answers_before_the_training_has_ended(taught):
    reply = taught.reply
    assert reply.success, reply.message
    assert reply.task_id == "who@1" and "tasks" in reply.message
    assert list(reply.samples) == [capture.captured for capture in taught.captured.values()]
    # Not known yet.
    assert (reply.held_back, reply.accuracy) == (0, 0.0) and not reply.promise_kept and reply.promise_digest == ""


def test_the_progress_of_a_training_is_told_on_the_task_list(taught):
    training = [task for task in taught.history if task.state == Task.TRAINING]
    progress = [task.progress for task in training]
    assert progress == sorted(progress)
    assert any(0 < share < 1 for share in progress)
    assert any(task.loss > 0 and task.epoch > 0 for task in training)
    assert training[0].labels == list(PEOPLE) and training[0].epochs == EPOCHS


def test_a_taught_task_tells_how_good_it_is_and_from_what_it_draws(taught):
    task = taught.task
    assert (task.state, task.progress, task.version) == (Task.READY, 1.0, 1)
    assert 0 <= task.accuracy_low <= task.accuracy <= task.accuracy_high <= 1
    assert task.held_back > 0 and task.training_seconds > 0
    assert list(task.samples) == [capture.captured for capture in taught.captured.values()]
    # Every transferable task; identities are none.
    assert list(task.sources) == ["mood", "glasses"]
    assert not task.shipped and re.fullmatch("[0-9a-f]{64}", task.digest)


def test_a_taught_task_names_the_people_it_was_taught(taught, answers, peer, films):
    for label, film in films.items():
        with Camera(peer, film):
            answer = answers.next(labelled("who", label), f"the label {label}")
        said = said_of("who", answer)
        assert list(said.labels) == list(PEOPLE)
        assert sum(said.probabilities) + said.unknown == pytest.approx(1, abs=1e-5)


def test_a_cancelled_training_leaves_no_column_and_keeps_its_samples(taught, peer, tasks):
    before = listed(peer)
    waiting = peer.ask(AddTask, "add_task", **teaching.endless("posture", wait=True))
    tasks.next(lambda message: state_of("posture", Task.TRAINING)(message) and named("posture", message).progress > 0, "progress")
    reply = peer.call(CancelTraining, "cancel_training")
    assert reply.success and reply.cancelled == "posture", reply.message
    cancelled = named("posture", tasks.wait_for(state_of("posture", Task.CANCELLED), "`posture` cancelled"))
    assert cancelled.digest == "" and list(cancelled.samples) == [teaching.MANY] * 2
    wait_until(waiting.done, "the waiting request is answered")
    told = waiting.result()
    assert not told.success and "cancelled" in told.message
    after = listed(peer)
    assert {name: after[name].digest for name in before} == {name: task.digest for name, task in before.items()}
    again = peer.call(CancelTraining, "cancel_training", name="posture")
    assert not again.success and "no training runs" in again.message
    assert peer.call(RemoveTask, "remove_task", name="posture").success


def test_what_the_node_keeps_is_for_its_owner_alone(taught, node):
    entries = node.files()
    assert sum(path.suffix == ".png" for path in entries) == sum(taught.task.samples)
    assert stat.S_IMODE(node.state_dir.stat().st_mode) == 0o700
    for name, path in entries.items():
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), name


def test_shared_memory_of_the_node_is_for_its_owner_alone(taught, node):
    status = Path(f"/proc/{node.process.pid}/status").read_text(encoding="utf-8")
    assert re.search(r"^Umask:\s+0077$", status, re.MULTILINE)
    maps = Path(f"/proc/{node.process.pid}/maps").read_text(encoding="utf-8")
    shared = {line.split(maxsplit=5)[5] for line in maps.splitlines() if "/dev/shm/" in line and "(deleted)" not in line}
    # Those of its peers are among them, and are as their own masks say.
    segments = [path for path in shared if re.search(r"/fast\w+_[0-9a-f]+$", path) and os.path.exists(path)]
    modes = {path: oct(stat.S_IMODE(os.stat(path).st_mode)) for path in segments}
    assert not modes or "0o600" in modes.values(), modes


def test_a_restarted_node_finds_its_taught_task_again(taught, node, peer, answers, films):
    node.restart()
    task = listed(peer)["who"]
    assert (task.state, task.version, task.digest) == (Task.READY, 1, taught.task.digest)
    assert list(task.samples) == list(taught.task.samples)
    with Camera(peer, films["ada"]):
        answers.next(labelled("who", "ada"), "the label ada")


def test_a_lost_manifest_costs_no_task_and_no_answer_and_is_repaired(taught, node, peer, answers, films, program):
    manifest = node.state_dir / "manifest.yaml"
    whole, before = manifest.read_bytes(), sorted(node.files())

    def facelab_state(action):
        return run_to_end([program("facelab"), "state", action, node.state_dir])

    assert node.process.stop() == 0
    manifest.unlink()
    node.start()
    assert set(SHIPPED) <= set(listed(peer)) and "who" not in {
        name for name, task in listed(peer).items() if task.state == Task.READY
    }
    with Camera(peer, films["ada"]):
        answers.next(lambda answer: any(face.attributes for face in answer.faces), "what the model ships")
    refused = peer.call(AddTask, "add_task", name="other", labels=["a", "b"], samples=teaching.crops(2, ["a", "b"]))
    assert not refused.success and "facelab state repair" in refused.message, refused.message
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics")
    diagnostics.next(
        lambda message: any(
            status.name.endswith(": tasks") and status.level == DiagnosticStatus.ERROR and "manifest.yaml" in status.message
            for status in message.status
        ),
        "what is broken",
    )
    checked = facelab_state("check")
    assert checked.returncode == 1 and "manifest    BROKEN" in checked.stdout, checked.stderr
    assert facelab_state("repair").returncode == 1, "the node still has the folder"
    assert node.process.stop() == 0
    assert sorted(set(node.files()) | {Path("manifest.yaml")}) == before, "nothing was swept"
    repaired = facelab_state("repair")
    assert repaired.returncode == 0 and "who@1: whole" in repaired.stdout, repaired.stderr
    assert manifest.read_bytes() == whole
    node.start()
    task = listed(peer)["who"]
    assert (task.state, task.digest) == (Task.READY, taught.task.digest)


def test_more_samples_retrain_that_column_alone(taught, node, peer):
    before = listed(peer)
    added = peer.call(AddSamples, "add_samples", name="who", samples=teaching.crops(2, ["ada"]))
    assert added.success and dict(zip(added.labels, added.samples))["ada"] == taught.task.samples[0] + 2
    reply = peer.call(AddTask, "add_task", name="who", retrain=True, epochs=2, wait=True)
    assert reply.success, reply.message
    assert reply.task_id == "who@2" and reply.promise_kept and len(reply.promise_digest) == 64
    assert 0 <= reply.accuracy_low <= reply.accuracy <= reply.accuracy_high <= 1 and reply.training_seconds > 0
    after = listed(peer)
    assert after["who"].version == 2 and after["who"].digest != before["who"].digest
    assert {name: after[name].digest for name in SHIPPED} == {name: before[name].digest for name in SHIPPED}


def test_an_exported_task_comes_back_under_another_name(taught, node, peer, tmp_path):
    folder = tmp_path / "exported"
    reply = peer.call(ExportTask, "export_task", name="who", directory=str(folder), with_samples=True)
    assert reply.success, reply.message
    written = {str(path) for path in folder.rglob("*") if path.is_file()}
    assert set(reply.files) <= written and str(folder / "manifest.yaml") in reply.files
    assert sum(name.endswith(".png") for name in written) == sum(listed(peer)["who"].samples)
    assert all(stat.S_IMODE((folder / name).stat().st_mode) == 0o600 for name in written)

    reply = peer.call(ImportTask, "import_task", directory=str(folder), name="who_again")
    assert reply.success and reply.promise_kept, reply.message
    tasks = listed(peer)
    assert reply.task_id == f"who_again@{tasks['who_again'].version}"
    assert tasks["who_again"].digest == tasks["who"].digest
    assert list(tasks["who_again"].samples) == list(tasks["who"].samples)
    twice = peer.call(ImportTask, "import_task", directory=str(folder))
    assert not twice.success and "`who` exists already" in twice.message
    assert peer.call(RemoveTask, "remove_task", name="who_again").success


def crops_of(node, task):
    return [path for path in (node.state_dir / "samples" / task).rglob("*.png")]


def test_forgotten_samples_are_gone_from_the_disk_and_the_column_stays(taught, node, peer):
    before = listed(peer)["who"]
    reply = peer.call(ForgetSamples, "forget_samples", name="who", label="ada")
    assert reply.success and reply.erased == before.samples[0]
    assert len(crops_of(node, "who")) == before.samples[1]
    reply = peer.call(ForgetSamples, "forget_samples", name="who")
    assert reply.success and reply.erased == before.samples[1]
    assert crops_of(node, "who") == []
    after = listed(peer)["who"]
    assert (after.state, after.digest) == (Task.READY, before.digest)


def test_a_removed_task_answers_no_more_and_leaves_nothing_behind(taught, node, peer, answers, films):
    before = listed(peer)
    reply = peer.call(RemoveTask, "remove_task", name="who")
    assert reply.success and list(reply.removed) == ["who"] and reply.promise_kept, reply.message
    assert list(listed(peer)) == SHIPPED
    with Camera(peer, films["ada"]):
        answer = answers.next(lambda answer: answer.faces and answer.faces[0].attributes, "a judged face")
    assert [said.task for said in answer.faces[0].attributes] == SHIPPED
    assert [name for name in node.files() if "who" in name.name] == []
    assert {name: task.digest for name, task in listed(peer).items()} == {name: before[name].digest for name in SHIPPED}


def test_a_training_that_a_crash_cut_off_goes_on_after_the_next_start(node, peer, tasks):
    assert peer.call(AddTask, "add_task", **teaching.endless("posture")).success

    def trained(message):
        return state_of("posture", Task.TRAINING)(message) and named("posture", message).epoch >= 2

    reached = named("posture", tasks.next(trained, "two epochs")).epoch
    node.process.kill()
    node.start()
    tasks.next(lambda message: state_of("posture", Task.TRAINING)(message) and named("posture", message).epoch > 0, "an epoch")
    first = min(task.epoch for message in tasks.messages() if (task := named("posture", message)) and task.epoch > 0)
    # At most the epoch in progress is lost.
    assert first >= reached
    assert peer.call(CancelTraining, "cancel_training", name="posture").success


def test_without_retain_samples_no_crop_stays(node, peer, tasks):
    node.restart(retain_samples=False)
    peer.reach(ListTasks, "list_tasks")
    reply = peer.call(AddTask, "add_task", **teaching.quick("brief", wait=True))
    assert reply.success and list(reply.samples) == [6, 6], reply.message
    assert crops_of(node, "brief") == []
    task = listed(peer)["brief"]
    # How many it was taught with is still known.
    assert task.state == Task.READY and list(task.samples) == [6, 6]
