"""What was published and what was answered: pure bookkeeping, no ROS. Times are nanoseconds of the frames' stamps."""

from collections import Counter, deque
from dataclasses import dataclass, field

SECOND = 1_000_000_000
# A track that was away for longer is counted anew, so that an absence does not lower its rate.
GAP = SECOND
# The table's rates are those of the last seconds.
LATELY = 5 * SECOND


@dataclass
class Estimate:
    """What one task says of one face."""

    task: str
    label: str  # empty: unknown has the largest share
    probability: float
    unknown: float
    stamp: int


@dataclass
class Track:
    """One face in its newest answer."""

    track_id: str
    x: float  # centre of the face in the picture, pixels
    y: float
    first_seen: int
    seen: int
    estimates: dict = field(default_factory=dict)
    refreshed: int = 0
    refreshes: deque = field(default_factory=lambda: deque(maxlen=512))

    def age_ms(self):
        """How far the newest estimate is behind the frame that carries it."""
        return (self.seen - self.refreshed) / 1e6 if self.refreshed else None

    def rate_hz(self):
        """Refreshes a second, lately; None while there are too few to tell."""
        while self.refreshes and self.refreshes[0] < self.seen - LATELY:
            self.refreshes.popleft()
        if len(self.refreshes) < 2 or self.refreshes[-1] == self.refreshes[0]:
            return None
        return (len(self.refreshes) - 1) * SECOND / (self.refreshes[-1] - self.refreshes[0])


class Ledger:
    """Frames, answers to them, and the faces in the answers."""

    def __init__(self):
        self.frames = {}  # stamp -> frame id, as the camera published it
        self.answers = {}  # stamp -> frame id, as the node answered it
        self.faces = {}  # stamp -> number of faces
        self.repeated = 0
        self.tracks = {}  # id -> Track, of all that were seen
        self.tasks = {}  # task -> stamp of the first answer with an estimate of it
        self.labels = {}  # task -> stamp of the first answer with a label of it
        self.phase = "watching"
        self.seconds = Counter()
        self.refreshes = Counter()

    def frame(self, stamp, frame_id):
        self.frames[stamp] = frame_id

    def answer(self, stamp, frame_id, faces):
        """`faces`: (track id, (x, y) of its centre, [Estimate]). The tracks that were judged anew."""
        looks = []
        self.repeated += stamp in self.answers
        self.answers[stamp] = frame_id
        self.faces[stamp] = len(faces)
        for track_id, (x, y), estimates in faces:
            track = self.tracks.setdefault(track_id, Track(track_id, x, y, stamp, stamp))
            since, track.x, track.y, track.seen = stamp - track.seen, x, y, stamp
            newest = max((estimate.stamp for estimate in estimates), default=0)
            if since > GAP or since < 0:
                track.first_seen = stamp
            elif track.refreshed:
                self.seconds[self.phase] += since / SECOND
                self.refreshes[self.phase] += newest != track.refreshed
            if newest != track.refreshed:
                track.refreshed = newest
                track.refreshes.append(stamp)
                looks.append(track)
            track.estimates = {estimate.task: estimate for estimate in estimates}
            for estimate in estimates:
                self.tasks.setdefault(estimate.task, stamp)
                if estimate.label:
                    self.labels.setdefault(estimate.task, stamp)
        return looks

    def in_view(self):
        """Faces of the newest answer, from left to right."""
        newest = max(self.answers, default=0)
        return sorted((track for track in self.tracks.values() if track.seen == newest), key=lambda track: track.x)

    def stable(self, seconds):
        """Faces in view that have been there for so long and have been judged, from left to right."""
        return [
            track for track in self.in_view() if track.refreshed and track.seen - track.first_seen >= seconds * SECOND
        ]

    def attribute_rate_hz(self, phase="watching"):
        """Refreshes of one face's attributes a second, over all faces; None when nothing was measured."""
        return self.refreshes[phase] / self.seconds[phase] if self.seconds[phase] else None

    def counts(self, until=None):
        """Frames and answers from the first answered frame to the last one that was published before `until`.

        Of answers to frames before the first one heard nothing can be said: the camera may be found two seconds after the
        node that listens to it.
        """
        stamps = [stamp for stamp in self.frames if until is None or stamp <= until]
        first, last = max(min(self.answers, default=0), min(stamps, default=0)), max(stamps, default=-1)
        answered = [stamp for stamp in self.answers if first <= stamp <= last]
        return Counts(
            frames_in=sum(stamp >= first for stamp in stamps) if self.answers else len(stamps),
            frames_published=len(answered),
            faces_published=sum(self.faces[stamp] for stamp in answered),
            foreign_headers=sum(self.frames.get(stamp) != self.answers[stamp] for stamp in answered),
            repeated=self.repeated,
        )


@dataclass
class Counts:
    frames_in: int
    frames_published: int
    faces_published: int
    foreign_headers: int  # answers whose header is that of no frame
    repeated: int  # answers to a frame that had one already
