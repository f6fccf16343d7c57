"""The launch file, read without ROS's launch system: every name in it is one that the node has, every fault is told."""

import importlib.util
import re

import pytest

from conftest import ROOT

LAUNCH = ROOT / "launch/face_attributes.launch.py"
# Lists and programs that CMake installs, with the folder they come from.
INSTALLED = ("launch", "config", "models")


@pytest.fixture(scope="module")
def launch():
    spec = importlib.util.spec_from_file_location("launch_file", LAUNCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def settings(launch):
    """What some arguments come to, the others at their defaults."""

    def of(environment=None, **given):
        arguments = {name: default for name, default, _ in launch.ARGUMENTS} | given
        return launch.settings(arguments, environment or {}, str(ROOT))

    return of


def test_it_starts_the_installed_program_under_the_nodes_own_name(launch, described):
    assert f"<name>{launch.PACKAGE}</name>" in (ROOT / "package.xml").read_text()
    assert launch.PROGRAM == described["executable"]
    assert f'name="{described["node"]}"' in LAUNCH.read_text()
    assert f'/{described["executable"]}"' in (ROOT / "CMakeLists.txt").read_text()


def test_it_remaps_topics_that_the_node_subscribes_to(described):
    remapped = re.findall(r'\("([^"]+)", arguments\["(?:image|camera_info)"\]', LAUNCH.read_text())
    assert sorted(remapped) == sorted(topic["name"] for topic in described["subscriptions"])


def test_it_sets_parameters_that_the_node_has(launch, described):
    known = {parameter["name"]: parameter["type"] for parameter in described["parameters"]}
    assert launch.PARAMETERS and all(known[name] == "string" for name in launch.PARAMETERS)
    assert set(launch.PARAMETERS) <= {name for name, *_ in launch.ARGUMENTS}


def test_every_argument_is_documented(launch):
    page = (ROOT / "docs/interfaces.md").read_text()
    for name, _, description in launch.ARGUMENTS:
        assert description and f"| `{name}` |" in page, name


def test_it_is_installed_with_the_files_that_it_names(settings):
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert f"install(DIRECTORY {' '.join(INSTALLED)} DESTINATION share/${{PROJECT_NAME}}" in cmake
    found = settings()
    assert found["file"] == str(ROOT / "config/face_attributes.yaml")
    assert set(found["variables"].values()) == {str(ROOT / "config/fastdds.xml")}


def test_without_arguments_the_parameter_file_alone_counts(settings):
    found = settings()
    assert (found["parameters"], found["respawn"]) == ({}, False)


def test_texts_stay_texts_whatever_is_in_them_and_a_tilde_is_the_home(settings, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    found = settings(state_dir="~/ada's faces", model="123", device="cpu")
    assert found["parameters"] == {"state_dir": "/home/ada/ada's faces", "model": "123", "device": "cpu"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("params", "/no/such.yaml", "params:=/no/such.yaml: No such file or directory"),
        ("params", "/", "params:=/: Is a directory"),
        ("fastdds_profile", "/no/such.xml", "fastdds_profile:=/no/such.xml: No such file"),
        ("respawn", "perhaps", "respawn:=perhaps: must be true or false"),
        ("autostart", "no", "autostart:=no: must be true or false"),
        ("respawn_delay", "soon", "respawn_delay:=soon: must be a number of seconds"),
        ("page_port", "65536", "page_port:=65536: must be a port, 0 to 65535"),
        ("page_port", "-1", "page_port:=-1: must be a port, 0 to 65535"),
        ("respawn_delay", "-1", "respawn_delay:=-1: must be a number of seconds"),
    ],
)
def test_what_cannot_be_is_told_by_its_argument(name, text, told, settings):
    with pytest.raises(RuntimeError, match=re.escape(told)):
        settings(**{name: text})


def test_a_fast_dds_profile_of_the_user_stays(launch, settings, tmp_path):
    for variable in launch.PROFILE_VARIABLES:
        assert settings({variable: "/my/profile.xml"})["variables"] == {}
    own = tmp_path / "own.xml"
    own.write_text("<profiles/>")
    found = settings({launch.PROFILE_VARIABLES[0]: "/my/profile.xml"}, fastdds_profile=str(own))
    assert set(found["variables"].values()) == {str(own)}


def test_the_page_is_where_it_is_asked_for(settings):
    assert settings(page_port="0")["parameters"] == {"page.port": 0}
    found = settings(page_port="9000", page_address="0.0.0.0")
    assert found["parameters"] == {"page.port": 9000, "page.address": "0.0.0.0"}


def test_the_node_is_started_again_where_that_is_asked_for(settings):
    assert settings(autostart="False")["parameters"] == {"autostart": False}
    found = settings(respawn="True", respawn_delay="0.5")
    assert (found["respawn"], found["respawn_delay"]) == (True, 0.5)
