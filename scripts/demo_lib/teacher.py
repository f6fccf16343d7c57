"""Teaches a task by the node's services while it runs: two people in view become two labels."""

import time

from face_attributes.srv import AddTask, CaptureSamples

from .summary import rounded, taught_record
from .table import bar

TASK = "who"
LABELS = ("alex", "robin")
# Nothing is taught before, so that the table shows what ships first.
WATCH_S = 5.0
STABLE_S = 2.0
COUNT, SECONDS = 10, 4.0
LEAST = 6
ATTEMPTS = 5
# Far more than people need; a training that hangs ends.
TIME_BUDGET_S = 45.0
# Shown live for so long before the demo may end.
SHOW_S = 4.0


class Teacher:
    """Called again and again; each call moves on when it can. Never waits."""

    def __init__(self, watch, started, recognises):
        """`recognises`: the model has a face descriptor and a cohort of strangers."""
        self.watch, self.started, self.recognises = watch, started, recognises
        self.capture = watch.create_client(CaptureSamples, "capture_samples")
        self.add_task = watch.create_client(AddTask, "add_task")
        self.record = taught_record(TASK)
        self.attempts = 0
        self.people, self.pending, self.training = [], [], None
        self.asked = self.live_since = None
        self.problem = None
        self.last_refusal = None
        self.said = []  # lines to be told once
        self.step = self.wait_for_people

    def done(self, now):
        """Nothing more will come."""
        return self.problem is not None or (self.live_since is not None and now - self.live_since >= SHOW_S)

    def problems(self):
        return [self.problem] if self.problem else []

    def poll(self):
        """Moves on; returns the status line."""
        if self.problem:
            return f"not taught: {self.problem}"
        return self.step()

    def wait_for_people(self):
        now = time.monotonic()
        self.people = self.watch.ledger.stable(STABLE_S)
        if now - self.started < WATCH_S:
            return f"teaching `{TASK}` in a moment"
        if len(self.people) < 2 or not self.services():
            return f"waiting for two people to teach `{TASK}` with ({len(self.people)} in view)"
        # The outermost: whoever is between them is a stranger to the task.
        seen, self.people = self.people, [self.people[0].track_id, self.people[-1].track_id]
        self.watch.people.teach(seen, dict(zip(self.people, LABELS)))
        self.attempts += 1
        self.pending = [
            (label, track, self.capture.call_async(request(label, track)))
            for label, track in zip(LABELS, self.people)
        ]
        who = " and ".join(f"{track} is `{label}`" for label, track in zip(LABELS, self.people))
        self.said.append(f"capture_samples: {who}, {COUNT} crops of each in {SECONDS:.0f} s")
        self.step = self.wait_for_samples
        return "capturing"

    def services(self):
        return self.capture.service_is_ready() and self.add_task.service_is_ready()

    def wait_for_samples(self):
        if not all(future.done() for _, _, future in self.pending):
            return f"capturing faces of {' and '.join(self.people)}"
        samples, refused = dict(self.record["samples_per_label"]), []
        for _, track, future in self.pending:
            reply = future.result()
            if reply.success:
                samples.update(zip(reply.labels, reply.samples))
            else:
                refused.append(f"{track}: {reply.message}")
        self.record = taught_record(TASK, samples)
        if any(samples.get(label, 0) < LEAST for label in LABELS):
            # Somebody left; the crops so far are of the same people only if the tracks are.
            self.last_refusal = "; ".join(refused) or f"too few crops: {samples}"
            if self.attempts >= ATTEMPTS:
                self.problem = f"capture_samples brought too little: {self.last_refusal}"
            self.step = self.wait_for_people
            return "trying again"
        self.asked = time.monotonic()
        # Without a descriptor, a task of any kind; a name is no property of a face that others could learn from.
        how = {"kind": AddTask.Request.IDENTITY} if self.recognises else {"no_sources": True, "transferable": False}
        self.training = self.add_task.call_async(AddTask.Request(name=TASK, labels=list(LABELS), wait=True, **how))
        self.watch.ledger.phase = "training"
        counts = ", ".join(f"{samples[label]} of `{label}`" for label in LABELS)
        self.said.append(f"add_task: `{TASK}` from {counts}; it trains in the background")
        self.step = self.wait_for_training
        return "training"

    def wait_for_training(self):
        if not self.training.done():
            task = self.watch.tasks.get(TASK)
            if task is None or task.state != task.TRAINING:
                return f"`{TASK}` waits for its training"
            if task.loss == 0.0:
                return f"training `{TASK}`: the encoder looks at the samples"
            return (
                f"training `{TASK}` {bar(task.progress)} epoch {task.epoch}/{task.epochs}, loss {task.loss:.3f}, "
                f"{task.eta:.0f} s left at most"
            )
        self.watch.ledger.phase = "watching"
        reply = self.training.result()
        if not reply.success:
            self.problem = f"add_task: {reply.message}"
            return self.problem
        self.record |= {
            "seconds_training": rounded(reply.training_seconds, 1),
            "validation_accuracy": rounded(reply.accuracy),
            "promise_kept": reply.promise_kept,
        }
        self.said.append(reply.message)
        self.said.append(
            "every earlier column answers bit for bit as before" if reply.promise_kept else "EARLIER COLUMNS CHANGED"
        )
        self.step = self.wait_for_label
        return "trained"

    def wait_for_label(self):
        if TASK in self.watch.ledger.labels:
            now = time.monotonic()
            self.live_since = now
            self.watch.people.live = True
            self.record["seconds_to_first_live_label"] = rounded(now - self.asked, 1)
            self.step = self.show
        return f"`{TASK}` is trained; its column comes with the next look at each face"

    def show(self):
        accuracy = self.record["validation_accuracy"]
        share = "" if accuracy is None else f", {accuracy:.0%} of held-back crops right"
        return f"`{TASK}` was taught in {self.record['seconds_training']} s{share}"


def request(label, track):
    return CaptureSamples.Request(name=TASK, label=label, track_id=track, count=COUNT, seconds=SECONDS)
