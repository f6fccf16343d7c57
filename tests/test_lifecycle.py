"""From the command line to the end: what is refused at start-up, and how a signal ends the node."""

import json
import signal

import pytest
from face_attributes.msg import Task, TaskArray
from face_attributes.srv import AddTask, CancelTraining
from rcl_interfaces.srv import GetParameters

from conftest import ROOT
from support import teaching
from support.peer import LATCHED
from support.process import run_to_end

# Promised are two seconds; a machine that is busy with other things gets more.
STOP_S = 10.0


@pytest.fixture(scope="module")
def start(program, environment, model):
    """Runs the node with parameters that it is expected to refuse."""

    def run_with(*words):
        # `model` comes first: a later one counts.
        return run_to_end([program("face_attributes_node"), "--ros-args", "-p", f"model:={model}", *words], environment)

    return run_with


@pytest.mark.parametrize(
    "name, setting, words",
    [
        ("scheduler.refresh_hz", "100.0", "is 100, but must be 0.1 to 60 Hz"),
        ("scheduler.refresh_hz", "fast", "is 'fast', but must be a number: 0.1 to 60 Hz"),
        ("detector.max_faces", "0", "is 0, but must be 1 to 1000"),
        ("device", "tpu", "is 'tpu', but must be one of auto, cpu, cuda"),
        ("retain_samples", "maybe", "must be a bool: true or false"),
        ("training.queue", "65", "is 65, but must be 0 to 64 trainings"),
    ],
)
def test_a_bad_parameter_ends_the_start_with_its_name_and_range(name, setting, words, start):
    ended = start("-p", f"{name}:={setting}")
    assert ended.returncode == 2
    assert f"parameter '{name}'" in ended.stderr and words in ended.stderr, ended.stderr


def test_an_unknown_parameter_ends_the_start_with_the_one_that_was_meant(start):
    ended = start("-p", "score_threshold:=0.5", "-p", "colour:=blue")
    assert ended.returncode == 2
    assert "no parameter 'score_threshold'; is 'detector.score_threshold' meant?" in ended.stderr, ended.stderr
    # Everything that is wrong at once.
    assert "no parameter 'colour'" in ended.stderr


def test_a_parameter_file_with_a_bad_value_ends_the_start(start, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    smoothing:\n      half_life_s: -1.0\n")
    ended = start("--params-file", file)
    assert ended.returncode == 2
    assert "parameter 'smoothing.half_life_s' is -1, but must be 0 to 3600 s" in ended.stderr, ended.stderr


def test_a_model_that_is_not_there_is_never_replaced_by_another(start, tmp_path):
    ended = start("-p", f"model:={tmp_path}")
    assert ended.returncode == 2
    assert str(tmp_path) in ended.stderr and "manifest.yaml" in ended.stderr, ended.stderr


def test_a_model_with_a_changed_weight_is_an_error_with_its_file(start, model, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for part in model.iterdir():
        (broken / part.name).write_bytes(part.read_bytes())
    (part,) = broken.glob("mood-*.safetensors")
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(data)
    ended = start("-p", f"model:={broken}", "-p", f"state_dir:={tmp_path / 'state'}")
    assert ended.returncode == 1
    assert part.name in ended.stderr and "SHA-256" in ended.stderr, ended.stderr


def test_cuda_without_a_card_is_an_error_and_no_silent_fallback(start, tmp_path):
    if list(ROOT.joinpath("/dev").glob("nvidia*")):
        pytest.skip("there is a card")
    ended = start("-p", "device:=cuda", "-p", f"state_dir:={tmp_path / 'state'}")
    assert ended.returncode in (1, 2)
    assert "cuda" in ended.stderr.lower(), ended.stderr


def test_the_programs_explain_themselves(program, environment):
    for name in ("face_attributes_node", "image_stream", "facelab"):
        shown = run_to_end([program(name), "--help"], environment)
        assert shown.returncode == 0 and "Examples:" in shown.stdout and "Exit codes:" in shown.stdout, name
        refused = run_to_end([program(name), "--no-such-option"], environment)
        assert refused.returncode == 2 and "--no-such-option" in refused.stderr, name


def test_the_parameters_are_described_as_json(program, environment):
    shown = run_to_end([program("face_attributes_node"), "--describe-parameters"], environment)
    described = json.loads(shown.stdout)
    parameters = {parameter["name"]: parameter for parameter in described["parameters"]}
    assert parameters["scheduler.refresh_hz"]["range"] == "0.1 to 60 Hz"
    assert not parameters["scheduler.refresh_hz"]["read_only"] and parameters["model"]["read_only"]


def test_the_parameter_file_that_ships_starts_the_node_and_sigint_ends_it(new_node, peer, tmp_path):
    file = ROOT / "config/face_attributes.yaml"
    changed = tmp_path / "changed.yaml"
    changed.write_text("/**:\n  ros__parameters:\n    scheduler:\n      max_batch: 3\n")
    node = new_node()
    # What is given later counts: the file, then the user's own, then -p.
    node.extra = ["--params-file", file, "--params-file", changed]
    node.start()
    names = ["scheduler.max_batch", "scheduler.refresh_hz", "state_dir"]
    batch, refresh, state_dir = peer.call(GetParameters, "face_attributes/get_parameters", names=names).values
    assert (batch.integer_value, refresh.double_value) == (3, 10.0)
    assert state_dir.string_value == str(node.state_dir)
    assert node.process.stop(signal.SIGINT, STOP_S) == 0
    assert "stopped" in node.process.output()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_node_in_good_order_also_while_it_trains(number, new_node, peer):
    node = new_node().start()
    with peer.listen(TaskArray, "tasks", LATCHED) as tasks:

        def training(message):
            return any(task.name == "posture" and task.state == Task.TRAINING and task.progress > 0 for task in message.tasks)

        waiting = peer.ask(AddTask, "add_task", **teaching.endless("posture", wait=True))
        tasks.wait_for(training, "a training")
        assert node.process.stop(number, STOP_S) == 0
        said = node.process.output()
        assert f"stopping on {number.name}" in said and said.rstrip().endswith("stopped"), node.process.tail()
        assert not waiting.done() or not waiting.result().success

        # The training was not the user's to lose: it goes on at the next start.
        node.start()
        tasks.next(training, "the training again")
    assert peer.call(CancelTraining, "cancel_training").cancelled == "posture"
    assert node.process.stop(number, STOP_S) == 0
