"""The node under test, with a state folder of its own."""

from .process import Process


class FaceNode:
    """Runs `face_attributes_node`; may be stopped and started again on the same state."""

    def __init__(self, program, folder, environment, namespace="/face", **parameters):
        self.namespace = namespace
        self.state_dir = folder / "state"
        # Without the page: several nodes of the tests run at once.
        self.parameters = {"state_dir": self.state_dir, "page.port": 0, **parameters}
        # Words of the command line in front of the parameters.
        self.extra = []
        # It has started when it has said so.
        self.ready = "ready:"
        self.process = None
        self._program = program
        self._log = folder / "node.log"
        self._environment = environment

    def command(self):
        words = [self._program, "--ros-args", "-r", f"__ns:={self.namespace}", *self.extra]
        for name, value in self.parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            words += ["-p", f"{name}:={text}"]
        return words

    def start(self):
        """Starts it and waits until it has."""
        said_before = len(self._log.read_text(errors="replace")) if self._log.exists() else 0
        self.process = Process(self.command(), self._log, self._environment)
        self.process.wait_for_output(self.ready, after=said_before)
        return self

    def restart(self, **parameters):
        """Stops it in good order and starts it again, with changed parameters."""
        assert self.process.stop() == 0, self.process.tail()
        self.parameters.update(parameters)
        return self.start()

    def page(self):
        """The address of its page."""
        return f"http://127.0.0.1:{self.parameters['page.port']}"

    def files(self):
        """Every file and folder of its state, relative to it."""
        return {path.relative_to(self.state_dir): path for path in self.state_dir.rglob("*")}
