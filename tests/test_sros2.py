"""Who may do what with ROS's security on: config/sros2/policies.xml against what the node offers, and a node without keys."""

import xml.etree.ElementTree as ElementTree

from conftest import ROOT
from support.process import run_to_end

POLICIES = ROOT / "config/sros2/policies.xml"
NODE = "/face/face_attributes"
# What every node of ROS has.
PARAMETERS = [
    "describe_parameters",
    "get_parameter_types",
    "get_parameters",
    "list_parameters",
    "set_parameters",
    "set_parameters_atomically",
]


def allowed(enclave, what, right):
    """Names, absolute, that an enclave may publish, subscribe, reply or request."""
    (profile,) = ElementTree.parse(POLICIES).getroot().findall(f".//enclave[@path='/face/{enclave}']/profiles/profile")
    place = profile.get("ns")

    def absolute(name):
        return name.replace("~", f"{place}/{profile.get('node')}") if name[0] in "~/" else f"{place}/{name}"

    lists = [group for group in profile.findall(what) if group.get(right) == "ALLOW"]
    return {absolute(entry.text) for group in lists for entry in group}


def names(entries):
    """Absolute names of what the node says it has."""
    said = [entry["name"].replace("~", NODE) for entry in entries]
    return {name if name.startswith("/") else f"/face/{name}" for name in said}


def services(described):
    own = {f"{NODE}/{name}" for name in PARAMETERS}
    return names(described["services"]) | names(described["own_services"]) | own


def test_the_node_may_do_all_that_it_does_and_nothing_else(described):
    assert allowed("node", "topics", "publish") == names(described["publications"]) | names(described["humans"])
    assert allowed("node", "topics", "subscribe") == names(described["subscriptions"]) | {"/clock", "/parameter_events"}
    offered = services(described)
    assert allowed("node", "services", "reply") == offered
    assert allowed("node", "services", "request") == set()
    assert allowed("node", "actions", "execute") == allowed("operator", "actions", "call") == names(described["actions"])


def test_no_comment_stands_where_ros2_security_expects_an_enclave():
    assert "<!--" not in POLICIES.read_text().partition("<policy")[2]


def test_the_operator_may_ask_everything_and_a_listener_only_what_is_taught(described):
    offered = services(described)
    assert allowed("operator", "services", "request") == offered
    assert allowed("listener", "services", "request") == {"/face/list_tasks"}
    assert allowed("camera", "services", "request") == set()
    for enclave in ("camera", "operator", "listener"):
        own = {f"/face/{enclave}/{name}" for name in [*PARAMETERS, "get_type_description"]}
        assert allowed(enclave, "services", "reply") == own


def test_pictures_reach_the_node_and_the_operator_alone(described):
    taken = names(described["subscriptions"])
    shown = {name for name in names(described["publications"]) if name.endswith("/compressed")}
    assert taken and shown
    for enclave in ("camera", "listener"):
        assert not allowed(enclave, "topics", "subscribe") & (taken | shown), enclave
    assert allowed("operator", "topics", "subscribe") >= shown
    assert allowed("camera", "topics", "publish") >= taken


def test_a_node_that_should_have_keys_and_has_none_does_not_start(program, environment, model, tmp_path):
    secured = {
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",
        "ROS_SECURITY_KEYSTORE": str(tmp_path),
        "ROS_SECURITY_ENCLAVE_OVERRIDE": "/face/node",
    }
    command = [program("face_attributes_node"), "--ros-args", "-p", f"model:={model}", "-p", f"state_dir:={tmp_path / 'state'}"]
    ended = run_to_end(command, environment | secured)
    assert ended.returncode in (1, 2), ended.stderr
    assert "security" in ended.stderr.lower(), ended.stderr
