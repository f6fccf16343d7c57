"""The table of scripts/torture: parts that ran before stay, and a broken one costs nothing."""

import json

from measure import torture


def log(tmp_path, **found):
    path = tmp_path / "log"
    lines = [f'noise torture: {json.dumps({"what": what, "found": {"count": count}})}' for what, count in found.items()]
    path.write_text("\n".join(["building", *lines]))
    return path


def rows(out):
    return {row["what"]: row["found"]["count"] for row in json.loads(out.read_text())}


def test_parts_that_did_not_run_now_stay(tmp_path, capsys):
    out = tmp_path / "torture.json"
    torture.main(log(tmp_path, kills=520, video=1), out)
    torture.main(log(tmp_path, video=2), out)
    assert rows(out) == {"kills": 520, "video": 2}
    assert "| kills | count: 520 |" in capsys.readouterr().out


def test_a_table_that_is_broken_is_set_aside(tmp_path, capsys):
    for broken in ("{", "[1]", '[{"found": {}}]', "null"):
        out = tmp_path / "torture.json"
        out.write_text(broken)
        torture.main(log(tmp_path, video=2), out)
        assert rows(out) == {"video": 2}
        assert (tmp_path / "torture.json.broken").read_text() == broken
        assert "no table of scripts/torture" in capsys.readouterr().err
