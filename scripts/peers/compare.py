"""Measures our steps and the peers' in turn, in one run, and writes the rows.

usage: compare.py --facelab FILE --work DIR [--json FILE] [--runs N] [--only TEXT] [--yunet FILE]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PAUSE_S = 0.1
TORCH = ["torch", "torch-channels-last"]
# name, step, batch, threads, peers, share of the runs
ROWS = [
    ("encoder+4 columns", "columns", 1, 2, ["onnxruntime", *TORCH], 1.0),
    ("encoder+4 columns", "columns", 1, 1, ["onnxruntime"], 1.0),
    ("encoder+4 columns", "columns", 8, 2, ["onnxruntime", *TORCH], 0.4),
    ("encoder", "encoder", 1, 2, ["onnxruntime", *TORCH], 1.0),
    ("encoder", "encoder", 1, 1, ["onnxruntime"], 1.0),
    ("column step", "train-column", 32, 2, TORCH, 0.25),
    ("began step", "train-began", 16, 2, TORCH, 0.2),
    ("yunet", "yunet", 1, 1, ["onnxruntime"], 1.0),
]


class Server:
    """A program that runs a step for each line."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(map(str, self.process.args))} ended with {self.process.wait()}")
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


def measure(args, step, batch, threads, peers, runs):
    """Answers of ours and of each peer, run by run in turn; the first two of each warm up."""
    common = ["--work", args.work, "--batch", str(batch), "--threads", str(threads)]
    yunet = ["--yunet", args.yunet] if step == "yunet" else []
    servers = {"ours": Server([args.facelab, "bench-step", "--device", "cpu", "--step", step, *common, *yunet])}
    for peer in peers:
        servers[peer] = Server([sys.executable, str(HERE / "serve.py"), peer, step, *common, *yunet])
    answers = {name: [] for name in servers}
    for _ in range(runs + 2):
        for name, server in servers.items():
            answers[name].append(server.run())
            # Threads of some programs go on spinning for a while.
            time.sleep(PAUSE_S)
    for server in servers.values():
        server.stop()
    return answers


def relative_error(ours, theirs):
    worst = 0.0
    for mine, other in zip(ours, theirs):
        a, b = np.array(mine["values"]), np.array(other["values"])
        if a.shape != b.shape:
            return float("inf")
        if a.size:
            worst = max(worst, float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-12)))
    return worst


def rows(args):
    for name, step, batch, threads, peers, share in ROWS:
        if args.only and args.only not in name:
            continue
        if step == "yunet" and not args.yunet:
            print("yunet is left out: no --yunet and no FACE_ATTRIBUTES_YUNET", file=sys.stderr)
            continue
        answers = measure(args, step, batch, threads, peers, max(3, round(args.runs * share)))
        median = {who: statistics.median(a["ms"] for a in found[2:]) for who, found in answers.items()}
        for peer in peers:
            # Losses of training steps drift apart with the steps; the first three tell whether both compute the same.
            compared = 3 if step.startswith("train-") else len(answers["ours"])
            yield {
                "name": name,
                "threads": threads,
                "batch": batch,
                "ours_ms": round(median["ours"], 2),
                "peer": peer,
                "peer_ms": round(median[peer], 2),
                "ratio": round(median[peer] / median["ours"], 3),
                "max_rel_error": relative_error(answers["ours"][:compared], answers[peer][:compared]),
                "peak_mb_ours": round(answers["ours"][-1]["peak_mb"], 1),
                "peak_mb_peer": round(answers[peer][-1]["peak_mb"], 1),
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facelab", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--json")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only")
    parser.add_argument("--yunet")
    args = parser.parse_args()
    found = []
    print(f"{'':<20}{'threads':>8}{'batch':>6}{'ours ms':>10}  {'peer':<20}{'peer ms':>10}{'ratio':>7}{'error':>10}")
    for row in rows(args):
        found.append(row)
        print(
            f"{row['name']:<20}{row['threads']:>8}{row['batch']:>6}{row['ours_ms']:>10.1f}  {row['peer']:<20}"
            f"{row['peer_ms']:>10.1f}{row['ratio']:>7.2f}{row['max_rel_error']:>10.1e}",
            flush=True,
        )
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
