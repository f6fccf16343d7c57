"""Programs that a test starts and ends, by their pid, with what they said kept for the report of a failure."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections import deque

# Longer than any of it takes on a slow machine: only a program that hangs meets it.
PATIENCE_S = 60.0
# Of a log in a report.
TAIL = 60
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)

# The newest programs, for the report of a failed test.
recent = deque(maxlen=4)


def _end_with_the_tests():
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(condition, what, timeout=PATIENCE_S):
    """The first true value of `condition()`."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {timeout:.0f} s in vain until {what}"
        time.sleep(0.02)


def run_to_end(command, env=None, timeout=PATIENCE_S, **options):
    """A program that ends by itself: its exit code and what it said, as text."""
    command = [str(word) for word in command]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=False, **options)


class Process:
    """A running program; its output goes to a file."""

    def __init__(self, command, log, environment):
        self.log = log
        self.command = [str(word) for word in command]
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                preexec_fn=_end_with_the_tests,
            )
        recent.append(self)

    @property
    def pid(self):
        return self._popen.pid

    def code(self):
        """Its exit code; None while it runs."""
        return self._popen.poll()

    def output(self):
        return self.log.read_text(errors="replace")

    def tail(self):
        return "\n".join(self.output().splitlines()[-TAIL:])

    def wait_for_output(self, text, after=0):
        """Waits until it has said `text`, not counting the first `after` characters."""

        def said():
            assert self.code() is None or text in self.output()[after:], f"ended with {self.code()}:\n{self.tail()}"
            return text in self.output()[after:]

        wait_until(said, f"'{text}' is in the output of {os.path.basename(self.command[0])}")

    def wait(self, timeout=PATIENCE_S):
        """Waits for its end; its exit code, negative when a signal killed it."""
        return self._popen.wait(timeout)

    def send(self, number):
        self._popen.send_signal(number)

    def stop(self, number=signal.SIGINT, timeout=PATIENCE_S):
        """Asks it to end and waits; its exit code. One that does not end is killed, which fails the test."""
        if self.code() is None:
            self.send(number)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        """Ends it at once, as a power cut would."""
        if self.code() is None:
            self._popen.kill()
        self._popen.wait(PATIENCE_S)


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]
