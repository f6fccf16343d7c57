"""What scripts/setup, its env.sh and scripts/fetch-media promise. No network: they run on the prefix of this test run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.process import run_to_end

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
PREFIX = Path(os.environ["FACE_ATTRIBUTES_PREFIX"])
PATHS = ("PATH", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH")


def run(*command, **options):
    return run_to_end(command, timeout=None, **options)


def sourced(script, shell="bash"):
    """Runs a script in a bare environment that has sourced env.sh nowhere but where the script does it."""
    result = run("env", "-i", f"HOME={Path.home()}", "PATH=/usr/bin:/bin", shell, "-euc", script)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_sourcing_env_sh_twice_grows_no_path(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    show = "; ".join(f'echo "${{{name}:-}}"' for name in PATHS)
    once = sourced(f". {PREFIX}/env.sh; {show}", shell)
    twice = sourced(f". {PREFIX}/env.sh; . {PREFIX}/env.sh; {show}", shell)
    assert once == twice
    for line in once.splitlines():
        entries = line.split(":")
        assert len(entries) == len(set(entries)), line


def test_env_sh_alone_is_enough_to_import_ros_and_the_interfaces():
    out = sourced(
        f'. {PREFIX}/env.sh; "$FACE_ATTRIBUTES_PYTHON" -c '
        '"import rclpy, face_attributes.msg as m, face_attributes.srv; print(m.FaceAttributesArray.__name__)"'
    )
    assert out.strip() == "FaceAttributesArray"


def test_an_installed_package_of_the_same_interfaces_stays_in_front(tmp_path):
    share = tmp_path / "share/face_attributes"
    for folder in ("action", "launch", "msg", "srv"):
        shutil.copytree(ROOT / folder, share / folder)
    script = f'export AMENT_PREFIX_PATH={tmp_path}; . {PREFIX}/env.sh; . {PREFIX}/env.sh; echo "$AMENT_PREFIX_PATH"'
    entries = sourced(script).strip().split(":")
    assert entries[0] == str(tmp_path) and entries.count(str(tmp_path)) == 1
    # Of other interfaces: what is built here must not find them.
    (share / "msg/Roi.msg").write_text("float32 x\n")
    assert sourced(script).split(":")[0] != str(tmp_path)


def test_env_sh_names_files_that_exist():
    names = ("FACE_ATTRIBUTES_YUNET", "FACE_ATTRIBUTES_HAAR", "FACE_ATTRIBUTES_PYTHON", "FASTRTPS_DEFAULT_PROFILES_FILE")
    for line in sourced(f". {PREFIX}/env.sh; " + "; ".join(f'echo "${name}"' for name in names)).splitlines():
        assert Path(line).is_file(), line


def test_a_second_set_up_changes_nothing_but_env_sh():
    def state():
        return {path: path.stat().st_mtime_ns for folder in ("models", "stamps") for path in (PREFIX / folder).iterdir()}

    before = state()
    result = run(SCRIPTS / "setup", "--prefix", PREFIX, "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert state() == before


def test_a_medium_with_another_content_is_refused_by_name(tmp_path):
    shutil.copy(PREFIX / "env.sh", tmp_path)
    media = tmp_path / "media"
    media.mkdir()
    (media / "single_face.mp4").write_bytes(b"not the video")
    result = run(SCRIPTS / "fetch-media", "--prefix", tmp_path)
    assert result.returncode == 1
    assert "checksum" in result.stderr and "single_face.mp4" in result.stderr


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.iterdir() if path.is_file() and os.access(path, os.X_OK)))
def test_every_script_explains_itself_and_refuses_what_it_does_not_know(script):
    shown = run(SCRIPTS / script, "--help")
    assert shown.returncode == 0 and all(word in shown.stdout for word in ("usage:", "examples:", "exit:")), shown.stdout
    refused = run(SCRIPTS / script, "--no-such-option")
    assert refused.returncode == 2 and "--no-such-option" in refused.stderr
    assert run(SCRIPTS / script, "--prefix", "/a:b").returncode == 2


def test_a_missing_package_that_may_not_be_installed_is_named_with_the_line_to_run(tmp_path):
    if shutil.which("dpkg-query") is None:
        pytest.skip("not a Debian")
    # Neither root nor sudo: both are shadowed by programs that say no.
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "sudo").write_text("#!/bin/sh\nexit 1\n")
    for program in tmp_path.iterdir():
        program.chmod(0o755)
    script = f". {SCRIPTS}/lib/common.sh; . {SCRIPTS}/lib/apt.sh; install_packages no-such-package"
    result = run("bash", "-euo", "pipefail", "-c", script, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, stdin=subprocess.DEVNULL)
    assert result.returncode == 1
    assert "apt-get install --no-install-recommends no-such-package" in result.stderr
