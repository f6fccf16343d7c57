"""Runs the demo. Called by scripts/demo, which has prepared and built everything."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from .children import Child
from .domain import free_domain
from .ledger import Ledger
from .people import People
from .sources import Sources
from .summary import SHIPPED_TASKS, processor_share, rounded, summary, taught_record, told
from .table import Screen, rows
from .teacher import TASK, TIME_BUDGET_S, Teacher
from .watch import NAMESPACE, Watch

SIZE, RATE_HZ = "640x480", 15
# Loading the model takes seconds on a slow disk.
START_S = 90.0
# Teaching that has begun may end; this is how long the demo waits for it after --seconds.
TEACHING_S = 180.0
# Answers that are under way when the last counted frame was published.
GRACE_S = 1.0
# The picture is taken in the last seconds, when every task has a label.
PICTURE_S = 3.0


class Failed(Exception):
    """The demo cannot go on."""


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--summary", type=Path, required=True)
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--own-model", action="store_true", help="not the model that ships")
    parser.add_argument("source", nargs="+", help="what image_stream shows")
    return parser.parse_args()


class Demo:
    """From the start of the programs to the summary."""

    def __init__(self, args, scratch):
        self.args, self.scratch = args, scratch
        self.screen = Screen()
        self.ledger, self.sources = Ledger(), Sources()
        self.recognises = "  cohort:" in (args.model / "manifest.yaml").read_text(encoding="utf-8")
        self.people = People(TASK, self.sources, self.recognises)
        self.errors = []
        self.children = []
        self.starts, self.half_line = None, ""  # of image_stream's log
        self.watch = self.executor = self.teacher = None
        self.started = self.until = None
        self.seconds, self.overtime = 0.0, False
        self.node_usage = {"peak_rss_mb": None, "cpu_percent": None, "processor_share": None}

    def start(self):
        programs = self.args.programs
        node = [programs / "face_attributes_node", "--ros-args", "-r", f"__ns:={NAMESPACE}"]
        node += ["-p", f"model:={self.args.model}", "-p", f"state_dir:={self.scratch}/state"]
        node += ["-p", f"training.time_budget_s:={TIME_BUDGET_S}"]
        # Whatever the shell says: a robot's own node must not hear this.
        os.environ["ROS_DOMAIN_ID"] = str(free_domain())
        self.screen.say(f"starting the node (ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']}, on this machine only)")
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.watch = Watch(self.ledger, self.people)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.watch)
        self.node = self.begin("face_attributes_node", node)
        self.wait(lambda: self.watch.tasks, "the node was not ready", self.node)
        stream = [programs / "image_stream", "--namespace", NAMESPACE.lstrip("/"), "--rate", RATE_HZ]
        stream += ["--size", SIZE, "--starts"]
        self.stream = self.begin("image_stream", [*stream, *self.args.source])
        self.starts = open(self.stream.log, encoding="utf-8", errors="replace")
        self.wait(lambda: self.ledger.answers, "no frame was answered", self.node)
        self.started = time.monotonic()
        self.cpu_before, self.scheduled_before = self.node.cpu_seconds(), self.node.scheduled()

    def begin(self, name, command):
        child = Child(name, command, self.args.summary.with_suffix(f".{name}.log"))
        self.children.append(child)
        return child

    def spin(self):
        """Hears what has come, or waits a moment for it."""
        self.hear_sources()
        self.executor.spin_once(timeout_sec=0.05)
        for child in self.children:
            if ended := child.ended():
                raise Failed(ended)

    def hear_sources(self):
        """Whole lines of image_stream's log that are new."""
        while self.starts and (line := self.starts.readline()):
            self.half_line += line
            if line.endswith("\n"):
                self.sources.hear(self.half_line)
                self.half_line = ""

    def wait(self, arrived, problem, child):
        begun = time.monotonic()
        while not arrived():
            self.spin()
            if time.monotonic() - begun > START_S:
                frames = f"{len(self.ledger.frames)} frames were published"
                raise Failed(f"{problem} in {START_S:.0f} s ({frames}; log: {child.log})")

    def run(self):
        """Until the time is over and the taught task has been shown."""
        self.start()
        self.teacher = Teacher(self.watch, self.started, self.recognises)
        while True:
            self.spin()
            now = time.monotonic()
            elapsed = now - self.started
            status = self.teacher.poll()
            for line in self.teacher.said:
                self.screen.say(f"{elapsed:6.1f} s  {line}")
            self.teacher.said.clear()
            taught = self.teacher.done(now)
            if self.teacher.live_since is not None or elapsed > self.args.seconds - PICTURE_S:
                self.watch.take_pictures()
            if self.screen.is_due(now):
                self.show(elapsed, status)
            if elapsed >= self.args.seconds:
                if taught:
                    break
                if not self.overtime:
                    self.overtime = True
                    self.screen.say(f"{elapsed:6.1f} s  the time is over; teaching may go on for up to {TEACHING_S:.0f} s")
                if elapsed >= self.args.seconds + TEACHING_S:
                    self.errors.append(f"teaching had not ended {TEACHING_S:.0f} s after --seconds; last: {status}")
                    break
        self.measure()

    def show(self, elapsed, status):
        counts = self.ledger.counts()
        share = counts.frames_published / counts.frames_in if counts.frames_in else 0.0
        # The first frames come in a heap.
        per_second = max(elapsed, 1.0)
        head = (
            f"{elapsed:5.1f} s of {self.args.seconds:.0f}   in {counts.frames_in / per_second:.1f}/s   "
            f"answered {counts.frames_published / per_second:.1f}/s ({min(share, 1.0):.0%})"
        )
        self.screen.show(head, self.ledger.in_view(), sorted(self.ledger.tasks, key=self.order), status)

    def order(self, task):
        """As the node lists them; what was taught comes last."""
        names = list(self.watch.tasks)
        return names.index(task) if task in names else len(names)

    def measure(self):
        """Ends the measurement and hears the answers that are under way."""
        if self.started is None:
            return
        now = time.monotonic()
        self.seconds = now - self.started
        self.until = max(self.ledger.frames, default=0)
        cpu = self.node.cpu_seconds()
        if None not in (cpu, self.cpu_before) and self.seconds > 0:
            self.node_usage["cpu_percent"] = rounded(100.0 * (cpu - self.cpu_before) / self.seconds, 1)
        self.node_usage["processor_share"] = processor_share(self.scheduled_before, self.node.scheduled())
        while time.monotonic() < now + GRACE_S:
            self.spin()
        self.node_usage["peak_rss_mb"] = rounded(self.node.peak_rss_mb(), 1)

    def stop(self):
        # The camera first: the node then has nothing left to answer.
        for child in reversed(self.children):
            if problem := child.stop():
                self.errors.append(problem)
        if self.executor:
            self.executor.shutdown()
        if self.watch:
            self.watch.destroy_node()
            rclpy.try_shutdown()

    def report(self):
        """Writes picture and summary; True when every promise held."""
        errors = self.errors + (self.teacher.problems() if self.teacher else [])
        taught = self.teacher.record if self.teacher else taught_record(TASK)
        shipped = self.watch.shipped() if self.watch else []
        wanted = 1 if self.args.own_model else SHIPPED_TASKS
        report = summary(self.ledger, self.people, self.until, self.seconds, taught, self.node_usage, errors, shipped, wanted)
        print("\n" + "\n".join(rows(self.ledger.in_view(), sorted(self.ledger.tasks, key=self.order))) + "\n")
        print("\n".join(told(report)))
        picture = self.args.summary.with_suffix(".jpg")
        if self.watch and self.watch.picture:
            picture.write_bytes(self.watch.picture[1])
            print(f"picture  {picture}")
        else:
            report["errors"].append("no annotated picture came")
        self.args.summary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(f"summary  {self.args.summary}")
        for note in report["notes"]:
            print(f"note: {note}", file=sys.stderr)
        for error in report["errors"]:
            print(f"error: {error}", file=sys.stderr)
        return not report["errors"]


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    args = arguments()
    args.summary.parent.mkdir(parents=True, exist_ok=True)
    args.summary.with_suffix(".jpg").unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, interrupted)
    with tempfile.TemporaryDirectory(prefix="face_attributes_demo.") as scratch:
        demo = Demo(args, scratch)
        try:
            demo.run()
        except Failed as failure:
            demo.errors.append(str(failure))
        except KeyboardInterrupt:
            demo.errors.append("interrupted")
        finally:
            # A second Ctrl-C must not leave the programs running.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            demo.stop()
        held = demo.report()
    # Libraries' threads are no reason to wait.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if held else 1)


if __name__ == "__main__":
    main()
