"""What tests teach, when it need not be people: crops that are bright above or bright below."""

import array

import numpy as np
from face_attributes.msg import Sample
from sensor_msgs.msg import Image

SIDE = 128
LABELS = ["above", "below"]
# Of each label: with so many, an epoch takes long enough to be watched, and early stopping is many epochs away.
MANY = 60


def crop(label, number):
    """One crop; each number gives another."""
    noise = np.random.default_rng(number).integers(0, 60, (SIDE, SIDE))
    half = np.zeros((SIDE, SIDE), np.int64)
    half[: SIDE // 2] = 150
    pixels = (half if label == LABELS[0] else half[::-1]) + noise
    data = array.array("B", pixels.astype(np.uint8).tobytes())
    return Image(encoding="mono8", width=SIDE, height=SIDE, step=SIDE, data=data)


def crops(count, labels=LABELS):
    """So many samples of each label."""
    return [Sample(label=label, image=crop(label, number), is_crop=True) for number in range(count) for label in labels]


def quick(name, **fields):
    """A request that is trained in a moment."""
    return {"name": name, "labels": LABELS, "samples": crops(6), "epochs": 2, "no_sources": True} | fields


def endless(name, **fields):
    """A request whose training does not end before somebody ends it."""
    return {"name": name, "labels": LABELS, "samples": crops(MANY), "epochs": 1000} | fields
