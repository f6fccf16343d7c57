"""Shows the same pictures to our node and to node.py, one after the other, and measures both; called by scripts/bench-node.

usage: compare.py --node FILE --model DIR --media DIR --yunet FILE [--json FILE] [--seconds N] [--only TEXT] [--rate HZ]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent)]

import onnx_graph
import weights

from demo_lib.children import Child
from demo_lib.domain import free_domain

SIZES = [(640, 480), (1280, 720), (1920, 1080), (3840, 2160)]
# Every size with one face, and every number of faces in one size.
ROWS = [(size, transport, faces) for size in SIZES for transport in ("raw", "jpeg") for faces in (0, 1, 3)] + [
    ((1280, 720), "raw", faces) for faces in (16, 64)
]
# Judged faces and models that are loaded settle before anything is measured.
SETTLE_S, START_S = 3.0, 60.0


# Of the table: head and width.
COLUMNS = {
    "p50_ms": ("p50 ms", 9),
    "p95_ms": ("p95 ms", 9),
    "cpu_ms": ("cpu ms", 9),
    "answered": ("answered", 10),
    "faces": ("faces", 7),
    "judged_hz": ("judged/s", 10),
    "peak_mb": ("MB", 6),
}


def line(name, who, values):
    return f"{name:<26}{who:>6}" + "".join(f"{values.get(key, ''):>{width}}" for key, (_, width) in COLUMNS.items())


def name_of(size, transport, faces):
    return f"{size[0]}x{size[1]} {transport}, {faces} {'face' if faces == 1 else 'faces'}"


def exported(model, folder):
    """The shipped network as ONNX, and its labels by task."""
    manifest = yaml.safe_load((model / "manifest.yaml").read_text())
    columns = [([], weights.safetensors(model / column["file"])) for column in manifest["columns"]]
    network = folder / "network.onnx"
    network.write_bytes(onnx_graph.model(weights.safetensors(model / manifest["encoder"]["file"]), columns))
    labels = folder / "labels.json"
    labels.write_text(json.dumps({column["name"]: column["labels"] for column in manifest["columns"]}))
    return network, labels


class Stream:
    """Publishes pictures at a rate and takes the time that each answer took."""

    def __init__(self, rate):
        # After the domain is chosen.
        import rclpy
        from face_attributes.msg import FaceAttributesArray
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import CompressedImage, Image

        rclpy.init()
        self.rate, self.node = rate, rclpy.create_node("bench_node")
        # As `ros2 run image_publisher` and most drivers: whoever listens best effort gets it, too.
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
        self.publishers = {
            "raw": self.node.create_publisher(Image, "image", newest),
            "jpeg": self.node.create_publisher(CompressedImage, "image/compressed", newest),
        }
        self.node.create_subscription(FaceAttributesArray, "attributes", self.hear, 100)
        self.took, self.faces, self.judged, self.since = [], [], set(), None
        executor = SingleThreadedExecutor()
        executor.add_node(self.node)
        threading.Thread(target=executor.spin, daemon=True).start()

    def hear(self, answer):
        stamp = answer.header.stamp.sec * 10**9 + answer.header.stamp.nanosec
        # Not the late answers to what was shown before.
        if self.since is not None and stamp >= self.since:
            self.took.append((time.time_ns() - stamp) / 1e6)
            self.faces.append(len(answer.faces))
            for at, face in enumerate(answer.faces):
                # Ours says of which frame an estimate is; the peer has one for every face in every picture.
                for attribute in face.attributes[:1]:
                    estimate = attribute.stamp.sec, attribute.stamp.nanosec
                    self.judged.add((face.track_id, *estimate) if any(estimate) else (at, stamp))

    def show(self, messages, transport, seconds):
        """Publishes for so long; how many pictures."""
        due, end, count = time.monotonic(), time.monotonic() + seconds, 0
        while due < end:
            time.sleep(max(0.0, due - time.monotonic()))
            message = messages[count % len(messages)]
            now = time.time_ns()
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 10**9)
            self.publishers[transport].publish(message)
            count += 1
            due = max(due + 1 / self.rate, time.monotonic())
        return count

    def wait(self, until, child, otherwise):
        deadline = time.monotonic() + START_S
        while not until():
            if child.ended() or time.monotonic() > deadline:
                raise SystemExit(child.ended() or f"{child.name} {otherwise}")
            time.sleep(0.1)

    def is_alone(self):
        """Nobody listens any more: the program before has gone."""
        return not any(self.node.count_subscribers(topic) for topic in ("image", "image/compressed"))

    def measure(self, messages, transport, seconds, child):
        topic = "image" if transport == "raw" else "image/compressed"
        self.wait(lambda: self.node.count_subscribers(topic), child, f"does not listen to {transport} pictures")
        self.show(messages, transport, SETTLE_S)
        self.took, self.faces, self.judged = [], [], set()
        self.since, before = time.time_ns(), child.cpu_seconds()
        sent = self.show(messages, transport, seconds)
        # The last answers.
        time.sleep(0.5)
        self.since, after = None, child.cpu_seconds()
        if before is None or after is None or not self.took:
            raise SystemExit(child.ended() or f"{child.name} answered no picture")
        ordered = sorted(self.took)
        return {
            "p50_ms": round(statistics.median(ordered), 2),
            "p95_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 2),
            "cpu_ms": round((after - before) * 1e3 / len(self.took), 2),
            "answered": round(len(self.took) / sent, 3),
            "faces": round(statistics.mean(self.faces), 2),
            "judged_hz": round(len(self.judged) / seconds, 1),
            "peak_mb": round(child.peak_rss_mb() or 0.0),
        }


def commands(args, folder, threads):
    network, labels = exported(args.model, folder)
    peer = [sys.executable, HERE / "node.py", "--network", network, "--labels", labels, "--yunet", args.yunet]
    ours = [
        args.node,
        "--ros-args",
        "-p",
        f"model:={args.model}",
        "-p",
        f"yunet:={args.yunet}",
        "-p",
        f"state_dir:={folder / 'state'}",
    ]
    return {"ours": ours, "peer": [*peer, "--threads", threads]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--node", "--model", "--media", "--yunet"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--rate", type=float, default=15.0)
    args = parser.parse_args()
    if args.seconds < 5 or not 1 <= args.rate <= 60:
        parser.error("--seconds is at least 5, --rate 1 to 60")
    chosen = [row for row in ROWS if args.only in name_of(*row)]
    if not chosen:
        parser.error(f"no row has {args.only} in its name: {'; '.join(name_of(*row) for row in ROWS)}")

    os.environ["ROS_DOMAIN_ID"] = str(free_domain())
    import pictures

    frames = pictures.film(args.media / "single_face.mp4", pictures.FRAMES)
    stream, rows = Stream(args.rate), []
    print(line("picture", "", {key: head for key, (head, _) in COLUMNS.items()}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        programs = commands(args, Path(folder), os.cpu_count() or 1)
        for row in chosen:
            size, transport, faces = row
            messages, found = pictures.messages(frames, size, faces, transport), {}
            for who, command in programs.items():
                child = Child(who, command, Path(folder) / f"{who}.log")
                try:
                    found[who] = stream.measure(messages, transport, args.seconds, child)
                finally:
                    child.stop()
                deadline = time.monotonic() + START_S
                while not stream.is_alone() and time.monotonic() < deadline:
                    time.sleep(0.1)
                print(line(name_of(*row), who, found[who]), flush=True)
            ratio = {
                key: round(found["peer"][key] / max(found["ours"][key], 1e-3), 2)
                for key in ("p50_ms", "p95_ms", "cpu_ms", "peak_mb")
            }
            print(line("", "ratio", ratio), flush=True)
            rows.append({"row": name_of(*row), **found, "ratio": ratio})
    if args.json:
        load = os.getloadavg()[0]
        report = {
            "rate_hz": args.rate,
            "seconds": args.seconds,
            "cores": os.cpu_count(),
            "load": round(load, 2),
            "rows": rows,
        }
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
