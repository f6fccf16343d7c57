"""What the demo hears over ROS."""

import struct

from face_attributes.msg import FaceAttributesArray, TaskArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from .ledger import SECOND, Estimate

NAMESPACE = "/face"


def nanoseconds(stamp):
    return stamp.sec * SECOND + stamp.nanosec


def header(message):
    """Stamp and frame id of a serialised message that begins with its header; the pixels are never looked at."""
    order = "<" if message[1] & 1 else ">"
    sec, nanosec, length = struct.unpack_from(f"{order}iII", message, 4)
    # CDR counts the closing NUL.
    return sec * SECOND + nanosec, bytes(message[16 : 16 + length - 1]).decode()


def qos(depth, reliable=True, latched=False):
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


class Watch(Node):
    """Subscribes to what goes into the node and what comes out of it, and keeps the books."""

    def __init__(self, ledger, people):
        super().__init__("demo", namespace=NAMESPACE, enable_rosout=False)
        self.ledger, self.people = ledger, people
        self.tasks = {}  # name -> Task
        self.pictures = None
        self.picture = None  # (rank, JPEG)
        self.create_subscription(Image, "image", self.on_frame, qos(30, reliable=False), raw=True)
        self.create_subscription(FaceAttributesArray, "attributes", self.on_answer, qos(30))
        self.create_subscription(TaskArray, "tasks", self.on_tasks, qos(1, latched=True))

    def on_frame(self, message):
        self.ledger.frame(*header(message))

    def on_answer(self, message):
        faces = [(face.track_id, centre(face.roi), list(map(estimate, face.attributes))) for face in message.faces]
        for track in self.ledger.answer(nanoseconds(message.header.stamp), message.header.frame_id, faces):
            self.people.look(track)

    def on_tasks(self, message):
        self.tasks = {task.name: task for task in message.tasks}

    def shipped(self):
        return [task.name for task in self.tasks.values() if task.shipped]

    def take_pictures(self):
        """From now on; the node draws only while somebody looks."""
        if self.pictures is None:
            self.pictures = self.create_subscription(CompressedImage, "annotated/compressed", self.on_picture, qos(1))

    def on_picture(self, message):
        # The newest of those with most faces.
        faces = self.ledger.faces.get(nanoseconds(message.header.stamp), 0)
        if self.picture is None or faces >= self.picture[0]:
            self.picture = (faces, bytes(message.data))


def centre(roi):
    return roi.x + roi.width / 2, roi.y + roi.height / 2


def estimate(attribute):
    return Estimate(
        attribute.task, attribute.label, attribute.confidence, attribute.unknown, nanoseconds(attribute.stamp)
    )
