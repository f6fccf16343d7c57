"""Recorded video of real people through the whole engine: behaviour, not bytes."""

import csv
from collections import Counter

import pytest

from conftest import ROOT
from support.process import PATIENCE_S, run_to_end

LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
# A full network in a development build takes its time.
LONG_S = 5 * PATIENCE_S


def annotate(program, environment, model, video, table, *words):
    """The table that `facelab annotate` writes: a row per face and frame, and how many frames there were."""
    command = [program("facelab"), "annotate", video, "--model", model, "--csv", table, "--device", "cpu", *words]
    ended = run_to_end(command, environment, LONG_S)
    assert ended.returncode == 0, ended.stderr
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    # One for each frame without a face, too.
    return [row for row in rows if row["track_id"]], ended.stdout


@pytest.fixture(scope="module")
def one_person(program, environment, model, medium, tmp_path_factory):
    """One person, frontal, for three seconds."""
    table = tmp_path_factory.mktemp("video") / "faces.csv"
    rows, _ = annotate(program, environment, model, medium("single_face.mp4"), table, "--seconds", 3)
    return rows


def test_one_person_is_one_track_for_nearly_all_of_the_video(one_person):
    frames = {row["frame"] for row in one_person}
    tracks = Counter(row["track_id"] for row in one_person)
    (_, most), *others = tracks.most_common()
    assert most >= 0.95 * (max(int(frame) for frame in frames) + 1)
    assert sum(count for _, count in others) <= 0.05 * len(one_person)


def test_landmarks_lie_within_the_face_and_where_a_face_has_them(one_person):
    for row in one_person:
        x, y, width, height = (float(row[name]) for name in ("x", "y", "width", "height"))
        points = {name: (float(row[f"{name}_x"]), float(row[f"{name}_y"])) for name in LANDMARKS}
        for name, (left, top) in points.items():
            assert x <= left <= x + width and y <= top <= y + height, (row["frame"], name)
        assert points["left_eye"][0] < points["right_eye"][0]
        assert points["left_mouth"][0] < points["right_mouth"][0]
        assert max(points["left_eye"][1], points["right_eye"][1]) < points["nose"][1]
        assert points["nose"][1] < min(points["left_mouth"][1], points["right_mouth"][1])


def test_shares_of_every_task_sum_to_one_and_judgements_add_up(one_person):
    judged = [row for row in one_person if row["mood"] or row["mood_unknown"]]
    # Judged from the first frames on, and often.
    assert len(judged) >= 0.9 * len(one_person)
    assert int(judged[-1]["mood_observations"]) > 3
    for row in judged:
        for task in ("mood", "glasses", "person"):
            shares = [float(share) for name, share in row.items() if name.startswith(f"{task}:")]
            total = sum(shares) + float(row[f"{task}_unknown"])
            assert total == pytest.approx(1, abs=1e-3), (row["frame"], task)
            assert all(0 <= share <= 1 for share in shares)
            assert float(row[f"{task}_confidence"]) == pytest.approx(max(shares), abs=1e-3)


def test_a_video_without_people_has_no_faces(program, environment, model, medium, tmp_path):
    rows, said = annotate(program, environment, model, medium("no_face.mp4"), tmp_path / "faces.csv", "--every", 3)
    assert rows == []
    assert "0 faces" in said, said


def test_every_frame_has_a_row_and_a_time(program, environment, model, medium, tmp_path):
    table = tmp_path / "faces.csv"
    annotate(program, environment, model, medium("no_face.mp4"), table, "--every", 3)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(0, 3 * len(rows), 3)) and len(rows) > 10
    times = [float(row["time_s"]) for row in rows]
    assert times[0] == 0 and times == sorted(set(times))


def test_of_a_cut_video_is_written_what_could_be_read_and_the_end_is_an_error(program, environment, model, medium, tmp_path):
    whole, cut, table = tmp_path / "whole.avi", tmp_path / "cut.avi", tmp_path / "faces.csv"
    annotate(program, environment, model, medium("single_face.mp4"), table, "--seconds", 2, "--out", whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    table.unlink()
    command = [program("facelab"), "annotate", cut, "--model", model, "--csv", table, "--device", "cpu"]
    ended = run_to_end(command, environment, LONG_S)
    assert ended.returncode == 1 and "the file ends after" in ended.stderr, ended.stderr
    with table.open(newline="") as file:
        assert len(list(csv.DictReader(file))) > 5


def test_a_face_that_leaves_the_picture_is_not_reported_where_it_is_not(program, environment, model, medium, tmp_path):
    rows, _ = annotate(program, environment, model, medium("face_noface.mov"), tmp_path / "faces.csv", "--every", 3)
    frames = sorted(int(row["frame"]) for row in rows)
    assert frames, "the face was never seen"
    assert len(frames) == len(set(frames)), "one person was seen twice in a frame"


@pytest.fixture(scope="module")
def shipped():
    folder = ROOT / "models/default"
    if not (folder / "manifest.yaml").is_file():
        pytest.skip("no trained weights in models/default yet")
    return folder


def best(row, task):
    """The most probable label, whatever the unknown share."""
    return max((share for share in row if share.startswith(f"{task}:")), key=lambda name: float(row[name])).split(":", 1)[1]


def test_the_shipped_model_sees_the_same_person_all_along_and_the_smile(program, environment, shipped, medium, tmp_path):
    rows, _ = annotate(
        program, environment, shipped, medium("single_face.mp4"), tmp_path / "faces.csv", "--seconds", 4, "--every", 3
    )
    judged = [row for row in rows if row["gender_observations"] and int(row["gender_observations"]) >= 1]
    settled = [row for row in judged if int(row["gender_observations"]) >= 3]
    assert len(settled) >= 5
    # Nobody changes gender or age in four seconds.
    (_, most), *_ = Counter(best(row, "gender") for row in settled).most_common()
    assert most >= 0.8 * len(settled)
    groups = [name for name in rows[0] if name.startswith("age:")]
    expected = []
    for row in settled:
        shares = [float(row[name]) for name in groups]
        expected.append(sum(at * share for at, share in enumerate(shares)) / sum(shares))
    assert max(expected) - min(expected) < 1, "the expected age group moved"
    # He looks neutral until 0.5 s and smiles from 0.7 s on; the estimate follows within half a second.
    assert {best(row, "emotion") for row in judged if int(row["frame"]) <= 15} == {"neutral"}
    assert {best(row, "emotion") for row in judged if int(row["frame"]) >= 36} == {"happiness"}


@pytest.fixture(scope="module")
def crying_then_laughing(program, environment, shipped, medium, tmp_path_factory):
    """A woman cries, from 2.5 to 5.5 s behind her hand, and laughs from 11 s on."""
    table = tmp_path_factory.mktemp("crying") / "faces.csv"
    rows, _ = annotate(program, environment, shipped, medium("WolfgangLanger_Pexels.mp4"), table, "--every", 6)
    return rows


def happy(rows, begin, end):
    return [float(row["emotion:happiness"]) for row in rows if begin <= float(row["time_s"]) <= end]


def test_a_crying_face_with_a_covered_mouth_is_not_called_happy(crying_then_laughing):
    covered = happy(crying_then_laughing, 2.5, 5.5)
    assert len(covered) >= 10
    assert max(covered) <= 0.5


def test_a_laughing_face_is_called_happy(crying_then_laughing):
    laughing = happy(crying_then_laughing, 12.5, 15.5)
    assert len(laughing) >= 10
    assert min(laughing) > 0.5
