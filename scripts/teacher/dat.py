"""Reads parameters out of a network file of dlib.

A whole number is a control byte (low bits: how many bytes follow; high bit: negative) and its bytes, low byte first. This is
called packed here. A name is its length (packed) and its letters. A tensor is the number 2 and four dimensions (packed), and
plain 32-bit floats.
"""

import numpy as np

TENSOR_VERSION = 2


class DatError(ValueError):
    """The file is not what it should be."""


def packed(value):
    """A whole number as dlib writes it."""
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


class Dat:
    """The bytes of a file, and how far they have been read."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise DatError(f"the file ends at byte {len(self.data)}, in the middle of a value")
        self.at += size
        return self.data[self.at - size : self.at]

    def integer(self):
        control = self.take(1)[0]
        size = control & 0x0F
        if not 1 <= size <= 8 or control & 0x70:
            raise DatError(f"no packed number at byte {self.at - 1}")
        value = int.from_bytes(self.take(size), "little")
        return -value if control & 0x80 else value

    def tensor(self):
        start, version = self.at, self.integer()
        shape = [self.integer() for _ in range(4)]
        if version != TENSOR_VERSION or min(shape) < 0:
            raise DatError(f"no tensor of version {TENSOR_VERSION} at byte {start}")
        size = int(np.prod(shape, dtype=object))
        return np.frombuffer(self.take(4 * size), "<f4").reshape(shape)

    def layer(self, name, size, before=()):
        """All parameters of the next layer of that name; they must be so many. `before`: the numbers ahead of its tensor."""
        # The tensor of the layer before has been read to its end, so the name is never found among its numbers.
        word = packed(len(name)) + name.encode("ascii")
        found = self.data.find(word, self.at)
        if found < 0:
            raise DatError(f"no layer '{name}' after byte {self.at}")
        self.at = found + len(word)
        numbers = tuple(self.integer() for _ in before)
        if numbers != tuple(before):
            raise DatError(f"layer '{name}' at byte {found} begins with {numbers} instead of {tuple(before)}")
        values = self.tensor().ravel()
        if values.size != size:
            raise DatError(f"layer '{name}' at byte {found} has {values.size} parameters instead of {size}")
        return values
