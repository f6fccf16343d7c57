"""What scripts/demo promises of its figures and its verdict. The demo itself runs by hand: it builds a release."""

import io
import json
import sys
from pathlib import Path

import pytest
import rclpy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from support.process import run_to_end
from support.process_view import peak_mb

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from demo_lib.children import Child
from demo_lib.domain import free_domain, in_use
from demo_lib.ledger import SECOND, Estimate, Ledger
from demo_lib.people import People
from demo_lib.sources import Sources
from demo_lib.summary import processor_share, summary, taught_record, told
from demo_lib.table import Screen, one_line, rows
from demo_lib.watch import header

SHIPPED = ["emotion", "age", "gender"]
NODE = {"peak_rss_mb": 400.0, "cpu_percent": 150.0, "processor_share": 0.97}
PERIOD = SECOND // 10


def estimates(stamp, tasks, label="a"):
    return [Estimate(task, label, 0.8, 0.1, stamp) for task in tasks]


def streamed(frames=100, answer=lambda number: True, tasks=(*SHIPPED, "who"), frame_id="camera", refresh=5):
    """Ten frames a second with one face, judged anew every `refresh` frames."""
    ledger = Ledger()
    for number in range(1, frames + 1):
        stamp = number * PERIOD
        ledger.frame(stamp, "camera")
        if answer(number):
            judged = (number - 1) // refresh * refresh * PERIOD + PERIOD
            ledger.answer(stamp, frame_id, [("abcde", (100.0, 50.0), estimates(judged, tasks))])
    return ledger


def taught(**changes):
    record = taught_record("who", {"alex": 12, "robin": 10})
    record |= {"seconds_training": 9.0, "validation_accuracy": 1.0, "seconds_to_first_live_label": 9.5}
    return record | {"promise_kept": True} | changes


def judged(ledger, record=None, errors=(), shipped=SHIPPED, people=None, node=NODE):
    people = people or People("who", Sources())
    report = summary(ledger, people, None, 10.0, record or taught(), node, list(errors), shipped)
    json.dumps(report, allow_nan=False)
    return report


def test_a_run_in_which_everything_held_has_no_errors():
    report = judged(streamed())
    assert report["errors"] == []
    assert (report["frames_in"], report["frames_published"], report["faces_published"]) == (100, 100, 100)
    assert report["tasks"] == sorted([*SHIPPED, "who"])
    assert report["taught"]["samples"] == 22


@pytest.mark.parametrize(
    ("told", "ledger", "record"),
    [
        ("no frame was published", Ledger(), None),
        ("89 of 100 frames", streamed(answer=lambda number: number == 1 or number > 12), None),
        ("100 answers had a header", streamed(frame_id="other"), None),
        ("no face has an estimate of gender", streamed(tasks=["emotion", "age", "who"]), None),
        ("who was not taught", streamed(tasks=SHIPPED), taught_record("who")),
        ("no face was given a label of who", streamed(tasks=SHIPPED), taught(seconds_to_first_live_label=None)),
        ("earlier columns changed", streamed(), taught(promise_kept=False)),
    ],
)
def test_each_broken_promise_is_told(told, ledger, record):
    errors = judged(ledger, record)["errors"]
    assert any(told in error for error in errors), errors


def test_ninety_percent_are_enough_and_other_errors_stay():
    report = judged(streamed(answer=lambda number: number == 1 or number > 11), errors=["interrupted"])
    assert report["errors"] == ["interrupted"]


def test_frames_that_a_busy_machine_left_unanswered_are_noted_and_no_error():
    few = streamed(answer=lambda number: number == 1 or number > 30)
    report = judged(few, node=NODE | {"processor_share": 0.41})
    assert report["errors"] == []
    assert "71 of 100 frames" in report["notes"][0] and "41%" in report["notes"][0]
    assert any("41% of the time" in line for line in told(report))
    for share in (0.6, None):
        report = judged(few, node=NODE | {"processor_share": share})
        assert report["notes"] == [] and "71 of 100 frames" in report["errors"][0]


def test_the_share_of_the_processor_is_that_of_running_and_waiting():
    assert processor_share((1.0, 2.0), (4.0, 3.0)) == 0.75
    assert processor_share(None, (4.0, 3.0)) is None
    assert processor_share((1.0, 2.0), (1.0, 2.0)) is None


def test_a_model_that_ships_two_tasks_is_not_the_one_that_was_promised():
    assert any("ships 2 tasks" in error for error in judged(streamed(), shipped=["emotion", "age"])["errors"])


def test_an_answer_to_a_frame_that_nobody_published_is_told():
    ledger = streamed()
    ledger.answer(55 * PERIOD + 1, "camera", [])
    assert any("1 answers had a header" in error for error in judged(ledger)["errors"])


def test_frames_before_the_first_answer_and_after_the_end_are_not_counted():
    ledger = streamed(answer=lambda number: number > 30)
    counts = ledger.counts(until=80 * PERIOD)
    assert (counts.frames_in, counts.frames_published) == (50, 50)


def test_answers_to_frames_before_the_camera_was_heard_are_not_judged():
    ledger = streamed()
    for number in range(1, 23):
        del ledger.frames[number * PERIOD]
    counts = ledger.counts()
    assert (counts.frames_in, counts.frames_published, counts.foreign_headers) == (78, 78, 0)
    assert judged(ledger)["errors"] == []


def test_the_rate_is_that_of_one_face_however_many_there_are():
    ledger = Ledger()
    for number in range(1, 101):
        judged_at = (number - 1) // 5 * 5 * PERIOD + PERIOD
        faces = [(track, (10.0, 50.0), estimates(judged_at, ["age"])) for track in ("aaaaa", "bbbbb", "ccccc")]
        ledger.answer(number * PERIOD, "camera", faces)
    assert ledger.attribute_rate_hz() == pytest.approx(2.0, rel=0.1)
    assert ledger.attribute_rate_hz("training") is None
    assert ledger.tracks["aaaaa"].rate_hz() == pytest.approx(2.0, rel=0.05)


def test_a_face_that_was_away_does_not_lower_the_rate():
    ledger = streamed(frames=50)
    for number in range(200, 250):
        judged_at = (number - 200) // 5 * 5 * PERIOD + 200 * PERIOD
        ledger.answer(number * PERIOD, "camera", [("abcde", (100.0, 50.0), estimates(judged_at, ["age"]))])
    assert ledger.attribute_rate_hz() == pytest.approx(2.0, rel=0.1)
    assert [track.track_id for track in ledger.stable(4.0)] == ["abcde"]
    assert ledger.stable(6.0) == []


CELLS = {"a.mp4": [0, 0, 320, 240], "WolfgangLanger_Pexels.mp4": [320, 0, 320, 240], "c.mp4": [160, 240, 320, 240]}


def shown(starts=(1.0,)):
    """Three videos as image_stream tiles them."""
    sources = Sources()
    sources.hear("image_stream: 640x480 at 15 Hz on image\n")
    for stamp in starts:
        for name, cell in CELLS.items():
            sources.hear(json.dumps({"source": f"/media/{name}", "stamp": stamp, "cell": cell}) + "\n")
    return sources


def look(ledger, people, stamp, track_id, at, *said):
    for track in ledger.answer(stamp, "camera", [(track_id, at, [Estimate(*one, 0.1, stamp) for one in said])]):
        people.look(track)


def taught_people(names, sources=None):
    """Ten looks at each of three people after the teaching of the outer two, called by these names."""
    ledger, people = Ledger(), People("who", sources or shown())
    places = {"left": (150, 100), "right": (500, 100), "between": (300, 400)}
    for number, (track_id, at) in enumerate(places.items()):
        look(ledger, people, SECOND + number, track_id, at, ("age", "a", 0.9))
    people.teach([ledger.tracks[track_id] for track_id in places], {"left": "alex", "right": "robin"})
    people.live = True
    for number in range(30):
        track_id = list(places)[number % 3]
        look(ledger, people, (number + 2) * SECOND, track_id, places[track_id], ("who", names[number % 3], 0.9))
    return people, ledger


def test_people_who_are_called_by_their_names_and_a_stranger_who_is_not_are_no_error():
    people, _ = taught_people(["alex", "robin", ""])
    report = judged(streamed(), people=people)
    assert report["errors"] == []
    assert [(person["who"], person["looks"], person["right"]) for person in report["people"]] == [
        ("a.mp4", 10, 10),
        ("WolfgangLanger_Pexels.mp4", 10, 10),
        ("c.mp4", 10, 10),
    ]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["alex", "", ""], "taught as `robin`, was called so in 0 of 10 looks, fewer than 95% (`unknown` 10)"),
        (["alex", "robin", "alex"], "c.mp4, a stranger, was `unknown` in 0 of 10 looks, fewer than 95% (`alex` 10)"),
    ],
)
def test_a_person_who_is_called_otherwise_is_told(names, told):
    people, _ = taught_people(names)
    assert any(told in error for error in judged(streamed(), people=people)["errors"])


def test_a_person_whose_track_is_lost_is_the_same_person_in_the_same_video():
    people, ledger = taught_people(["alex", "robin", ""])
    look(ledger, people, 50 * SECOND, "again", (155, 105), ("who", "robin", 0.9))
    assert people.people["a.mp4"].called == {"alex": 10, "robin": 1}
    assert any("10 of 11 looks" in error for error in people.broken())


def test_with_one_camera_people_are_tracks_and_newcomers_are_not_judged():
    sources = Sources()
    sources.hear(json.dumps({"source": "/dev/video0", "stamp": 1.0, "cell": [0, 0, 640, 480]}) + "\n")
    people, ledger = taught_people(["alex", "robin", ""], sources)
    look(ledger, people, 50 * SECOND, "again", (155, 105), ("who", "robin", 0.9))
    assert sorted(people.people) == ["between", "left", "right"] and people.broken() == []


def test_a_task_that_is_not_of_the_kind_identity_promises_no_names():
    people, _ = taught_people(["alex", "robin", "alex"])
    people.promised = False
    assert people.broken() == [] and people.report()[2]["called"] == {"alex": 10}


def test_nobody_looked_at_after_the_teaching_is_told():
    ledger, people = Ledger(), People("who", shown())
    look(ledger, people, SECOND, "left", (150, 100), ("age", "a", 0.9))
    people.teach(ledger.in_view(), {"left": "alex"})
    people.live = True
    assert any("was not looked at after the teaching" in error for error in people.broken())


@pytest.mark.parametrize(
    ("at_s", "label", "probability", "told"),
    [
        (3.0, "happiness", 0.6, True),
        (3.0, "happiness", 0.5, False),
        (3.0, "sadness", 0.9, False),
        (1.0, "happiness", 0.9, False),  # the mouth is free
        (24.0, "happiness", 0.6, True),  # shown a second time, from 21 s on
    ],
)
def test_a_covered_mouth_that_is_called_happy_is_told(at_s, label, probability, told):
    ledger, people = Ledger(), People("who", shown(starts=(100.0, 121.0)))
    look(ledger, people, round((100.0 + at_s) * SECOND), "face", (500, 100), ("emotion", label, probability))
    assert any("covered mouth" in error for error in people.broken()) == told


def test_a_serialised_header_is_read_without_the_pixels():
    for frame_id in ("", "camera", "caméra_optique"):
        image = Image(width=2, height=1, step=6, encoding="bgr8", data=b"\x01" * 6)
        image.header.stamp.sec, image.header.stamp.nanosec, image.header.frame_id = 1234, 567, frame_id
        assert header(serialize_message(image)) == (1234 * SECOND + 567, frame_id)


def test_the_table_shows_labels_with_probabilities_and_strangers_as_unknown():
    ledger = streamed(frames=60)
    ledger.answer(61 * PERIOD, "camera", [("abcde", (9.0, 50.0), [Estimate("who", "", 0.3, 0.6, 60 * PERIOD)])])
    heading, face = rows(ledger.in_view(), ["who", "age"])
    assert heading.split() == ["track", "age", "ms", "Hz", "who", "age"]
    assert face.split() == ["abcde", "100", "2.0", "unknown", "0.60", "-"]
    assert heading.index("who") == face.index("unknown")
    assert one_line(ledger.in_view(), ["who", "age"]) == "abcde: who unknown 0.60"


def test_without_a_terminal_the_table_is_whole_lines():
    stream = io.StringIO()
    screen = Screen(stream)
    screen.show("head", [], ["age"], "status")
    screen.say("told")
    assert stream.getvalue() == "head | status | nobody in view\ntold\n"


def test_a_child_is_measured_stopped_and_its_end_told(tmp_path):
    child = Child("sleeper", ["sleep", "60"], tmp_path / "log")
    assert child.ended() is None
    least, peak, most = peak_mb(child.process.pid), child.peak_rss_mb(), peak_mb(child.process.pid)
    assert 0 < least <= peak <= most and child.cpu_seconds() >= 0
    ran, waited = child.scheduled()
    assert ran >= 0 and waited >= 0
    assert child.stop() is None
    assert child.process.returncode is not None and child.peak_rss_mb() is None and child.scheduled() is None
    failing = Child("failing", ["sh", "-c", "echo no camera; exit 3"], tmp_path / "other")
    failing.process.wait()
    assert "failing ended with 3: no camera" in failing.ended()


def test_a_domain_with_a_participant_is_in_use():
    domain = free_domain()
    assert not in_use(domain)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("participant", context=context)
    try:
        assert in_use(domain)
    finally:
        node.destroy_node()
        context.shutdown()


@pytest.mark.parametrize(
    "words", [["--seconds", "5"], ["--seconds", "x"], ["--video", "/no/such.mp4"], ["--camera", "/dev/no"], ["--what"]]
)
def test_wrong_usage_is_refused_before_anything_is_set_up(words):
    result = run_to_end([ROOT / "scripts/demo", *words])
    assert result.returncode == 2 and result.stderr.startswith("error: "), result.stderr


def test_the_help_explains_the_options():
    result = run_to_end([ROOT / "scripts/demo", "--help"])
    assert result.returncode == 0
    assert all(option in result.stdout for option in ("--seconds", "--video", "--camera", "--summary", "--no-build"))
