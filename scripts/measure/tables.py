"""MODEL_CARD.md's tables from the results of scripts/measure-weights: `python3 tables.py FOLDER`. Pure Python."""

import json
import sys
from pathlib import Path

from evaluations import EVALUATED, FEW

NAMES = {"fairface": "FairFace", "lfw": "LFW", "utkface": "UTKFace", "london": "London", "ferplus": "FER+"}
METHODS = ["identity", "default", "features", "features-logistic", "hog-logistic"]


def read(folder, name):
    path = Path(folder) / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(heading, rows):
    return "\n".join([row(*heading), row(*["---"] * len(heading)), *rows]) if rows else ""


def share(value, digits=3):
    return "" if value is None else f"{value:.{digits}f}"


def evaluated(folder):
    rows = []
    for task, pack, part, _ in EVALUATED:
        found = read(folder, f"{task}_{pack}_{part}")
        if found:
            interval = f"{share(found['accuracy_low'])} to {share(found['accuracy_high'])}"
            rows.append(
                row(task, f"{NAMES[pack]} {part}", found["n"], f"**{share(found['accuracy'])}**", interval,
                    share(found["within_one"]), share(found["majority"]), share(found["mean_recall"]), share(found["ece"]))
            )  # fmt: skip
    heading = ["column", "data", "faces", "right", "95% interval", "within one group", "most frequent label", "mean recall",
               "calibration error"]  # fmt: skip
    return table(heading, rows)


def recalls(folder):
    lines = []
    for task, pack, part, _ in EVALUATED:
        found = read(folder, f"{task}_{pack}_{part}")
        if found and (task, pack) in (("emotion", "ferplus"), ("emotion", "london"), ("age", "fairface"), ("gender", "lfw")):
            each = zip(found["labels"], found["per_class_recall"])
            said = ", ".join(f"{label} {share(value, 2)}" for label, value in each if value is not None)
            lines.append(f"- {task}, {NAMES[pack]} {part}: {said}")
    return "\n".join(lines)


def groups(folder):
    gender, age = read(folder, "gender_fairface_test"), read(folder, "age_fairface_test")
    if not gender or not age:
        return ""
    rows, gaps = [], []
    for column, names in gender["groups"].items():
        for name, found in names.items():
            other = age["groups"].get(column, {}).get(name)
            rows.append(row(name, found["held_back"], share(found["value"], 2), share(other and other["value"], 2)))
        values = [found["value"] for found in names.values()]
        gaps.append(f"{column} {max(values) - min(values):.2f}")
    heading = ["group as FairFace names it", "faces", "gender", "age"]
    return table(heading, rows) + f"\n\nGap between best and worst group, gender: {', '.join(gaps)}"


def few(folder):
    rows = []
    for name, said, *_ in FEW:
        found = read(folder, f"few/{name}")
        if not found:
            continue
        for shots in sorted({each["shots"] for each in found["rows"]}):
            by_method = {each["method"]: each["accuracy"] for each in found["rows"] if each["shots"] == shots}
            cells = [by_method.get(method) for method in METHODS]
            cells = ["" if cell is None else f"{cell['mean']:.3f} ± {cell['interval']:.3f}" for cell in cells]
            rows.append(row(said, shots, *cells))
            said = ""
    return table(["task", "samples a label", *METHODS], rows)


def people(folder):
    rows = []
    for name, said in (("who_lfw", "LFW"), ("who_orl", "ORL")):
        found = read(folder, f"few/{name}") or {}
        strangers = {(each.get("method"), each["shots"]): each for each in found.get("strangers", [])}
        for shots in sorted({each["shots"] for each in found.get("rows", [])}):
            right = {each["method"]: each["accuracy"] for each in found["rows"] if each["shots"] == shots}
            told = strangers.get(("identity", shots))
            if told is None:
                continue
            area, named = told["area"], told["named_at_95"]
            rows.append(
                row(f"{said}, {shots} of each",
                    *[f"{right[method]['mean']:.3f} ± {right[method]['interval']:.3f}" for method in ("identity", "default")],
                    f"{area['mean']:.3f} ± {area['interval']:.3f}", f"{named['mean']:.0%} ± {named['interval']:.0%}",
                    share(told["unknown_taught"]["mean"], 2), share(told["unknown_strangers"]["mean"], 2))
            )  # fmt: skip
    heading = ["12 people, samples", "right: IDENTITY", "as a general task", "strangers: area under the ROC curve",
               "strangers named where 95% of those taught are", "`unknown` of somebody taught", "of a stranger"]  # fmt: skip
    return table(heading, rows)


def strangers(folder):
    lines = []
    for name, said, *_ in FEW:
        found = read(folder, f"few/{name}") or {}
        for each in found.get("strangers", []):
            area, named = each["area"], each["named_at_95"]
            lines.append(
                f"- {said}, {each.get('method', 'default')}, {each['shots']} samples: area {area['mean']:.3f} ± {area['interval']:.3f}; "
                f"{named['mean']:.2f} ± {named['interval']:.2f} of the strangers pass where 95% of those taught do; unknown "
                f"{each['unknown_strangers']['mean']:.2f} of a stranger, {each['unknown_taught']['mean']:.2f} of somebody taught"
            )
        for each in found.get("covered", []):
            lines.append(
                f"- {said}, {each['shots']} samples: unknown {each['unknown']['mean']:.2f}, with mouth and eyes covered "
                f"{each['unknown_covered']['mean']:.2f}"
            )
    return "\n".join(lines)


def corrupted(folder):
    rows = []
    for task, pack, part, _ in EVALUATED:
        for each in (read(folder, f"{task}_{pack}_{part}") or {}).get("corrupted", []):
            what = each["corruption"].replace("_", " ")
            labelled = share(each["accuracy_of_labelled"])
            rows.append(
                row(f"{task}, {NAMES[pack]} {part}", what, share(each["unknown"], 2), share(each["without_label"], 2), labelled)
            )
    return table(["column, data", "faces", "unknown", "without a label", "right of the others"], rows)


def main():
    folder = sys.argv[1]
    parts = (evaluated, recalls, groups, people, few, strangers, corrupted)
    print("\n\n".join(text for part in parts if (text := part(folder))))


if __name__ == "__main__":
    main()
