"""The live table. Redrawn in place on a terminal, else a line every few seconds."""

import shutil
import sys

REDRAW_S = 0.25
LINE_S = 5.0
BAR = 24
# Four tasks fit a terminal of 80 columns.
CELL_WIDTH = 15


def cell(estimate):
    """A label with its probability; what is most probably none of the labels is shown as unknown."""
    if estimate is None:
        return "-"
    label, share = (estimate.label, estimate.probability) if estimate.label else ("unknown", estimate.unknown)
    return f"{label[: CELL_WIDTH - 6]} {share:.2f}"


def rows(tracks, tasks):
    """Heading and one line per face."""
    lines = ["track  age ms   Hz  " + "".join(task[: CELL_WIDTH - 1].ljust(CELL_WIDTH) for task in tasks).rstrip()]
    for track in tracks:
        age, rate = track.age_ms(), track.rate_hz()
        lines.append(
            track.track_id.ljust(7)
            + ("-" if age is None else f"{age:.0f}").rjust(6)
            + ("-" if rate is None else f"{rate:.1f}").rjust(5)
            + "  "
            + "".join(cell(track.estimates.get(task)).ljust(CELL_WIDTH) for task in tasks).rstrip()
        )
    return lines


def bar(share):
    filled = round(BAR * min(max(share, 0.0), 1.0))
    return "█" * filled + "░" * (BAR - filled)


def one_line(tracks, tasks):
    """All faces in one line, for logs."""
    faces = [
        f"{track.track_id}: " + ", ".join(f"{task} {cell(track.estimates[task])}" for task in tasks if task in track.estimates)
        for track in tracks
    ]
    return " | ".join(faces) or "nobody in view"


class Screen:
    """Where the table goes."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self.height = 0
        self.due = 0.0

    def is_due(self, now):
        if now < self.due:
            return False
        self.due = now + (REDRAW_S if self.live else LINE_S)
        return True

    def show(self, head, tracks, tasks, status):
        """`head` and `status` are lines; the faces come between them."""
        if not self.live:
            print(f"{head} | {status} | {one_line(tracks, tasks)}", file=self.stream, flush=True)
            return
        width = shutil.get_terminal_size().columns
        lines = [line[: width - 1] for line in [head, *rows(tracks, tasks), status]]
        up = f"\x1b[{self.height}F" if self.height else ""
        self.stream.write(up + "".join(f"\x1b[2K{line}\n" for line in lines) + "\x1b[J")
        self.stream.flush()
        self.height = len(lines)

    def say(self, line):
        """A line that stays, above the table."""
        if self.live and self.height:
            self.stream.write(f"\x1b[{self.height}F\x1b[J")
            self.height = 0
        print(line, file=self.stream, flush=True)
