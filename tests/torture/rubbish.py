"""What callers and cameras may send that no honest one does: random, and the same for the same seed."""

import array
import io
import random

import numpy as np
from face_attributes.msg import Sample
from face_attributes.srv import (
    AddSamples,
    AddTask,
    CancelTraining,
    CaptureSamples,
    ExportTask,
    ForgetSamples,
    ImportTask,
    ListTasks,
    RemoveTask,
)
from PIL import Image as Picture
from sensor_msgs.msg import CompressedImage, Image

NAMES = ["posture", "mood", "gaze", "", "A", "../../etc", "a" * 64, "a" * 10_000, "nul\u0001", "emotion", "näme", "- [", "*"]
LABELS = ["above", "below", "", " ", "a" * 5_000, "../x", "{", "ÿ", "zero\u200bwidth", "above\n"]
FOLDERS = ["", ".", "..", "/", "/etc/passwd", "/proc/self/mem", "/dev/zero", "a" * 5_000, "x", "x/y/z", "~", "$HOME"]
ENCODINGS = ["mono8", "bgr8", "rgb8", "bgra8", "yuv422_yuy2", "bayer_rggb8", "16UC1", "32FC3", "mono16", "", "nonsense", "8UC1"]
FLOATS = [0.0, -1.0, 0.2, 1e9, float("nan"), float("inf"), float("-inf"), 1e-40]
COUNTS = [0, 1, 3, 200, 201, 2**31, 2**32 - 1]
# Of a picture's sides; the product is what memory could be taken for.
SIDES = [0, 1, 2, 3, 127, 128, 129, 640, 65_535, 2**31, 2**32 - 1]


def _bytes(rng, count):
    return array.array("B", rng.randbytes(count))


def image(rng):
    """A picture whose fields need not fit each other."""
    if rng.random() < 0.3:
        return Image(encoding="mono8", width=128, height=128, step=128, data=_bytes(rng, 128 * 128))
    width, height = rng.choice(SIDES), rng.choice(SIDES)
    step = rng.choice([0, 1, width, min(width * 3, 2**32 - 1), 2**32 - 1])
    data = _bytes(rng, rng.choice([0, 1, 100, 5_000]))
    return Image(encoding=rng.choice(ENCODINGS), width=width, height=height, step=step, data=data)


def encoded(rng):
    """A JPEG or PNG file: whole, cut off, with flipped bytes, or of something else."""
    sides = rng.choice([(16, 16), (64, 48), (300, 1), (1, 300)])
    pixels = np.frombuffer(rng.randbytes(sides[0] * sides[1] * 3), np.uint8).reshape(sides[1], sides[0], 3)
    file = io.BytesIO()
    Picture.fromarray(pixels).save(file, rng.choice(["JPEG", "PNG"]))
    data = bytearray(file.getvalue())
    for _ in range(rng.choice([0, 0, 1, 10])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    data = data[: rng.choice([len(data), len(data) // 2, 4])]
    if rng.random() < 0.2:
        data = bytearray(rng.randbytes(200))
    form = rng.choice(["jpeg", "png", "bgr8; jpeg compressed bgr8", "", "webp", "nonsense" * 100])
    return CompressedImage(format=form, data=array.array("B", bytes(data)))


def sample(rng):
    """A sample with a picture, another one, both or none."""
    what = Sample(label=rng.choice(LABELS), is_crop=rng.random() < 0.5)
    if rng.random() < 0.7:
        what.image = image(rng)
    if rng.random() < 0.4:
        what.compressed = encoded(rng)
    return what


def call(rng):
    """A service, its name, and what it is asked."""
    name, label, folder = rng.choice(NAMES), rng.choice(LABELS), rng.choice(FOLDERS)
    flag = lambda: rng.random() < 0.5  # noqa: E731
    samples = [sample(rng) for _ in range(rng.choice([0, 1, 2, 5]))]
    labels = [rng.choice(LABELS) for _ in range(rng.choice([0, 1, 2, 2, 3, 50]))]
    teaching = {
        "name": name,
        "kind": rng.choice([0, 0, 1, 255]),
        "labels": labels,
        "samples": samples,
        "sources": [rng.choice(NAMES) for _ in range(rng.choice([0, 0, 1, 3]))],
        "no_sources": flag(),
        "transferable": flag(),
        "retrain": flag(),
        "epochs": rng.choice([0, 0, 1, 2**32 - 1]),
        "wait": False,
    }
    asked = [
        (AddTask, "add_task", teaching),
        (AddSamples, "add_samples", {"name": name, "samples": samples}),
        (CancelTraining, "cancel_training", {"name": name}),
        (ExportTask, "export_task", {"name": name, "directory": folder, "with_samples": flag()}),
        (ForgetSamples, "forget_samples", {"name": name, "label": label}),
        (ImportTask, "import_task", {"name": name, "directory": folder}),
        (ListTasks, "list_tasks", {}),
        (RemoveTask, "remove_task", {"name": name, "cascade": flag(), "keep_as_source": flag(), "keep_samples": flag()}),
    ]
    # A capture may wait for a minute, as it is told: only those that are refused, or short.
    seconds = rng.choice([seconds for seconds in FLOATS if seconds != 0.0])
    capture = {"name": name, "label": label, "track_id": rng.choice(["largest", "", "abcde", "zzzzzz"])}
    asked.append((CaptureSamples, "capture_samples", capture | {"count": rng.choice(COUNTS), "seconds": seconds}))
    return rng.choice(asked)


def source(seed):
    return random.Random(seed)
