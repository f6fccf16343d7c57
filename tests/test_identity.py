"""Tasks that recognise people, over real ROS: one person, one more later, and what is refused."""


import pytest
from face_attributes.msg import Task
from face_attributes.srv import AddTask, ExportTask, ImportTask, ListTasks, RemoveTask

from support import teaching

FIRST, SECOND = teaching.LABELS


@pytest.fixture(scope="module")
def node(new_node):
    return new_node().start()


def add(peer, people, count, **fields):
    samples = teaching.crops(count, people)
    request = {"name": "who", "kind": AddTask.Request.IDENTITY, "labels": people, "samples": samples, "wait": True}
    return peer.call(AddTask, "add_task", **request | fields)


def listed(peer, name="who"):
    return next((task for task in peer.call(ListTasks, "list_tasks").tasks if task.name == name), None)


def test_one_person_is_taught_with_one_sample_and_another_is_added_later(node, peer):
    reply = add(peer, [FIRST], 1)
    assert reply.success and reply.task_id == "who@1" and list(reply.samples) == [1], reply.message
    task = listed(peer)
    assert (task.kind, list(task.labels), list(task.sources)) == (Task.IDENTITY, [FIRST], [])
    assert not task.transferable and (task.held_back, task.accuracy) == (0, 0.0)

    # The kind is known: a request that adds somebody need not say it.
    reply = add(peer, [SECOND], 3, retrain=True, kind=AddTask.Request.GENERAL)
    assert reply.success and reply.task_id == "who@2" and reply.promise_kept, reply.message
    task = listed(peer)
    assert (task.kind, list(task.labels), list(task.samples)) == (Task.IDENTITY, [FIRST, SECOND], [1, 3])


def test_an_identity_task_travels_as_one(node, peer, tmp_path):
    exported = peer.call(ExportTask, "export_task", name="who", directory=str(tmp_path / "who"))
    assert exported.success, exported.message
    imported = peer.call(ImportTask, "import_task", directory=str(tmp_path / "who"), name="guests")
    assert imported.success, imported.message
    assert (listed(peer, "guests").kind, list(listed(peer, "guests").labels)) == (Task.IDENTITY, [FIRST, SECOND])
    assert peer.call(RemoveTask, "remove_task", name="guests").success


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": 7}, "`kind` is 7; it must be 0 (GENERAL) or 1 (IDENTITY)"),
        ({"epochs": 3}, "`kind IDENTITY` and `epochs` exclude each other"),
        ({"sources": ["mood"]}, "`kind IDENTITY` and `sources` exclude each other"),
        ({"labels": [], "samples": []}, "has 0 labels; give at least 1"),
        ({"labels": [FIRST, "nobody"]}, "no samples of"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(node, peer, fields, said):
    def standing():
        return [(task.name, task.state, task.digest) for task in peer.call(ListTasks, "list_tasks").tasks]

    before = standing()
    reply = add(peer, [FIRST], 1, **{"name": "guests"} | fields)
    assert not reply.success and said in reply.message, reply.message
    assert standing() == before
