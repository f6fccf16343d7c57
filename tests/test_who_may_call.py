"""Whose requests are granted."""


import pytest
from face_attributes.srv import ListTasks

from support.process import run_to_end
from support.services import CHANGING


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
def test_local_teaching_needs_a_node_that_announces_itself_to_no_other_machine(variables, starts, program, environment, model):
    # The last word is wrong: a node that gets past the check ends there, and makes no traffic.
    words = ["-p", f"model:={model}", "-p", "teaching.allowed:=local", "-p", "yunet:=/no/such/file"]
    command = [program("face_attributes_node"), "--ros-args", *words]
    around = {name: value for name, value in environment.items() if name not in ("ROS_STATIC_PEERS", "ROS_LOCALHOST_ONLY")}
    ended = run_to_end(command, around | variables)
    assert ended.returncode == 2, ended.stderr
    assert ("announces itself to other machines" in ended.stderr) != starts, ended.stderr
    assert ("/no/such/file" in ended.stderr) == starts, ended.stderr
