"""Faces of a data pack, and what the teacher sees of them."""

import csv
import io
import tarfile

import numpy as np
from PIL import Image

# Side of a face in our packs, of a tile on a sheet of FER+, and of what the teacher takes.
FACE, TILE, CROP = 128, 48, 150
# How faces of our packs lie in the teacher's picture: enlarged so much, with this point (x, y) here.
SCALE, FROM, TO = 1.109, (64.0, 49.3), (74.0, 47.1)


class PackError(Exception):
    """The pack cannot be used."""


def resize_weights(size, wanted):
    """Catmull-Rom weights, one row a new pixel: the same as those of facelab's data loader (Rust's image crate)."""
    ratio = size / wanted
    wide = max(ratio, 1.0)
    middle = (np.arange(wanted) + 0.5) * ratio
    at = np.arange(size)
    first = np.clip(np.floor(middle - 2 * wide), 0, size - 1)[:, None]
    behind = np.clip(np.ceil(middle + 2 * wide)[:, None], first + 1, size)
    far = np.abs(at - (middle - 0.5)[:, None]) / wide
    near, outer = 1.5 * far**3 - 2.5 * far**2 + 1, -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
    weights = np.where(far < 1, near, np.where(far < 2, outer, 0.0)) * ((at >= first) & (at < behind))
    return weights / weights.sum(1, keepdims=True)


def to_face(grey):
    """A grey picture as a face of 128x128 pixels."""
    if grey.shape == (FACE, FACE):
        return grey
    rows, columns = resize_weights(grey.shape[0], FACE), resize_weights(grey.shape[1], FACE)
    return np.clip(np.round(rows @ grey @ columns.T), 0, 255).astype(np.uint8)


def samples(source, target):
    """Of each pixel along one axis of the teacher's picture: the face's pixel before it, and the share of the next one."""
    at = np.clip((np.arange(CROP) - target) / SCALE + source, 0, FACE - 1)
    low = np.minimum(at.astype(int), FACE - 2)
    return low, (at - low).astype(np.float32)


def crop(faces):
    """What the teacher sees of faces (n, 128, 128): (n, 150, 150), bilinear, in whole grey values.

    Beyond the border the last pixel goes on.
    """
    picture = np.asarray(faces, np.float32)
    for axis, at in ((2, 0), (1, 1)):
        low, share = samples(FROM[at], TO[at])
        before, behind = np.take(picture, low, axis), np.take(picture, low + 1, axis)
        picture = before + (behind - before) * (share if axis == 2 else share[:, None])
    return np.round(picture)


class Table:
    """A table of a pack: where the picture of each row is."""

    def __init__(self, path):
        self.path = path
        try:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                columns = reader.fieldnames or []
                rows = list(reader)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise PackError(f"{path} cannot be read: {error}") from error
        if not rows:
            raise PackError(f"{path} has no rows")
        needed = ("sheet", "row", "col") if "sheet" in columns else ("file",)
        for name in needed:
            if name not in columns:
                raise PackError(f"{path} has no column '{name}'; it has: {', '.join(columns)}")
        try:
            if len(needed) == 1:
                self.keys = [row["file"] for row in rows]
            else:
                self.keys = [(row["sheet"], int(row["row"]), int(row["col"])) for row in rows]
        except (TypeError, ValueError) as error:
            raise PackError(f"{path}: 'row' and 'col' of every row must be numbers ({error})") from error

    @property
    def targets(self):
        """Name of the file with a descriptor for each row."""
        return f"{self.path.stem}.dlib128.f16"


def tables(folder):
    """`labels.csv` and every `labels_*.csv` of a pack."""
    first = folder / "labels.csv"
    if not first.is_file():
        raise PackError(f"{folder} is no data pack: there is no labels.csv in it")
    return [Table(path) for path in (first, *sorted(folder.glob("labels_*.csv")))]


def grey(source, name):
    try:
        with Image.open(source) as picture:
            return np.asarray(picture.convert("L"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise PackError(f"{name} cannot be read as a picture: {error}") from error


class Pictures:
    """The pictures of a pack, in tar archives or on sheets. They are read when they are asked for."""

    def __init__(self, folder):
        self.folder, self.members, self.sheets = folder, {}, {}
        for path in sorted(folder.glob("*.tar")):
            try:
                # Stays open: faces are read from it.
                archive = tarfile.open(path, "r:")
                self.members.update((member.name, (archive, member)) for member in archive if member.isfile())
            except (OSError, tarfile.TarError) as error:
                raise PackError(f"{path} cannot be read: {error}") from error

    def sheet(self, name):
        if name not in self.sheets:
            self.sheets[name] = grey(self.folder / name, self.folder / name)
        return self.sheets[name]

    def require(self, table):
        """Fails when a row's picture is missing, before time is spent on the others."""
        for number, key in enumerate(table.keys, 1):
            if isinstance(key, str):
                if key not in self.members:
                    raise PackError(f"{table.path}, row {number}: '{key}' is in no archive of {self.folder}")
                continue
            height, width = self.sheet(key[0]).shape
            if not (0 <= key[1] < height // TILE and 0 <= key[2] < width // TILE):
                raise PackError(f"{table.path}, row {number}: tile ({key[1]}, {key[2]}) is not on {key[0]}")

    def face(self, key):
        """The face of a row, 128x128 grey values."""
        if not isinstance(key, str):
            y, x = key[1] * TILE, key[2] * TILE
            return to_face(self.sheet(key[0])[y : y + TILE, x : x + TILE])
        archive, member = self.members[key]
        try:
            data = archive.extractfile(member).read()
        except (OSError, tarfile.TarError) as error:
            raise PackError(f"{archive.name}: {key} cannot be read: {error}") from error
        return to_face(grey(io.BytesIO(data), f"{archive.name}: {key}"))
