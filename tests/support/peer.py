"""A ROS 2 node of the tests: it listens, asks and publishes, as a user's program would."""

import threading
import time

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy

from .process import PATIENCE_S

# A request that may be asked again is asked again after so long.
ONE_TRY_S = 2.0
RELIABLE = QoSProfile(depth=50)
SENSOR = QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT)
# A client's own queue: of ten, the default, the first are overwritten when more are asked at once.
MANY_CALLS = QoSProfile(depth=64)
LATCHED = QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


class Peer:
    """Spins in a thread of its own until it is closed."""

    def __init__(self, domain, namespace="/face"):
        self.namespace = namespace
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node("test_peer", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients = {}
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self):
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass

    def close(self):
        # The executor ends first: nothing may be destroyed under its hands.
        self._context.try_shutdown()
        self._thread.join(PATIENCE_S)
        self.node.destroy_node()

    def listen(self, kind, topic, qos=RELIABLE):
        return Listener(self, kind, topic, qos)

    def call(self, service, name, /, timeout=PATIENCE_S, **fields):
        """Calls a service and waits for its reply."""
        future = self.ask(service, name, **fields)
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        assert done.wait(timeout), f"{name} has not replied in {timeout:.0f} s"
        return future.result()

    def reach(self, service, name):
        """Waits until the node answers. The services of a node that was killed are seen for a while after its end, and a
        request is lost when only they are seen: ask something that may be asked again first."""
        for _ in range(int(PATIENCE_S / ONE_TRY_S)):
            done = threading.Event()
            self.ask(service, name).add_done_callback(lambda _, done=done: done.set())
            if done.wait(ONE_TRY_S):
                return
        raise AssertionError(f"{name} has not replied in {PATIENCE_S:.0f} s")

    def ask(self, service, name, /, **fields):
        """Calls a service; the reply comes later."""
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self.node.create_client(service, name, qos_profile=MANY_CALLS)
        assert client.wait_for_service(timeout_sec=PATIENCE_S), f"nobody offers {name}"
        return client.call_async(service.Request(**fields))


class Listener:
    """Keeps every message of a topic."""

    def __init__(self, peer, kind, topic, qos):
        self._peer = peer
        self._topic = topic
        self._news = threading.Condition()
        self._messages = []
        self._subscription = peer.node.create_subscription(kind, topic, self._hear, qos)

    def _hear(self, message):
        with self._news:
            self._messages.append(message)
            self._news.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._peer.node.destroy_subscription(self._subscription)

    def messages(self):
        with self._news:
            return list(self._messages)

    def forget(self):
        with self._news:
            self._messages.clear()

    def wait_for(self, wanted, what, timeout=PATIENCE_S):
        """The first message, of those heard and those to come, for which `wanted` is true."""
        seen = 0
        end = time.monotonic() + timeout
        with self._news:
            while True:
                for message in self._messages[seen:]:
                    if wanted(message):
                        return message
                seen = len(self._messages)
                left = end - time.monotonic()
                assert left > 0, f"{seen} messages on {self._topic} in {timeout:.0f} s, but none with {what}"
                self._news.wait(left)

    def next(self, wanted, what, timeout=PATIENCE_S):
        """The first message from now on for which `wanted` is true."""
        self.forget()
        return self.wait_for(wanted, what, timeout)

    def collect(self, count, timeout=PATIENCE_S):
        """So many messages from now on."""
        self.forget()
        end = time.monotonic() + timeout
        with self._news:
            while len(self._messages) < count:
                left = end - time.monotonic()
                assert left > 0, f"{len(self._messages)} of {count} messages on {self._topic} in {timeout:.0f} s"
                self._news.wait(left)
            return list(self._messages)
