"""Which source a face is of and how far that source is, from what `image_stream --starts` tells. Pure: no ROS."""

import bisect
import json
from dataclasses import dataclass, field
from pathlib import PurePath

from .ledger import SECOND


@dataclass
class Source:
    """One video in its cell of the picture."""

    name: str  # of the file, without its folder
    cell: tuple  # x, y, width, height, pixels
    starts: list = field(default_factory=list)  # stamps of its first frame, ns, in order

    def shows(self, x, y):
        left, top, width, height = self.cell
        return left <= x < left + width and top <= y < top + height

    def position_s(self, stamp):
        """Seconds from its last start to this stamp; None before the first."""
        at = bisect.bisect_right(self.starts, stamp)
        return (stamp - self.starts[at - 1]) / SECOND if at else None


class Sources:
    """All that image_stream shows."""

    def __init__(self):
        self.shown = {}

    def hear(self, line):
        """A line of its output; others than those of `--starts` are none of ours."""
        try:
            told = json.loads(line)
            name, cell, stamp = PurePath(told["source"]).name, tuple(told["cell"]), round(told["stamp"] * SECOND)
        except (ValueError, KeyError, TypeError):
            return
        # The same file twice is two sources.
        self.shown.setdefault((name, cell), Source(name, cell)).starts.append(stamp)

    def at(self, x, y):
        """The source whose cell holds the point, or None."""
        return next((source for source in self.shown.values() if source.shows(x, y)), None)

    def several(self):
        return len(self.shown) > 1
