"""The summary, and whether every promise held. Pure: no ROS, no files."""

LEAST_ANSWERED = 0.9
# Of the time that the node could have run, the share in which a processor was free for it: 0.73 on two idle virtual CPUs, where
# its own threads wait for each other. Below, frames that were not answered tell of the machine's other work.
QUIET_SHARE = 0.5
# emotion, age, gender; a model of the user's own may have other tasks.
SHIPPED_TASKS = 3


def rounded(value, digits=3):
    """JSON has no NaN."""
    return None if value is None or value != value else round(value, digits)


def taught_record(name, samples=None):
    """Nothing learned yet; `samples` maps labels to counts. The label's seconds count from the call of add_task."""
    samples = samples or {}
    return {
        "name": name,
        "samples": sum(samples.values()),
        "samples_per_label": samples,
        "seconds_training": None,
        "validation_accuracy": None,
        "seconds_to_first_live_label": None,
        "promise_kept": False,
    }


def processor_share(before, after):
    """Of the time that the node's threads could have run between two `scheduled()`, the share that they ran."""
    if before is None or after is None:
        return None
    ran, waited = after[0] - before[0], after[1] - before[1]
    return rounded(ran / (ran + waited)) if ran > 0 and waited >= 0 else None


def summary(ledger, people, until, seconds, taught, node, errors, shipped, wanted_shipped=SHIPPED_TASKS):
    """All of it, judged: what did not hold is among `errors`.

    Too few answers are only noted where the machine had no time for the node.

    `until`: stamp of the end of the measurement; `shipped`: names of the model's own tasks; `node`: of the node's process.
    """
    counts = ledger.counts(until)
    errors = errors + broken(counts, ledger, taught, shipped, wanted_shipped) + people.broken()
    notes = []
    if few := too_few(counts):
        share = node["processor_share"]
        if share is not None and share < QUIET_SHARE:
            notes.append(f"{few}; other programs kept the node waiting, it ran in {share:.0%} of the time that it wanted to")
        else:
            errors.append(few)
    return {
        "frames_in": counts.frames_in,
        "frames_published": counts.frames_published,
        "faces_published": counts.faces_published,
        "tasks": sorted(ledger.tasks),
        "attribute_rate_hz": rounded(ledger.attribute_rate_hz(), 2),
        "attribute_rate_training_hz": rounded(ledger.attribute_rate_hz("training"), 2),
        "seconds": rounded(seconds, 1),
        "taught": taught,
        "people": people.report(),
        "covered_mouth": {"looks": people.covered, "happy": people.covered_happy},
        "node": node,
        "notes": notes,
        "errors": errors,
    }


def too_few(counts):
    """What to say when too few frames were answered; None else."""
    if counts.frames_published >= LEAST_ANSWERED * counts.frames_in:
        return None
    return f"{counts.frames_published} of {counts.frames_in} frames were answered, fewer than {LEAST_ANSWERED:.0%}"


def broken(counts, ledger, taught, shipped, wanted_shipped):
    """Promises that did not hold, in words."""
    errors = []
    if counts.frames_in == 0:
        errors.append("no frame was published")
    if counts.foreign_headers:
        errors.append(f"{counts.foreign_headers} answers had a header that is no frame's")
    if counts.repeated:
        errors.append(f"{counts.repeated} frames were answered twice")
    if counts.frames_published and not counts.faces_published:
        errors.append("no face was seen")
    if len(shipped) < wanted_shipped:
        errors.append(f"the model ships {len(shipped)} tasks, not {wanted_shipped}")
    for task in shipped:
        if task not in ledger.tasks:
            errors.append(f"no face has an estimate of {task}")
    name = taught["name"]
    if taught["seconds_training"] is None:
        errors.append(f"{name} was not taught")
    elif taught["seconds_to_first_live_label"] is None:
        errors.append(f"no face was given a label of {name}")
    if taught["seconds_training"] is not None and not taught["promise_kept"]:
        errors.append("the answers of earlier columns changed")
    return errors


def told(report):
    """The summary in a few lines for people."""
    taught, node = report["taught"], report["node"]
    share = report["frames_published"] / report["frames_in"] if report["frames_in"] else 0.0

    def number(value, unit, digits=1):
        return "not measured" if value is None else f"{value:.{digits}f}{unit}"

    lines = [
        f"frames   {report['frames_published']} of {report['frames_in']} answered ({share:.0%}), "
        f"{report['faces_published']} faces",
        f"tasks    {', '.join(report['tasks']) or 'none'}",
        f"rate     one face's attributes {number(report['attribute_rate_hz'], ' Hz')}, "
        f"while training {number(report['attribute_rate_training_hz'], ' Hz')}",
    ]
    if taught["seconds_training"] is not None:
        accuracy = taught["validation_accuracy"]
        lines.append(
            f"taught   {taught['name']} from {taught['samples']} crops in {number(taught['seconds_training'], ' s')}, "
            f"live after {number(taught['seconds_to_first_live_label'], ' s')}, "
            f"{'accuracy not measured' if accuracy is None else f'{accuracy:.0%} of held-back crops right'}, "
            f"earlier columns {'answer as before' if taught['promise_kept'] else 'CHANGED'}"
        )
    share = node["processor_share"]
    got = "" if share is None else f", ran in {share:.0%} of the time that it wanted to"
    for person in report["people"]:
        called = ", ".join(f"{label} {count}" for label, count in person["called"].items())
        lines.append(f"person   {person['who']} is {person['label']}: called {called or 'nothing'}")
    lines.append(f"node     {number(node['peak_rss_mb'], ' MB', 0)} at most, {number(node['cpu_percent'], ' % CPU', 0)}{got}")
    return lines
