"""Pictures of so many faces in any size, made of recorded video: a face that moves and changes, tiled."""

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

# Frames that are shown in turn, fewer where they are large: together at most so many bytes.
FRAMES, MOST_BYTES = 40, 400 << 20
QUALITY = 90


def film(path, frames):
    """Frames of a video, at most so many."""
    reader = cv2.VideoCapture(str(path))
    shown = []
    while len(shown) < frames:
        going, frame = reader.read()
        if not going:
            break
        shown.append(frame)
    if not shown:
        raise SystemExit(f"{path}: no frame could be read")
    return shown


def grid(width, height, count):
    """Columns and rows of the cells that hold so many faces, as square as they come."""
    columns = min(range(1, count + 1), key=lambda columns: abs(width / columns - height / -(-count // columns)))
    return columns, -(-count // columns)


def tiled(frame, width, height, count):
    """The frame in as many cells of a grey picture as there are faces."""
    picture = np.full((height, width, 3), 96, np.uint8)
    if not count:
        return picture
    columns, rows = grid(width, height, count)
    cell_width, cell_height = width // columns, height // rows
    scale = min(cell_width / frame.shape[1], cell_height / frame.shape[0])
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:cell_height, :cell_width]
    for at in range(count):
        left, top = at % columns * cell_width, at // columns * cell_height
        picture[top : top + small.shape[0], left : left + small.shape[1]] = small
    return picture


def messages(frames, size, count, transport):
    """As a camera would publish them; stamps are filled in later."""
    width, height = size
    most = max(2, MOST_BYTES // (width * height * 3))
    return [message(tiled(frame, width, height, count), transport) for frame in frames[:most]]


def message(picture, transport):
    if transport == "jpeg":
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return CompressedImage(format="jpeg", data=data.tobytes())
    height, width = picture.shape[:2]
    return Image(height=height, width=width, step=width * 3, encoding="bgr8", data=picture.tobytes())
