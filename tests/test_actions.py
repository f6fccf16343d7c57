"""The actions `teach` and `capture` with rclpy's own ActionClient."""

import threading

import pytest
from action_msgs.msg import GoalInfo, GoalStatus
from action_msgs.srv import CancelGoal
from face_attributes.action import Capture, Teach
from face_attributes.msg import Task
from face_attributes.srv import ListTasks
from unique_identifier_msgs.msg import UUID

from support import teaching
from support.actions import Client, wait
from support.camera import Camera
from support.pictures import bgr8
from support.process_view import processor_s, resident_mb

GOALS = 200


@pytest.fixture(scope="module")
def node(new_node):
    node = new_node().start()
    yield node
    assert node.process.stop() == 0


@pytest.fixture
def teach(node, peer):
    with Client(peer, Teach, "teach") as client:
        yield client


@pytest.fixture
def capture(node, peer):
    with Client(peer, Capture, "capture") as client:
        yield client


def test_a_goal_teaches_as_the_service_does_with_feedback(teach):
    status, result = teach.run(**teaching.quick("posture", samples=teaching.crops(teaching.MANY), epochs=30))
    assert status == GoalStatus.STATUS_SUCCEEDED, result.message
    assert result.success and result.promise_kept and result.task_id == "posture@1"
    assert list(result.samples) == [teaching.MANY, teaching.MANY]
    states = {told.task.state for told in teach.feedback}
    assert teach.feedback and states <= {Task.QUEUED, Task.TRAINING, Task.READY}
    assert all(told.task.name == "posture" for told in teach.feedback)


def test_a_goal_that_is_refused_is_aborted_with_the_reason(teach):
    status, result = teach.run(**teaching.quick("mood"))
    assert status == GoalStatus.STATUS_ABORTED
    assert not result.success and "mood" in result.message


def test_a_cancelled_training_ends_as_cancelled(teach, peer):
    goal = teach.send(**teaching.endless("gaze"))
    cancelled = wait(goal.cancel_goal_async())
    assert cancelled.return_code == CancelGoal.Response.ERROR_NONE and len(cancelled.goals_canceling) == 1
    ended = wait(goal.get_result_async())
    assert ended.status == GoalStatus.STATUS_CANCELED
    assert not ended.result.success and "cancel" in ended.result.message
    states = {task.name: task.state for task in peer.call(ListTasks, "list_tasks").tasks}
    assert states["gaze"] in (Task.CANCELLED, Task.UNTAUGHT)
    again = wait(goal.cancel_goal_async())
    assert again.return_code == CancelGoal.Response.ERROR_GOAL_TERMINATED


def test_a_capture_tells_how_many_crops_there_are(capture, peer, astronaut):
    with Camera(peer, [bgr8(astronaut)]) as camera:
        camera.wait_for(10)
        status, result = capture.run(name="calmness", label="calm", track_id="largest", count=6, seconds=30.0)
        assert status == GoalStatus.STATUS_SUCCEEDED, result.message
        assert result.captured == 6 and list(result.labels) == ["calm"]
        counted = [told.captured for told in capture.feedback]
        assert counted == sorted(counted) and counted[0] < 6 and {told.count for told in capture.feedback} == {6}

        # Cancelled, it has stored nothing.
        goal = capture.send(name="calmness", label="calm", track_id="largest", count=200, seconds=60.0)
        wait(goal.cancel_goal_async())
        ended = wait(goal.get_result_async())
        assert ended.status == GoalStatus.STATUS_CANCELED and "cancelled" in ended.result.message
    stored = {task.name: list(task.samples) for task in peer.call(ListTasks, "list_tasks").tasks}
    assert stored["calmness"] == [6]


def test_all_goals_are_cancelled_at_once_and_an_unknown_one_is_told(teach, peer):
    goals = [teach.send(**teaching.endless(name)) for name in ("left", "right", "middle")]
    everything = peer.call(CancelGoal, "teach/_action/cancel_goal")
    assert everything.return_code == CancelGoal.Response.ERROR_NONE and len(everything.goals_canceling) == 3
    for goal in goals:
        assert wait(goal.get_result_async()).status == GoalStatus.STATUS_CANCELED
    stranger = GoalInfo(goal_id=UUID(uuid=[7] * 16))
    unknown = peer.call(CancelGoal, "teach/_action/cancel_goal", goal_info=stranger)
    assert unknown.return_code == CancelGoal.Response.ERROR_UNKNOWN_GOAL_ID
    result = peer.call(Teach.Impl.GetResultService, "teach/_action/get_result", goal_id=stranger.goal_id)
    assert result.status == GoalStatus.STATUS_UNKNOWN and "no such goal" in result.result.message


def test_an_id_is_taken_once_and_sixteen_goals_are_worked_on(capture, peer):
    send = Capture.Impl.SendGoalService
    goal = Capture.Goal(name="calmness", label="calm", track_id="largest", count=1, seconds=60.0)

    def accepted(number):
        return peer.call(send, "capture/_action/send_goal", goal_id=UUID(uuid=[number] * 16), goal=goal).accepted

    assert [accepted(number) for number in [1, *range(1, 19)]] == [True, False, *[True] * 15, False, False]
    canceling = peer.call(CancelGoal, "capture/_action/cancel_goal").goals_canceling
    assert len(canceling) == 16
    for canceled in canceling:
        result = peer.call(Capture.Impl.GetResultService, "capture/_action/get_result", goal_id=canceled.goal_id)
        assert result.status == GoalStatus.STATUS_CANCELED


def test_two_hundred_goals_leave_neither_load_nor_memory(capture, node):
    """r2r's own action server keeps a timer spinning after the first goal."""
    pid = node.process.pid

    def refused():
        status, result = capture.run(name="calmness", label="calm", track_id="zzzzz", count=1, seconds=0.1)
        assert status == GoalStatus.STATUS_ABORTED and not result.success

    def share():
        used_s, quiet = processor_s(pid), threading.Event()
        quiet.wait(3.0)
        return (processor_s(pid) - used_s) / 3.0

    for _ in range(20):
        refused()
    before_mb, before = resident_mb(pid), share()
    for _ in range(GOALS):
        refused()
    after_mb, after = resident_mb(pid), share()
    print(
        f"{GOALS} goals: {before_mb:.1f} to {after_mb:.1f} MB, {100 * before:.1f} to {100 * after:.1f}% of a core at rest"
    )
    assert after_mb - before_mb < 10
    assert after < before + 0.05
