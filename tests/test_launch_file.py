"""The launch file, read without ROS's launch system: every name in it is one that the node has."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import ROOT

LAUNCH = ROOT / "launch/face_attributes.launch.xml"
# Lists and programs that CMake installs, with the folder they come from.
INSTALLED = ("launch", "config", "models")


@pytest.fixture(scope="module")
def launch():
    return ElementTree.parse(LAUNCH).getroot()


@pytest.fixture(scope="module")
def package():
    return ElementTree.parse(ROOT / "package.xml").getroot().findtext("name")


def texts(launch):
    """Every attribute value of the file."""
    return [value for element in launch.iter() for value in element.attrib.values()]


def test_it_starts_the_installed_program_under_the_nodes_own_name(launch, described, package):
    (node,) = launch.iter("node")
    assert node.get("pkg") == package
    assert node.get("exec") == described["executable"]
    assert node.get("name") == described["node"]
    assert f'/{described["executable"]}"' in (ROOT / "CMakeLists.txt").read_text()


def test_it_remaps_topics_that_the_node_subscribes_to(launch, described):
    remapped = {remap.get("from"): remap.get("to") for remap in launch.iter("remap")}
    assert remapped.keys() == {topic["name"] for topic in described["subscriptions"]}
    # A remap of compressed pictures that does not follow the raw ones would listen to another camera.
    assert remapped["image/compressed"] == remapped["image"] + "/compressed"


def test_it_sets_parameters_that_the_node_has(launch, described):
    known = {parameter["name"] for parameter in described["parameters"]}
    names = [parameter.get("name") for parameter in launch.iter("set_parameter")]
    assert names and set(names) <= known


def test_arguments_stand_above_the_parameter_file_and_leave_it_alone_when_empty(launch):
    (group,) = launch.iter("group")
    order = [element.tag for element in group]
    assert order.index("set_parameters_from_file") < order.index("set_parameter") < order.index("node")
    for parameter in launch.iter("set_parameter"):
        name = parameter.get("name")
        assert parameter.get("value") == f"$(var {name})"
        assert parameter.get("if") == f"$(eval \"'$(var {name})' != ''\")"


def test_every_argument_is_used_declared_and_documented(launch):
    declared = [argument.get("name") for argument in launch.iter("arg")]
    used = {name for text in texts(launch) for name in re.findall(r"\$\(var (\w+)\)", text)}
    assert sorted(used) == sorted(declared)
    assert all(argument.get("description") for argument in launch.iter("arg"))
    page = (ROOT / "docs/interfaces.md").read_text()
    for name in declared:
        assert f"| `{name}` |" in page, name


def test_every_file_it_names_is_installed(launch, package):
    named = [match for text in texts(launch) for match in re.findall(r"\$\(find-pkg-share (\w+)\)/([\w./]+)", text)]
    assert named
    cmake = (ROOT / "CMakeLists.txt").read_text()
    for owner, path in named:
        assert owner == package
        assert (ROOT / path).is_file(), path
        assert path.split("/")[0] in INSTALLED
    assert f"install(DIRECTORY {' '.join(INSTALLED)} DESTINATION share/${{PROJECT_NAME}}" in cmake


def test_it_gives_fast_dds_the_profile_under_both_its_names(launch):
    profiles = {variable.get("name"): variable.get("value") for variable in launch.iter("set_env")}
    assert profiles == {
        "FASTRTPS_DEFAULT_PROFILES_FILE": "$(var fastdds_profile)",
        "FASTDDS_DEFAULT_PROFILES_FILE": "$(var fastdds_profile)",
    }


def test_everything_that_the_node_has_in_the_graph_is_documented(described):
    page = (ROOT / "docs/interfaces.md").read_text()
    for kind in ("subscriptions", "publications", "services"):
        for name in [entry["name"] for entry in described[kind]]:
            assert f"`{name}`" in page, name
