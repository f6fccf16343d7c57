"""What scripts/package makes: a package that carries its ROS. Installing it in a bare Debian is `--try-in-debian`."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from conftest import PREFIX, ROOT
from support.process import Process, run_to_end

PACKAGE = ROOT / "scripts/package"
PROGRAMS = ("face_attributes_node", "image_stream", "facelab")
HOME = "opt/face_attributes"
# Nothing of a sourced ROS: what is installed has to find its libraries itself.
BARE = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def run(*words, **options):
    return run_to_end([PACKAGE, "--prefix", PREFIX, *words], timeout=None, **options)


@pytest.fixture(scope="module")
def programs():
    """The folder that cargo built the programs into."""
    folder = os.environ.get("FACE_ATTRIBUTES_BIN_DIR")
    if any(shutil.which(tool) is None for tool in ("dpkg-deb", "dpkg-shlibdeps")):
        pytest.skip("no dpkg-deb or no dpkg-shlibdeps here")
    if not folder or not all(os.access(os.path.join(folder, name), os.X_OK) for name in PROGRAMS):
        pytest.skip("no programs are built: FACE_ATTRIBUTES_BIN_DIR names no folder with them")
    return folder


@pytest.fixture(scope="module")
def debs(programs, tmp_path_factory):
    """The package made twice, at the same time."""
    folders = [tmp_path_factory.mktemp("deb") for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda folder: run("--bundle", "--fast", "--programs", programs, "--out", folder), folders))
    for ended, folder in zip(made, folders):
        assert ended.returncode == 0, ended.stderr
        assert [ended.stdout.strip()] == [str(file) for file in folder.iterdir()]
    return [folder / os.path.basename(ended.stdout.strip()) for ended, folder in zip(made, folders)]


@pytest.fixture(scope="module")
def deb(debs):
    return debs[0]


@pytest.fixture(scope="module")
def root(deb, tmp_path_factory):
    """The package's files, with its control files in DEBIAN."""
    folder = tmp_path_factory.mktemp("root") / "root"
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def control(root):
    return dict(re.findall(r"^([\w-]+): (.*)$", (root / "DEBIAN/control").read_text(), re.M))


def elves(root):
    return [path for path in (root / HOME).rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]


def test_control_says_what_it_is_and_needs(deb, control):
    version = re.search(r"<version>(.*)</version>", (ROOT / "package.xml").read_text())[1]
    assert control["Package"] == "face-attributes" and control["Version"].startswith(f"{version}-0")
    assert deb.name == f"face-attributes_{control['Version']}_{control['Architecture']}.deb"
    assert "@" in control["Maintainer"] and int(control["Installed-Size"]) > 10_000
    needed = {entry.split()[0] for entry in control["Depends"].split(", ")}
    assert "libc6" in needed and any(name.startswith("libopencv-dnn") for name in needed)
    # It carries ROS, and the node runs no Python.
    assert not [name for name in needed if name.startswith(("ros-", "python"))]


def test_models_launch_files_configuration_and_licences_are_in_it(root):
    share = root / HOME / "share/face_attributes"
    for folder in ("launch", "config", "models/default", "msg", "srv"):
        here = sorted(path.name for path in (ROOT / folder).iterdir() if path.name != "__pycache__")
        assert sorted(path.name for path in (share / folder).iterdir()) == here, folder
    assert [path.name for path in (share / "models").glob("*.onnx")] == [os.path.basename(os.environ["FACE_ATTRIBUTES_YUNET"])]
    documents = root / "usr/share/doc/face-attributes"
    copyright_ = (documents / "copyright").read_text()
    assert "Apache-2.0" in copyright_ and "Expat" in copyright_
    licences = (documents / "licences.txt").read_text()
    assert re.search(r"^serde \d", licences, re.M) and re.search(r"^rcl \d", licences, re.M)
    assert "Permission is hereby granted" in licences
    for name in PROGRAMS:
        assert os.readlink(root / "usr/bin" / name) == f"/{HOME}/bin/start"


def test_checksums_are_those_of_the_files(root):
    checked = subprocess.run(["md5sum", "-c", "--quiet", "DEBIAN/md5sums"], cwd=root, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    listed = {line.split("  ", 1)[1] for line in (root / "DEBIAN/md5sums").read_text().splitlines()}
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.is_symlink()}
    assert listed == {name for name in files if not name.startswith("DEBIAN/")}


def test_files_belong_to_root_and_nobody_else_may_write_them(deb):
    for line in subprocess.check_output(["dpkg-deb", "-c", deb], text=True).splitlines():
        mode, owner = line.split()[:2]
        assert owner == "root/root" and re.fullmatch(r"[d-]rw[x-]r-[x-]r-[x-]|lrwxrwxrwx", mode), line


def test_programs_and_libraries_are_stripped(root):
    for path in elves(root):
        sections = subprocess.check_output(["readelf", "-SW", path], text=True)
        assert ".debug_info" not in sections and ".symtab" not in sections, path.name


@pytest.mark.parametrize("sourced", [{}, {"LD_LIBRARY_PATH": f"{PREFIX}/ros/lib"}], ids=["bare", "beside a sourced ROS"])
def test_every_library_resolves_in_the_package_or_the_system(root, sourced):
    found = elves(root)
    assert len(found) > 50
    told = subprocess.check_output(["ldd", *found], text=True, env=BARE | sourced)
    assert "not found" not in told and str(PREFIX) not in told


def test_no_path_of_the_prefix_is_left_in_the_dynamic_sections(root):
    for path in elves(root):
        assert str(PREFIX) not in subprocess.check_output(["readelf", "-dW", path], text=True), path.name


@pytest.mark.parametrize("name", PROGRAMS)
def test_unpacked_programs_run_without_a_sourced_ros(root, name):
    shown = run_to_end([root / HOME / "lib/face_attributes" / name, "--help"], BARE)
    assert shown.returncode == 0 and "Usage:" in shown.stdout


def test_the_unpacked_node_finds_its_model_and_ends_on_sigint(root, domain, tmp_path):
    alone = BARE | {"HOME": str(tmp_path), "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    program = root / HOME / "lib/face_attributes/face_attributes_node"
    node = Process([program, "--ros-args", "-r", "__ns:=/packed", "-p", "device:=cpu"], tmp_path / "log", alone)
    try:
        node.wait_for_output("ready: ")
        assert "3 tasks" in node.output() and "detector yunet" in node.output(), node.tail()
        assert node.stop() == 0, node.tail()
    finally:
        node.kill()


def test_it_is_the_same_twice(debs):
    first, second = debs
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--bundle", "--interfaces-only"], 2, "one of --bundle and --interfaces-only"),
        (["--interfaces-only", "--programs", "/nowhere"], 2, "packs no programs"),
        (["--programs"], 2, "--programs needs a value"),
        (["--programs", "/nowhere"], 1, "no program /nowhere/face_attributes_node"),
    ],
)
def test_a_wrong_use_is_told(programs, words, code, told):
    ended = run(*words)
    assert ended.returncode == code and told in ended.stderr
    assert ended.stdout == ""


def test_the_starter_refuses_a_name_that_is_no_program():
    ended = run_to_end(["sh", ROOT / "scripts/lib/deb_start.sh"])
    assert ended.returncode == 2 and "error:" in ended.stderr


def test_package_xml_names_what_the_node_is_linked_with(programs):
    """A distribution's package depends on what package.xml names, and on what that names."""
    manifests = {path.parent.name: path.read_text() for path in (PREFIX / "ros/share").glob("*/package.xml")}
    if not manifests:
        pytest.skip("ROS is the system's: apt resolves its packages")
    named = re.findall(r"<(?:depend|exec_depend)>(.*?)</", (ROOT / "package.xml").read_text())
    reached = {"face_attributes"}
    while named:
        name = named.pop()
        if name not in reached:
            reached.add(name)
            tags = r"<(?:depend|exec_depend|build_export_depend)[^>]*>(.*?)</"
            named += re.findall(tags, manifests.get(name, ""))
    told = subprocess.check_output(["readelf", "-dW", os.path.join(programs, "face_attributes_node")], text=True)
    libraries = set(re.findall(r"NEEDED.*\[lib(.*?)\.so\]", told))
    assert "rcl" in libraries
    # Those of REP-155 are optional: scripts/package names them where they are installed.
    optional = {"hri_msgs", "tf2_msgs"}
    assert {library.split("__rosidl")[0] for library in libraries} - reached - optional == set()


def test_the_interfaces_are_configured_alone_without_cargo(tmp_path):
    """As on a laptop that listens: nobody has sourced the prefix's own stage, and there is no Rust."""
    build = tmp_path / "build"
    python = os.environ["FACE_ATTRIBUTES_PYTHON"]
    environment = os.environ | {"PATH": f"{os.path.dirname(python)}:/usr/bin:/bin", "HOME": str(tmp_path), "CARGO_HOME": str(tmp_path)}
    command = ["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DINTERFACES_ONLY=ON", "-DBUILD_TESTING=OFF"]
    command += [f"-DPython3_EXECUTABLE={python}", f"-DFACE_ATTRIBUTES_STAGE_ROOT={tmp_path}"]
    configured = run_to_end(command, environment, timeout=None)
    assert configured.returncode == 0, configured.stderr
    targets = subprocess.check_output(["ninja", "-C", build, "-t", "targets", "all"], text=True)
    assert "face_attributes__rosidl_generator_c" in targets and not re.search(r"^programs:", targets, re.M)


def test_ci_runs_what_people_run_on_every_distribution():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    distributions = jobs["distribution"]["strategy"]["matrix"]["distro"]
    assert distributions == ["humble", "jazzy", "kilted"]
    lines = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    lines += (ROOT / "Dockerfile").read_text()
    for script in ("scripts/setup", "scripts/package", "scripts/test"):
        assert script in lines
    for script in re.findall(r"\bscripts/[\w-]+", lines):
        assert os.access(ROOT / script, os.X_OK), script
