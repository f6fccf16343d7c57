"""Fixtures of the tests over ROS: programs, model, pictures, and nodes that every test module starts for itself.

scripts/test sets what they need: FACE_ATTRIBUTES_BIN_DIR (programs as cargo builds them) and, by way of the prefix's
env.sh, FACE_ATTRIBUTES_MEDIA (see scripts/fetch-media).
"""

import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from demo_lib.domain import DOMAINS
from support import process

ROOT = Path(__file__).resolve().parent.parent
PREFIX = Path(os.environ.get("FACE_ATTRIBUTES_PREFIX", ROOT / ".prefix"))
# Frames that are kept of each video: enough to see movement, few enough to hold them in memory.
FRAMES = 24

# Before any ROS library is loaded: nothing of the tests leaves this machine.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

# Set, so that what is started without the fixture `environment` meets nobody either.
_first = int(os.environ.setdefault("ROS_DOMAIN_ID", str(random.choice(DOMAINS))))
_domains = (DOMAINS[at % len(DOMAINS)] for at in itertools.count(_first - DOMAINS[0]))


def needed(variable, entry, what_to_do):
    folder = os.environ.get(variable)
    path = Path(folder or ".") / entry
    assert folder and path.exists(), f"{variable} names no folder with {entry}: {what_to_do}"
    return path


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed and "peer" in getattr(item, "fixturenames", ()):
        # A node that was started again goes on with its log.
        for log, program in {program.log: program for program in process.recent}.items():
            report.sections.append((f"{log.parent.name}/{log.name} of {program.pid}", program.tail()))


@pytest.fixture(scope="session")
def program():
    """Path of a program that cargo built."""
    return lambda name: needed("FACE_ATTRIBUTES_BIN_DIR", name, "run the tests by scripts/test")


@pytest.fixture(scope="session")
def described(program):
    """What the node says of itself: parameters, topics, services."""
    command = [program("face_attributes_node"), "--describe-parameters"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=process.PATIENCE_S).stdout)


@pytest.fixture(scope="session")
def medium():
    """Path of a video or picture."""

    def path(name):
        if name == "franck.mp4" and not (Path(os.environ["FACE_ATTRIBUTES_MEDIA"]) / name).exists():
            pytest.skip("franck.mp4 needs npm (see scripts/fetch-media)")
        return needed("FACE_ATTRIBUTES_MEDIA", name, "run scripts/fetch-media and source the prefix's env.sh")

    return path


@pytest.fixture(scope="session")
def model(program, tmp_path_factory):
    """A small model that nobody trained, with the tasks `mood`, `glasses` (draws from it) and `person`."""
    folder = tmp_path_factory.mktemp("model") / "untrained"
    subprocess.run([program("examples/untrained_model"), folder], check=True, timeout=process.PATIENCE_S)
    return folder


@pytest.fixture(scope="module")
def domain():
    """A ROS domain that no other module uses."""
    return next(_domains)


@pytest.fixture(scope="module")
def environment(domain, tmp_path_factory):
    """What programs of this module find around them; nothing of the user's."""
    home = tmp_path_factory.mktemp("home")
    clean = {name: value for name, value in os.environ.items() if name != "FACE_ATTRIBUTES_MODEL"}
    return clean | {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_LOG_DIR": str(home / "log"),
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "RCUTILS_COLORIZED_OUTPUT": "0",
    }


@pytest.fixture(scope="module")
def peer(domain):
    from support.peer import Peer

    peer = Peer(domain)
    yield peer
    peer.close()


@pytest.fixture(scope="module")
def new_node(program, model, environment, tmp_path_factory):
    """Makes nodes on the small model; they are ended with the module."""
    from support.node import FaceNode

    nodes = []

    def make(**options):
        # Tests exchange tasks below their own folders.
        exchange = tmp_path_factory.getbasetemp()
        options = {"model": model, "device": "cpu", "exchange_dir": exchange} | options
        folder = tmp_path_factory.mktemp("node")
        nodes.append(FaceNode(program("face_attributes_node"), folder, environment, **options))
        return nodes[-1]

    yield make
    for node in nodes:
        if node.process:
            node.process.kill()


@pytest.fixture(scope="session")
def frames(program, medium, tmp_path_factory):
    """The first frames of a video, 640x480, as `image_stream` publishes them."""
    from sensor_msgs.msg import Image

    from support.peer import SENSOR, Peer
    from support.pictures import frame_of

    kept = {}

    def record(name):
        domain = next(_domains)
        peer = Peer(domain, namespace="/recorder")
        command = [program("image_stream"), medium(name), "--size", "640x480", "--rate", "30", "--every-frame"]
        command += ["--frames", 2 * FRAMES, "--namespace", "recorder", "--wait-for-subscriber", "30", "--quiet"]
        log = tmp_path_factory.mktemp("recorder") / "image_stream.log"
        with peer.listen(Image, "image", SENSOR) as pictures:
            stream = process.Process(command, log, os.environ | {"ROS_DOMAIN_ID": str(domain)})
            try:
                pictures.collect(FRAMES)
            finally:
                stream.stop()
            images = pictures.messages()[:FRAMES]
        peer.close()
        return [frame_of(image) for image in images]

    def of(name):
        if name not in kept:
            kept[name] = record(name)
        return kept[name]

    return of


@pytest.fixture(scope="session")
def astronaut(medium):
    """A photo of one face, 512x512."""
    from support.pictures import read

    return read(medium("astronaut.png"))
