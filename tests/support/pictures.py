"""Pictures as cameras send them. Frames are arrays `[height, width, 3]` of bytes: blue, green, red."""

import array
import io

import numpy as np
from PIL import Image as Picture
from sensor_msgs.msg import CompressedImage, Image


def read(path, size=None):
    """A file as a frame; `size` is (width, height)."""
    with Picture.open(path) as picture:
        picture = picture.convert("RGB")
        if size:
            picture = picture.resize(size, Picture.Resampling.BOX)
        return np.asarray(picture)[:, :, ::-1]


def resized(frame, size):
    """`size` is (width, height)."""
    picture = Picture.fromarray(np.ascontiguousarray(frame[:, :, ::-1]))
    return np.ascontiguousarray(np.asarray(picture.resize(size, Picture.Resampling.BICUBIC))[:, :, ::-1])


def _image(encoding, rows):
    """`rows` is `[height, bytes of a row]`."""
    return Image(encoding=encoding, height=rows.shape[0], step=rows.shape[1], data=array.array("B", rows.tobytes()))


def bgr8(frame):
    height, width, _ = frame.shape
    message = _image("bgr8", frame.reshape(height, width * 3))
    message.width = width
    return message


def mono8(frame):
    grey = np.asarray(Picture.fromarray(np.ascontiguousarray(frame[:, :, ::-1])).convert("L"))
    message = _image("mono8", grey)
    message.width = grey.shape[1]
    return message


def yuyv(frame):
    """BT.601, video range; colour at half the width."""
    blue, green, red = (frame[:, :, channel].astype(np.float32) for channel in range(3))
    luma = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    cb = 128 + (-37.797 * red - 74.203 * green + 112.0 * blue) / 255
    cr = 128 + (112.0 * red - 93.786 * green - 18.214 * blue) / 255
    height, width = luma.shape
    packed = np.empty((height, width // 2, 4), np.float32)
    packed[:, :, 0], packed[:, :, 2] = luma[:, 0::2], luma[:, 1::2]
    packed[:, :, 1] = (cb[:, 0::2] + cb[:, 1::2]) / 2
    packed[:, :, 3] = (cr[:, 0::2] + cr[:, 1::2]) / 2
    message = _image("yuv422_yuy2", packed.round().astype(np.uint8).reshape(height, width * 2))
    message.width = width
    return message


def bayer_rggb8(frame):
    mosaic = frame[:, :, 1].copy()
    mosaic[0::2, 0::2] = frame[0::2, 0::2, 2]
    mosaic[1::2, 1::2] = frame[1::2, 1::2, 0]
    message = _image("bayer_rggb8", mosaic)
    message.width = mosaic.shape[1]
    return message


def file_bytes(frame, kind, **options):
    """The frame as the bytes of a JPEG or PNG file."""
    buffer = io.BytesIO()
    Picture.fromarray(np.ascontiguousarray(frame[:, :, ::-1])).save(buffer, kind, **options)
    return buffer.getvalue()


def compressed(data, kind="jpeg"):
    return CompressedImage(format=kind, data=array.array("B", data))


def jpeg(frame):
    return compressed(file_bytes(frame, "JPEG", quality=95))


def png(frame):
    return compressed(file_bytes(frame, "PNG"), "png")


def frame_of(message):
    """A received bgr8 picture as a frame of its own."""
    assert message.encoding == "bgr8" and message.step == 3 * message.width
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3).copy()
