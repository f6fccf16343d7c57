"""Writes descriptors of a pack's rows, or compares them with those in a file."""

import os
import sys
import time

import numpy as np

from .faces import crop

# Numbers of a descriptor.
WIDTH = 128
# Faces that go through the network together.
BATCH = 8
# Agreement (cosine) that is enough.
ENOUGH = 0.99
# Letters of the progress bar.
BAR = 30


class TargetsError(Exception):
    """Descriptors cannot be written or compared."""


class Progress:
    """A bar on a terminal; elsewhere a line for each tenth."""

    def __init__(self, name, total, quiet=False, stream=None):
        self.name, self.total, self.quiet, self.stream = name, total, quiet, stream or sys.stderr
        self.began, self.shown, self.tenth = time.monotonic(), 0.0, 0

    def at(self, done):
        if self.quiet:
            return
        now = time.monotonic()
        seconds, share = now - self.began, done / self.total
        left = seconds / share - seconds if done else 0.0
        text = f"{self.name}: {done}/{self.total} faces, {seconds:.0f} s, {left:.0f} s left"
        if self.stream.isatty():
            if now - self.shown > 0.2 or done == self.total:
                self.shown = now
                filled = int(share * BAR)
                end = "\n" if done == self.total else ""
                print(f"\r[{'#' * filled}{'.' * (BAR - filled)}] {text}\x1b[K", end=end, file=self.stream, flush=True)
        elif int(share * 10) > self.tenth:
            self.tenth = int(share * 10)
            print(text, file=self.stream, flush=True)


def describe(network, faces, mirror_mean=False):
    """Descriptors of faces (n, 128, 128); with `mirror_mean` the mean of a face's and of its mirror image's."""
    if not mirror_mean:
        return network(crop(faces))
    return (network(crop(faces)) + network(crop(faces[:, :, ::-1]))) / 2


def described(network, pictures, keys, mirror_mean, progress):
    """Descriptors of the faces with these keys, some at a time."""
    for begin in range(0, len(keys), BATCH):
        faces = np.stack([pictures.face(key) for key in keys[begin : begin + BATCH]])
        values = describe(network, faces, mirror_mean)
        if not np.isfinite(values).all():
            raise TargetsError("the network gave a value that is not a number")
        yield values
        progress.at(begin + len(faces))


def require_writable(folder):
    """Makes the folder where it is missing. A folder that nobody may write to is refused for root, too."""
    what_to_do = "choose another folder with --out"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        allowed = folder.stat().st_mode & 0o222 and os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise TargetsError(f"cannot write to {folder} ({error.strerror}): {what_to_do}") from error
    if not allowed:
        raise TargetsError(f"cannot write to {folder}: {what_to_do}")


def write(network, pictures, table, path, mirror_mean, progress):
    """Writes the file whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            for values in described(network, pictures, table.keys, mirror_mean, progress):
                file.write(values.astype("<f2").tobytes())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise TargetsError(f"{path} could not be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def compare(network, pictures, table, path, rows, mirror_mean, progress):
    """Cosines between the file's descriptors and new ones, for so many rows spread evenly over the table."""
    try:
        stored = np.fromfile(path, "<f2")
    except OSError as error:
        raise TargetsError(f"{path} cannot be read: {error.strerror}") from error
    if path.stat().st_size != len(table.keys) * WIDTH * 2:
        wanted = f"{table.path} has {len(table.keys)} rows, which are {len(table.keys) * WIDTH * 2}"
        raise TargetsError(f"{path} has {path.stat().st_size} bytes; {wanted}")
    chosen = np.unique(np.linspace(0, len(table.keys) - 1, rows).round().astype(int))
    theirs = stored.reshape(-1, WIDTH)[chosen].astype(np.float64)
    progress.total = len(chosen)
    ours = np.concatenate(list(described(network, pictures, [table.keys[at] for at in chosen], mirror_mean, progress)))
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = (ours * theirs).sum(1) / lengths
    # A row of zeros, or of what is no number, agrees with nothing.
    return np.where(np.isfinite(cosines), cosines, -1.0)
