"""scripts/train-default and scripts/train-columns: phases in order, resumed where they were cut off; and what else trains or
measures the model that ships."""

import json
import os

import pytest
import yaml

from conftest import PREFIX, ROOT
from measure.evaluations import EVALUATED, FEW
from support.packs import training_packs
from support.process import run_to_end

SCRIPTS = ROOT / "scripts"
# Stands for facelab: writes down what it was told, and makes the model that is wanted; the phase in FAILS ends before that.
RECORDER = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$RECORD"
out=
while [ "$#" -gt 0 ]; do case $1 in --out) out=$2 ;; esac; shift; done
case $out in */"${FAILS:-none}") exit 1 ;; esac
[ -n "$out" ] || exit 0
mkdir -p "$out" && echo 'schema: 1' >"$out/manifest.yaml"
"""


@pytest.fixture
def workshop(tmp_path):
    training_packs(tmp_path / "data")
    recorder = tmp_path / "recorder"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    return tmp_path


def recorded(workshop, command, **variables):
    """What became of a command, and what the recorder was told by it."""
    record = workshop / "record"
    record.unlink(missing_ok=True)
    ended = run_to_end(command, os.environ | {"RECORD": str(record)} | variables, timeout=120)
    return ended, record.read_text().splitlines() if record.exists() else []


def train(workshop, *words, fails=""):
    """Calls train-default with the recorder."""
    command = [SCRIPTS / "train-default", "--work", workshop / "work", "--data", workshop / "data"]
    command += ["--program", workshop / "recorder", "--prefix", PREFIX, *words]
    return recorded(workshop, command, FAILS=fails)


def option(line, name):
    words = line.split()
    return words[words.index(name) + 1]


def test_each_phase_begins_with_the_model_of_the_one_before(workshop):
    ended, told = train(workshop)
    assert ended.returncode == 0, ended.stderr
    assert told[0].startswith("train-encoder ") and all(line.startswith("refine-encoder ") for line in told[1:])
    assert len(told) > 2
    for before, line in zip(told, told[1:], strict=False):
        assert option(line, "--start") == option(before, "--out")
    # The last phases learn the teacher's descriptors, and keep the columns that ship.
    assert "--descriptors" in told[-1] and "--cohort-provenance" in told[-1] and "--keep-columns" in told[-1]
    assert train(workshop)[1] == []


def test_a_phase_that_was_cut_off_is_gone_on_with_and_those_before_it_are_not(workshop):
    ended, told = train(workshop, fails="describe")
    assert ended.returncode != 0 and option(told[-1], "--out").endswith("/describe")
    ended, again = train(workshop)
    assert ended.returncode == 0, ended.stderr
    assert again[0] == told[-1]


def test_a_later_phase_needs_a_model_to_start_from(workshop):
    ended, told = train(workshop, "--from", "further")
    assert ended.returncode == 2 and "--start" in ended.stderr and told == []
    ended, told = train(workshop, "--from", "further", "--start", ROOT / "models/default")
    assert ended.returncode == 0, ended.stderr
    assert len(told) == 1 and option(told[0], "--start") == str(ROOT / "models/default")


def test_the_status_says_what_is_done_and_starts_nothing(workshop):
    train(workshop, fails="describe")
    ended, told = train(workshop, "--status")
    lines = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines())
    assert told == [] and lines["third"] == "done" and lines["describe"] == "not begun"


def test_a_card_goes_on_as_the_last_phase_does(workshop):
    _, told = train(workshop, "--from", "further", "--start", ROOT / "models/default")
    # The stand-in writes no log.
    log = workshop / "kit/runs/default/log.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("{}\n")
    command = [SCRIPTS / "card-kit", "run", "default", "--kit", workshop / "kit", "--out", workshop / "out", "--device", "cpu"]
    ended, of_kit = recorded(workshop, command, FACELAB=str(workshop / "recorder"))
    assert ended.returncode == 0 and len(of_kit) == 1, ended.stderr
    assert "--keep-columns" in of_kit[0]
    for name in ("learning-rate", "neighbours", "descriptor-weight", "averaging", "occlusion", "hog-weight", "class-weighting",
                 "frozen-layers"):  # fmt: skip
        assert option(of_kit[0], f"--{name}") == option(told[0], f"--{name}"), name


def test_every_evaluation_of_the_list_is_measured(workshop):
    command = [SCRIPTS / "measure-weights", "--model", ROOT / "models/default", "--out", workshop / "out"]
    command += ["--data", workshop / "data", "--program", workshop / "recorder", "--prefix", PREFIX]
    ended, told = recorded(workshop, command)
    assert ended.returncode == 0, ended.stderr
    results = ["_".join(row[:3]) for row in EVALUATED] + [f"few/{row[0]}" for row in FEW]
    assert [option(line, "--json") for line in told] == [str(workshop / f"out/{name}.json") for name in results]
    # The results hold these commands, and are committed.
    assert not any(option(line, "--data").startswith("/") for line in told)


def columns_of(model):
    return yaml.safe_load((model / "manifest.yaml").read_text())["columns"]


def test_columns_draw_from_those_before_and_a_second_call_trains_nothing(workshop, program, model):
    command = [SCRIPTS / "train-columns", "--start", model, "--out", workshop / "columns", "--work", workshop / "work"]
    command += ["--data", workshop / "data", "--program", program("facelab"), "--epochs", "1", "--prefix", PREFIX]
    for _ in range(2):
        ended = run_to_end(command, timeout=600)
        assert ended.returncode == 0, ended.stderr
        columns = {column["name"]: column for column in columns_of(workshop / "columns")}
        sources = {name: [source["name"] for source in column["sources"]] for name, column in columns.items()}
        assert (sources["gender"], sources["age"], sources["emotion"]) == ([], ["gender"], ["gender", "age"])
        for name in ("gender", "age", "emotion"):
            assert columns[name]["version"] == 1 and columns[name]["config"]["channels"] == [64, 128]
    # What the start had stays.
    assert {column["name"] for column in columns_of(model)} <= columns.keys()
    last = (workshop / "work/gender/log.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["epoch"] == 1
