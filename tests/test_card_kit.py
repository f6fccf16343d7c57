"""scripts/card-kit, rehearsed on CPUs: every stage ends by itself and leaves what it promises."""

import io
import json
import os
import tarfile

import pytest

from conftest import ROOT
from support.packs import training_packs
from support.process import run_to_end

KIT = ROOT / "scripts/card-kit"


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    training_packs(folder / "data")
    return folder


def run(kit, out, program, environment, *words):
    command = [KIT, *words, "--kit", kit, "--out", out, "--device", "cpu", "--toy"]
    variables = environment | {"FACELAB": str(program("facelab"))}
    return run_to_end(command, variables, timeout=600)


@pytest.mark.parametrize(
    ("stage", "files"),
    [
        ("agree", ["agree.json", "agree_warm.json"]),
        ("bench", ["bench.json", "bench_default.json"]),
        ("began", ["began.jsonl", "began/manifest.yaml"]),
        ("paper", ["table4.csv"]),
        ("default", ["default.jsonl", "default/manifest.yaml"]),
    ],
)
def test_a_stage_ends_by_itself_and_leaves_its_results(kit, program, environment, tmp_path, stage, files):
    ended = run(kit, tmp_path, program, environment, "run", stage)
    assert ended.returncode == 0, ended.stderr
    assert f"stage {stage} ended after" in ended.stderr
    for name in files:
        assert (tmp_path / name).stat().st_size > 0, name
    if stage == "agree":
        found = json.loads((tmp_path / "agree.json").read_text())
        # The CPU agrees with itself.
        assert found["agree"] and found["promise_kept"] and len(found["compared"]) >= 6


def test_parts_are_joined_when_the_last_one_has_come(tmp_path):
    """The parts lie in .card/ of the repository; here a copy of the script has a repository of its own."""
    repository, kit = tmp_path / "repository", tmp_path / "kit"
    (repository / "scripts/lib").mkdir(parents=True)
    (repository / "scripts/card-kit").write_bytes(KIT.read_bytes())
    (repository / "scripts/card-kit").chmod(0o755)
    for name in os.listdir(ROOT / "scripts/lib"):
        (repository / "scripts/lib" / name).write_bytes((ROOT / "scripts/lib" / name).read_bytes())
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("bin"), io.BytesIO())
    halves = content.getvalue()[:700], content.getvalue()[700:]
    for name, half in zip(("aa", "ab"), halves):
        (repository / ".card").mkdir(exist_ok=True)
        (repository / ".card/count").write_text("2\n")
        (repository / f".card/{name}.part").write_bytes(half)
        ended = run_to_end([repository / "scripts/card-kit", "receive", "--kit", kit])
        assert ended.returncode == 0, ended.stderr
        assert (kit / "bin").exists() == (name == "ab")
    assert "2 of 2 parts are here" in ended.stderr


@pytest.mark.parametrize("words", [[], ["run"], ["run", "dance"], ["build", "--what"], ["run", "agree", "--seconds", "x"]])
def test_wrong_usage_is_refused(words):
    ended = run_to_end([KIT, *words])
    assert ended.returncode == 2 and ended.stderr.startswith("error: "), ended.stderr


def test_a_kit_without_a_program_says_what_to_do(tmp_path):
    variables = {name: value for name, value in os.environ.items() if name != "FACELAB"}
    ended = run_to_end([KIT, "run", "agree", "--kit", tmp_path], variables)
    assert ended.returncode == 1 and "run receive first" in ended.stderr, ended.stderr
