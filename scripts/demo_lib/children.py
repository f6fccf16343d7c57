"""The programs of the demo: started, watched and stopped by their process ids."""

import ctypes
import os
import signal
import subprocess
import time

STOP_S = 6.0
PR_SET_PDEATHSIG = 1


def _before_start():
    # A shell's background jobs ignore Ctrl-C's signal, and so would whatever they start: then it could not be asked to stop.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A demo that is killed leaves nobody behind.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One program, its output in a log file."""

    def __init__(self, name, command, log):
        self.name, self.log = name, log
        with open(log, "wb") as output:
            # A session of its own: Ctrl-C reaches the demo alone, which then stops its children in order.
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_before_start,
            )
        self.started = time.monotonic()
        self.usage = (None, None)

    def ended(self):
        """What to say when it has ended by itself; None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        return f"{self.name} ended with {code}: {self.last_lines() or 'no output'} (log: {self.log})"

    def last_lines(self, count=3):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return " / ".join(line.strip() for line in log.readlines()[-count:] if line.strip())

    def cpu_seconds(self):
        """User and system time of all its threads; None when it has ended."""
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
                # The name in parentheses may hold spaces.
                fields = stat.read().rsplit(")", 1)[1].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def scheduled(self):
        """Seconds that its threads ran, and that they waited for a processor; None where the kernel does not count them."""
        ran = waited = 0
        try:
            for thread in os.listdir(f"/proc/{self.process.pid}/task"):
                with open(f"/proc/{self.process.pid}/task/{thread}/schedstat", encoding="ascii") as counts:
                    on_processor, in_queue, _ = map(int, counts.read().split())
                ran, waited = ran + on_processor, waited + in_queue
        except (OSError, ValueError):
            return None
        return ran / 1e9, waited / 1e9

    def peak_rss_mb(self):
        """Most memory it ever had, in MiB; None when it has ended."""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
                peak = [line for line in status if line.startswith("VmHWM:")]
        except OSError:
            return None
        return int(peak[0].split()[1]) / 1024 if peak else None

    def stop(self):
        """Asks, then insists. Says what went wrong, or None."""
        if self.process.poll() is not None:
            return None
        for ask, patience in ((signal.SIGINT, STOP_S), (signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
            self.process.send_signal(ask)
            try:
                code = self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
            if ask != signal.SIGINT:
                return f"{self.name} did not stop in {STOP_S:.0f} s and was ended by {ask.name}"
            # Programs that do not catch the signal end by it.
            return None if code in (0, -signal.SIGINT, 130) else f"{self.name} ended with {code} when it was stopped"
        return f"{self.name} (pid {self.process.pid}) does not end"
