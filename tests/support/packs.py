"""Packs of a few made-up faces, in the form of docs/facelab.md."""

import io
import tarfile

import numpy as np
from PIL import Image

AGES = ["0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+"]
EMOTIONS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]


def pack(folder, columns, rows):
    """A pack of a few made-up faces; `rows` are the labels of each."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(3)
    table = [",".join(["file", "split", *columns])]
    with tarfile.open(folder / "faces.tar", "w") as archive:
        for at, labels in enumerate(rows):
            name = f"{at:02}.jpg"
            table.append(",".join([name, "val" if at % 4 == 3 else "train", *labels]))
            picture = np.kron(noise.integers(40, 220, (16, 16), dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))
            data = io.BytesIO()
            Image.fromarray(picture).save(data, "JPEG")
            entry = tarfile.TarInfo(name)
            entry.size = len(data.getvalue())
            archive.addfile(entry, io.BytesIO(data.getvalue()))
    (folder / "labels.csv").write_text("\n".join(table) + "\n")
    # A teacher's descriptors of them: the model that ships has learned some, and goes on with them.
    described = np.random.default_rng(0).standard_normal((len(rows), 128)).astype("<f2")
    (folder / "labels.dlib128.f16").write_bytes(described.tobytes())


def training_packs(folder):
    """Those that the model that ships was trained on, as far as their columns and labels go."""
    pack(folder / "fairface", ["gender", "age9"], [("FM"[at % 2], AGES[at // 4]) for at in range(36)])
    pack(folder / "ferplus", ["emotion"], [(EMOTIONS[at // 4],) for at in range(32)])
