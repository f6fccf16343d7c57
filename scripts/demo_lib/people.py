"""What a person would see: whether each face is called by its own name, and what is said of a covered mouth. No ROS.

With several videos a person is the video: a track that is lost there is the same person when it comes back. With one
camera a person is a track, and whoever comes later is not judged.
"""

from collections import Counter
from dataclasses import dataclass, field

# Of the looks at each person after the teaching, as the issue of a study's user would count them.
LEAST_RIGHT = 0.95
# Seconds of videos that scripts/fetch-media brings in which a hand is before the mouth. She cries, and is not happy.
MOUTH_COVERED = {"WolfgangLanger_Pexels.mp4": (2.5, 5.5)}
EMOTION, HAPPY, MOST_HAPPY = "emotion", "happiness", 0.5


@dataclass
class Person:
    """One face, by video or track."""

    name: str
    label: str = ""  # what it was taught as; empty: a stranger
    called: Counter = field(default_factory=Counter)  # label, empty for unknown -> looks

    @property
    def looks(self):
        return self.called.total()

    @property
    def right(self):
        return self.called[self.label]

    def report(self):
        called = {label or "unknown": count for label, count in self.called.most_common()}
        return {"who": self.name, "label": self.label or "unknown", "looks": self.looks, "right": self.right, "called": called}


class People:
    """Counts looks once the taught task is live."""

    def __init__(self, task, sources, promised=True):
        """`promised`: the task is of the kind IDENTITY. Any other may call a stranger by a name, which is counted and no error."""
        self.task, self.sources, self.promised = task, sources, promised
        self.people = {}
        self.live = False
        self.covered, self.covered_happy = 0, 0

    def name_of(self, track):
        if self.sources.several():
            source = self.sources.at(track.x, track.y)
            return source and source.name
        return track.track_id

    def teach(self, tracks, labels):
        """These labels are learned with these tracks; the others of `tracks` are strangers."""
        self.people.clear()
        for track in tracks:
            name = self.name_of(track)
            if name:
                self.people[name] = Person(name, labels.get(track.track_id, ""))

    def look(self, track):
        """The track was judged anew."""
        self.look_at_mouth(track)
        person = self.people.get(self.name_of(track))
        estimate = track.estimates.get(self.task)
        if self.live and person and estimate:
            person.called[estimate.label] += 1

    def look_at_mouth(self, track):
        source, estimate = self.sources.at(track.x, track.y), track.estimates.get(EMOTION)
        if not source or not estimate or source.name not in MOUTH_COVERED:
            return
        begin, end = MOUTH_COVERED[source.name]
        position = source.position_s(estimate.stamp)
        if position is not None and begin <= position <= end:
            self.covered += 1
            self.covered_happy += estimate.label == HAPPY and estimate.probability > MOST_HAPPY

    def report(self):
        return [person.report() for person in self.people.values()]

    def broken(self):
        """What a person would not agree with, in words."""
        errors = []
        for person in self.people.values() if self.promised else ():
            who = f"{person.name}, who was taught as `{person.label}`" if person.label else f"{person.name}, a stranger"
            if self.live and not person.looks:
                errors.append(f"{who}, was not looked at after the teaching")
            elif person.right < LEAST_RIGHT * person.looks:
                called = ", ".join(f"`{label or 'unknown'}` {count}" for label, count in person.called.most_common())
                errors.append(
                    f"{who}, was called so in {person.right} of {person.looks} looks, fewer than {LEAST_RIGHT:.0%} ({called})"
                    if person.label
                    else f"{who}, was `unknown` in {person.right} of {person.looks} looks, fewer than {LEAST_RIGHT:.0%} ({called})"
                )
        if self.covered_happy:
            errors.append(
                f"{self.covered_happy} of {self.covered} looks at a crying face with a covered mouth said `{HAPPY}` above {MOST_HAPPY:.0%}"
            )
        return errors
