"""The node as a ROS citizen: diagnostics, logs, the task list, marked pictures, parameters while it runs."""

import io
import itertools
import re

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from face_attributes.msg import FaceAttributesArray, Task, TaskArray
from face_attributes.srv import AddTask, ListTasks
from PIL import Image as Picture
from rcl_interfaces.msg import Log, LoggerLevel, Parameter, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetLoggerLevels,
    GetParameters,
    ListParameters,
    SetLoggerLevels,
    SetParameters,
    SetParametersAtomically,
)
from sensor_msgs.msg import CompressedImage

from conftest import ROOT
from support import pictures
from support.camera import Camera, stamp_of
from support.peer import LATCHED
from support.process import wait_until

SERVICES = "face_attributes"


@pytest.fixture(scope="module")
def node(new_node):
    return new_node().start()


@pytest.fixture(scope="module")
def camera(node, peer, astronaut):
    with Camera(peer, [pictures.bgr8(astronaut)], frame_id="astronaut_camera") as camera:
        yield camera


@pytest.fixture(scope="module")
def answers(camera, peer):
    answers = peer.listen(FaceAttributesArray, "attributes")
    answers.wait_for(lambda answer: answer.faces, "a face")
    return answers


def documented_values(part):
    """Keys of a part of /diagnostics, as docs/interfaces.md lists them."""
    page = (ROOT / "docs/interfaces.md").read_text().partition("**`/diagnostics`**")[2]
    (row,) = re.findall(rf"^\| `{part}` \| (.*) \|$", page, re.MULTILINE)
    return set(re.findall("`([^`]+)`", row))


def test_diagnostics_come_once_a_second_with_every_key_documented(answers, node, peer):
    with peer.listen(DiagnosticArray, "/diagnostics") as listener:
        heard = listener.collect(5)
    times = [message.header.stamp.sec + message.header.stamp.nanosec * 1e-9 for message in heard]
    gaps = sorted(later - earlier for earlier, later in zip(times, times[1:]))
    # The median: one report may be late on a busy machine.
    assert gaps[len(gaps) // 2] == pytest.approx(1, abs=0.25)
    parts = {status.name.rpartition(": ")[2]: status for status in heard[-1].status}
    assert parts.keys() == {"frames", "detector", "network", "tasks", "process"}
    assert all(status.name.startswith(f"{node.namespace}/face_attributes: ") for status in parts.values())
    assert parts["frames"].level == b"\x00", parts["frames"].message
    for name, status in parts.items():
        assert {pair.key for pair in status.values} == documented_values(name), name
    frames = {pair.key: pair.value for pair in parts["frames"].values}
    assert int(frames["answered"]) > 0 and float(frames["rate_hz"]) > 0


def test_what_the_node_logs_is_on_rosout(node, peer):
    with peer.listen(Log, "/rosout") as log:
        # What holds already is no change, and not told.
        values = itertools.cycle([5, 4])

        def heard():
            # Again and again: a line that is said before the two have found each other is lost.
            assert set_parameter(peer, "scheduler.max_batch", next(values)).successful
            return [line for line in log.messages() if "changed: scheduler.max_batch" in line.msg]

        line, *_ = wait_until(heard, "the change is on /rosout")
    assert line.name.endswith("face_attributes") and line.level == Log.INFO


def test_the_task_list_is_latched_and_the_same_as_that_of_list_tasks(node, peer):
    late = peer.listen(TaskArray, "tasks", LATCHED)
    tasks = late.wait_for(lambda message: message.tasks, "tasks").tasks
    assert [task.name for task in tasks] == ["mood", "glasses", "person"]
    assert [list(task.sources) for task in tasks] == [[], ["mood"], []]
    assert [task.transferable for task in tasks] == [True, True, False]
    assert all(task.shipped and task.state == Task.READY and task.version == 1 for task in tasks)
    assert all(re.fullmatch("[0-9a-f]{64}", task.digest) for task in tasks)
    listed = peer.call(ListTasks, "list_tasks")
    assert listed.success
    assert listed.tasks == tasks


def test_marked_pictures_are_published_while_somebody_looks(answers, camera, peer):
    with peer.listen(CompressedImage, "annotated/compressed") as viewer:
        marked = viewer.wait_for(lambda message: True, "a picture")
    assert marked.format == "jpeg" and marked.header.frame_id == camera.frame_id
    assert stamp_of(marked) in camera.sent()
    assert Picture.open(io.BytesIO(bytes(marked.data))).size == (512, 512)


def test_explanations_are_published_while_somebody_looks(answers, camera, peer):
    with peer.listen(CompressedImage, "explanation/compressed") as viewer:
        sheet = viewer.wait_for(lambda message: True, "a sheet")
    assert sheet.format == "jpeg" and sheet.header.frame_id == camera.frame_id
    assert stamp_of(sheet) in camera.sent()
    # A row of five tiles for each of the three tasks.
    assert Picture.open(io.BytesIO(bytes(sheet.data))).size == (5 * 128, 3 * (24 + 128))


def value(setting):
    kind = {bool: (1, "bool_value"), int: (2, "integer_value"), float: (3, "double_value"), str: (4, "string_value")}
    code, field = kind[type(setting)]
    return ParameterValue(type=code, **{field: setting})


def set_parameter(peer, name, setting):
    parameter = Parameter(name=name, value=value(setting))
    (result,) = peer.call(SetParameters, f"{SERVICES}/set_parameters", parameters=[parameter]).results
    return result


def get_parameter(peer, name):
    (found,) = peer.call(GetParameters, f"{SERVICES}/get_parameters", names=[name]).values
    return found


def test_a_threshold_changes_while_the_node_runs(answers, peer):
    before = get_parameter(peer, "detector.score_threshold").double_value
    try:
        assert set_parameter(peer, "detector.score_threshold", 1.0).successful
        answers.next(lambda answer: not answer.faces, "no face above a score of 1")
    finally:
        assert set_parameter(peer, "detector.score_threshold", before).successful
    answers.next(lambda answer: answer.faces, "the face again")
    assert get_parameter(peer, "detector.score_threshold").double_value == before


def test_how_often_a_face_is_judged_changes_while_the_node_runs(answers, peer):
    def judgements(count):
        """Stamps of so many estimates of a face that follow each other, seconds."""
        stamps = []
        while len(stamps) < count:
            answer = answers.next(lambda answer: answer.faces and answer.faces[0].attributes, "a judged face")
            stamp = answer.faces[0].attributes[0].stamp
            if stamp.sec + stamp.nanosec / 1e9 not in stamps:
                stamps.append(stamp.sec + stamp.nanosec / 1e9)
        return stamps

    before = get_parameter(peer, "scheduler.refresh_hz").double_value
    try:
        assert set_parameter(peer, "scheduler.refresh_hz", 0.5).successful
        # What was judged before is due by the rate of before.
        slow = judgements(4)
        assert slow[-1] - slow[-2] >= 1.9
    finally:
        assert set_parameter(peer, "scheduler.refresh_hz", before).successful
    judgements(4)


@pytest.mark.parametrize(
    "name, good, bad, words",
    [
        ("scheduler.cpu_share", 0.25, 0.0, "0.01 to 1"),
        ("smoothing.lasting_half_life_s", 5.0, -1.0, "0 to 3600 s"),
        ("smoothing.lasting", "gender", "gender,gender", "none twice"),
    ],
)
def test_shares_and_half_lives_change_while_the_node_runs(name, good, bad, words, node, peer):
    before = get_parameter(peer, name)
    kept = before.double_value if before.type == 3 else before.string_value
    try:
        assert set_parameter(peer, name, good).successful
        refused = set_parameter(peer, name, bad)
        assert not refused.successful and words in refused.reason
        assert get_parameter(peer, name) == value(good)
    finally:
        assert set_parameter(peer, name, kept).successful


def test_a_rate_changes_while_the_node_runs(answers, camera, peer):
    with peer.listen(CompressedImage, "annotated/compressed") as viewer:
        viewer.wait_for(lambda message: True, "a picture")
        try:
            assert set_parameter(peer, "annotated.rate_hz", 0.0).successful
            # What is under way still comes.
            camera.wait_for(5)
            viewer.forget()
            camera.wait_for(15)
            assert viewer.messages() == []
        finally:
            assert set_parameter(peer, "annotated.rate_hz", 10.0).successful
        viewer.next(lambda message: True, "a picture again")


@pytest.mark.parametrize(
    "name, setting, words",
    [
        ("scheduler.refresh_hz", 1000.0, "0.1 to 60 Hz"),
        ("scheduler.refresh_hz", "fast", "must be a number"),
        ("scheduler.refresh_rate", 2.0, "is 'scheduler.refresh_hz' meant?"),
        ("state_dir", "/somewhere/else", "cannot change while the node runs"),
        ("device", "cuda", "cannot change while the node runs"),
    ],
)
def test_a_bad_change_is_refused_by_name_and_changes_nothing(name, setting, words, node, peer):
    before = get_parameter(peer, name)
    result = set_parameter(peer, name, setting)
    assert not result.successful
    assert name in result.reason and words in result.reason
    assert get_parameter(peer, name) == before


def test_changes_that_belong_together_are_made_together_or_not_at_all(node, peer):
    before = get_parameter(peer, "scheduler.max_batch")
    good = Parameter(name="scheduler.max_batch", value=value(2))
    bad = Parameter(name="scheduler.min_quality", value=value(3.0))
    result = peer.call(SetParametersAtomically, f"{SERVICES}/set_parameters_atomically", parameters=[good, bad]).result
    assert not result.successful and "scheduler.min_quality" in result.reason
    assert get_parameter(peer, "scheduler.max_batch") == before


def test_every_parameter_describes_itself_with_its_range(node, peer):
    names = peer.call(ListParameters, f"{SERVICES}/list_parameters").result.names
    assert {"model", "state_dir", "scheduler.refresh_hz", "retain_samples"} <= set(names)
    descriptors = peer.call(DescribeParameters, f"{SERVICES}/describe_parameters", names=names).descriptors
    for descriptor in descriptors:
        assert descriptor.description, descriptor.name
        assert len(descriptor.integer_range) == (descriptor.type == 2), descriptor.name
        assert len(descriptor.floating_point_range) == (descriptor.type == 3), descriptor.name
    (refresh,) = [descriptor for descriptor in descriptors if descriptor.name == "scheduler.refresh_hz"]
    assert (refresh.floating_point_range[0].from_value, refresh.floating_point_range[0].to_value) == (0.1, 60.0)
    assert not refresh.read_only


def test_the_log_tells_more_while_the_node_runs(node, peer):
    """The services of rclcpp's loggers; debug lines begin to come on /rosout."""
    logger = "face.face_attributes"

    def level():
        return peer.call(GetLoggerLevels, f"{SERVICES}/get_logger_levels", names=[logger, "other"]).levels

    def set_to(number, name=logger):
        levels = [LoggerLevel(name=name, level=number)]
        (result,) = peer.call(SetLoggerLevels, f"{SERVICES}/set_logger_levels", levels=levels).results
        return result

    assert [told.level for told in level()] == [LoggerLevel.LOG_LEVEL_INFO, LoggerLevel.LOG_LEVEL_UNKNOWN]
    assert set_to(LoggerLevel.LOG_LEVEL_WARN).successful
    assert level()[0].level == LoggerLevel.LOG_LEVEL_WARN
    with peer.listen(Log, "/rosout") as log:
        # Said at the level INFO.
        peer.call(AddTask, "add_task", name="")
        assert set_to(LoggerLevel.LOG_LEVEL_INFO).successful
        peer.call(AddTask, "add_task", name="")
        log.wait_for(lambda message: "refused" in message.msg, "a refusal")
        assert sum("refused" in message.msg for message in log.messages()) == 1
    assert "10 DEBUG" in set_to(7).reason
    assert f"this node's is '{logger}'" in set_to(LoggerLevel.LOG_LEVEL_INFO, "other").reason
