"""Whose requests are granted, and which folders they reach."""

import subprocess

import pytest
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

from support import teaching
from support.process import PATIENCE_S

CHANGING = {
    AddSamples: "add_samples",
    AddTask: "add_task",
    CancelTraining: "cancel_training",
    CaptureSamples: "capture_samples",
    ExportTask: "export_task",
    ForgetSamples: "forget_samples",
    ImportTask: "import_task",
    RemoveTask: "remove_task",
}


@pytest.fixture(scope="module")
def closed(new_node):
    return new_node(**{"teaching.allowed": "none"}).start()


@pytest.mark.parametrize("service", CHANGING, ids=CHANGING.values())
def test_where_nobody_may_teach_every_change_is_refused_and_the_list_is_told(service, closed, peer):
    before = sorted(closed.files())
    reply = peer.call(service, CHANGING[service])
    assert not reply.success and "teaching.allowed is none" in reply.message, reply.message
    assert peer.call(ListTasks, "list_tasks").success
    assert sorted(closed.files()) == before


@pytest.mark.parametrize(
    "variables, starts",
    [
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_STATIC_PEERS": "127.0.0.2"}, False),
    ],
)
def test_local_teaching_needs_a_node_that_no_other_machine_reaches(variables, starts, program, environment, model):
    # The last word is wrong: a node that gets past the check ends there, and makes no traffic.
    words = ["-p", f"model:={model}", "-p", "teaching.allowed:=local", "-p", "yunet:=/no/such/file"]
    command = [program("face_attributes_node"), "--ros-args", *words]
    around = {name: value for name, value in environment.items() if name not in ("ROS_STATIC_PEERS", "ROS_LOCALHOST_ONLY")}
    ended = subprocess.run(
        [str(word) for word in command],
        env=around | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert ("other machines may reach the node" in ended.stderr) != starts, ended.stderr
    assert ("/no/such/file" in ended.stderr) == starts, ended.stderr


def test_a_name_is_exchanged_below_the_state_folder_and_no_other_folder_is_reached(new_node, peer, tmp_path):
    node = new_node()
    del node.parameters["exchange_dir"]
    node.start()
    taught = peer.call(AddTask, "add_task", name="posture", labels=list(teaching.LABELS), samples=teaching.crops(2), wait=True)
    assert taught.success, taught.message
    reply = peer.call(ExportTask, "export_task", name="posture", directory="mine", with_samples=True)
    assert reply.success and str(node.state_dir / "exchange/mine") in reply.message, reply.message
    assert {path.parts[0] for path in node.files() if "mine" in path.parts} == {"exchange"}
    imported = peer.call(ImportTask, "import_task", directory="mine", name="again")
    assert imported.success, imported.message
    for directory in (str(tmp_path / "out"), "..", "", str(node.state_dir / "samples")):
        reply = peer.call(ExportTask, "export_task", name="posture", directory=directory)
        assert not reply.success, directory
    assert list(tmp_path.iterdir()) == []
    # A restart finds them again.
    node.restart()
    assert {"posture", "again"} <= {task.name for task in peer.call(ListTasks, "list_tasks").tasks}
    assert (node.state_dir / "exchange/mine/manifest.yaml").exists()
