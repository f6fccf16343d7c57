"""Weights and inputs that `facelab bench-step --prepare` wrote, as numpy arrays."""

import json
import struct
from pathlib import Path

import numpy as np
import yaml

SIDES = (16, 16, 8, 4)
STRIDED = (2, 5, 9)


def safetensors(path):
    """All tensors of a file by name, as f32."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, start = json.loads(data[8 : 8 + length]), 8 + length
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        kind = {"F32": "<f4", "F16": "<f2"}.get(entry["dtype"])
        if kind is None:
            raise ValueError(f"{path}: {name} is {entry['dtype']}, neither F32 nor F16")
        first, last = entry["data_offsets"]
        values = np.frombuffer(data[start + first : start + last], dtype=kind)
        tensors[name] = values.reshape(entry["shape"]).astype(np.float32)
    return tensors


def oihw(weight):
    """`[K, K, Ci, Co]` to `[Co, Ci, K, K]`."""
    return np.ascontiguousarray(weight.transpose(3, 2, 0, 1))


def flat_rows(weight, side=4):
    """Rows of a dense layer that reads `[side, side, C]`, reordered for `[C, side, side]`; then `[Out, In]`."""
    rows, out = weight.shape
    channels = rows // (side * side)
    moved = weight.reshape(side, side, channels, out).transpose(2, 0, 1, 3).reshape(rows, out)
    return np.ascontiguousarray(moved.T)


def model(work):
    """Encoder tensors, and (sources, tensors) of each column in order."""
    folder = Path(work) / "model"
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    names = [column["name"] for column in manifest["columns"]]
    columns = []
    for column in manifest["columns"]:
        sources = [names.index(source["name"]) for source in column["sources"]]
        columns.append((sources, safetensors(folder / column["file"])))
    return safetensors(folder / manifest["encoder"]["file"]), columns


def faces(work, count):
    """`[N, 1, 128, 128]` in -1..1."""
    raw = np.fromfile(Path(work) / "faces.u8", dtype=np.uint8, count=count * 128 * 128)
    return raw.reshape(count, 1, 128, 128).astype(np.float32) / np.float32(127.5) - np.float32(1)


def floats(work, name, shape):
    return np.fromfile(Path(work) / name, dtype="<f4", count=int(np.prod(shape))).reshape(shape)


def codes(work, count):
    """What the generator draws from."""
    return floats(work, "codes.f32", (count, 128))


def nchw(x):
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def column_inputs(work, count):
    """Features and the source's block outputs, NCHW."""
    sources = [nchw(floats(work, f"source.{at}.f32", (count, side, side, 256))) for at, side in enumerate(SIDES)]
    return nchw(floats(work, "features.f32", (count, 16, 16, 256))), sources
