"""Which folders tasks are exported to and imported from."""

from face_attributes.srv import AddTask, ExportTask, ImportTask, ListTasks

from support import teaching


def test_a_name_is_exchanged_below_the_state_folder_and_no_other_folder_is_reached(new_node, peer, tmp_path):
    node = new_node()
    del node.parameters["exchange_dir"]
    node.start()
    taught = peer.call(AddTask, "add_task", name="posture", labels=list(teaching.LABELS), samples=teaching.crops(2), wait=True)
    assert taught.success, taught.message
    reply = peer.call(ExportTask, "export_task", name="posture", directory="mine", with_samples=True)
    assert reply.success and str(node.state_dir / "exchange/mine") in reply.message, reply.message
    assert {path.parts[0] for path in node.files() if "mine" in path.parts} == {"exchange"}
    imported = peer.call(ImportTask, "import_task", directory="mine", name="again")
    assert imported.success, imported.message
    for directory in (str(tmp_path / "out"), "..", "", str(node.state_dir / "samples")):
        reply = peer.call(ExportTask, "export_task", name="posture", directory=directory)
        assert not reply.success, directory
    assert list(tmp_path.iterdir()) == []
    # A restart finds them again.
    node.restart()
    assert {"posture", "again"} <= {task.name for task in peer.call(ListTasks, "list_tasks").tasks}
    assert (node.state_dir / "exchange/mine/manifest.yaml").exists()
