"""An action's client whose calls wait."""

import threading

from rclpy.action import ActionClient

from .process import PATIENCE_S


def wait(future):
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    assert done.wait(PATIENCE_S), "the action has not replied"
    return future.result()


class Client:
    """Sends goals and keeps their feedback."""

    def __init__(self, peer, kind, name):
        self.kind = kind
        self.feedback = []
        self._client = ActionClient(peer.node, kind, name)
        assert self._client.wait_for_server(timeout_sec=PATIENCE_S), f"nobody offers {name}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.destroy()

    def send(self, **fields):
        hear = lambda message: self.feedback.append(message.feedback)  # noqa: E731
        return wait(self._client.send_goal_async(self.kind.Goal(**fields), feedback_callback=hear))

    def run(self, **fields):
        """Status and result of a goal, from its beginning to its end."""
        goal = self.send(**fields)
        assert goal.accepted
        ended = wait(goal.get_result_async())
        return ended.status, ended.result
