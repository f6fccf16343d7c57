"""A camera of the tests: shows pictures at a rate and remembers what it sent."""

import threading
import time

from sensor_msgs.msg import CompressedImage

from .peer import SENSOR
from .process import PATIENCE_S, wait_until


def back_and_forth(pictures):
    """Forwards, then backwards: a short piece of video that can be shown without end and never jumps."""
    return pictures + pictures[-2:0:-1]


def stamp_of(message):
    return message.header.stamp.sec, message.header.stamp.nanosec


class Camera:
    """Publishes messages in turn, best effort, each with the time of its sending."""

    def __init__(self, peer, messages, rate=15.0, topic="image", frame_id="test_camera"):
        self.frame_id = frame_id
        self._messages = list(messages)
        self._rate = rate
        self._node = peer.node
        kind = type(self._messages[0])
        topic = f"{topic}/compressed" if kind is CompressedImage else topic
        self._publisher = peer.node.create_publisher(kind, topic, SENSOR)
        self._sent = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join(PATIENCE_S)
            self._node.destroy_publisher(self._publisher)

    def sent(self):
        """Stamps of all pictures so far, oldest first."""
        return list(self._sent)

    def wait_for(self, count):
        """Waits until so many more were sent."""
        goal = len(self._sent) + count
        wait_until(lambda: len(self._sent) >= goal, f"{count} more pictures are sent")

    def _run(self):
        due = time.monotonic()
        number = 0
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            message = self._messages[number % len(self._messages)]
            now = self._node.get_clock().now().to_msg()
            message.header.stamp = now
            message.header.frame_id = self.frame_id
            # Remembered first: its answer may come before this thread goes on.
            self._sent.append((now.sec, now.nanosec))
            self._publisher.publish(message)
            number += 1
            # A camera that was held up does not catch up.
            due = max(due + 1 / self._rate, time.monotonic())
