"""The table of scripts/torture from what its parts say: `python3 torture.py LOG OUT.json`. Pure Python.

Parts that OUT.json has and that did not run now stay in it: a whole run takes hours, its parts can be run one by one.
"""

import datetime
import json
import sys
from pathlib import Path

MARK = "torture: {"


def rows(log):
    for line in log.splitlines():
        at = line.find(MARK)
        if at >= 0:
            yield json.loads(line[at + len(MARK) - 1 :])


def before(out):
    """Rows of an earlier run. What is no table is set aside: hours went into the new rows."""
    try:
        rows = json.loads(out.read_text(encoding="utf-8"))
        return [row for row in rows if row["what"]]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        aside = out.with_name(f"{out.name}.broken")
        out.rename(aside)
        print(f"{out}: no table of scripts/torture ({error!r}); kept as {aside}", file=sys.stderr)
        return []


def merged(before, found):
    """All rows by name, the newer one of two."""
    again = {row["what"] for row in found}
    return sorted([row for row in before if row["what"] not in again] + found, key=lambda row: row["what"])


def shown(value):
    return ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else str(value)


def main(log, out):
    found = list(rows(Path(log).read_text(encoding="utf-8", errors="replace")))
    if not found:
        sys.exit(f"{log}: nothing ran; check --only, and scripts/fetch-media for the video")
    today = datetime.date.today().isoformat()
    found = merged(before(Path(out)), [{**row, "date": today} for row in found])
    Path(out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("| | |\n|---|---|")
    for row in found:
        print(f"| {row['what']} | " + "; ".join(f"{name}: {shown(value)}" for name, value in row["found"].items()) + " |")


if __name__ == "__main__":
    main(*sys.argv[1:])
