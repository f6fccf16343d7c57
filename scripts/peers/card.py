"""What PyTorch takes on a card for the networks that `facelab bench` is timed with; called by scripts/card-kit.

The weights are those of `facelab bench-step --prepare`. Prints milliseconds, medians, and writes peak memory (MiB) beside
them.
"""

import argparse
import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))

from torch_net import Network, began, began_step
from weights import codes, faces, model

BATCHES = (1, 4, 16, 64)
TRAINING_BATCH = 16
LEARNING_RATE = 1e-4
RUNS, WARM = 50, 10
# Name, TF32, type of the values.
PRECISIONS = (("f32", False, torch.float32), ("tf32", True, torch.float32), ("bf16", False, torch.bfloat16))


def median_ms(work):
    for _ in range(WARM):
        work()
    torch.cuda.synchronize()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def precision(tf32):
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def answers(folder, rows):
    network = Network(*model(folder)).cuda().eval()
    for name, tf32, kind in PRECISIONS:
        precision(tf32)
        typed = network.to(kind)
        for how, net in (("eager", typed), ("compile", torch.compile(typed))):
            encoder = typed.encoder if how == "eager" else torch.compile(typed.encoder)
            for batch in BATCHES:
                # The file holds 32 faces.
                x = torch.from_numpy(faces(folder, min(batch, 32))).cuda().to(kind)
                x = x.repeat(max(1, batch // 32), 1, 1, 1)
                torch.cuda.reset_peak_memory_stats()
                with torch.inference_mode():
                    for step, work in (("encoder", partial(encoder, x)), ("encoder + all columns", partial(net, x))):
                        row = {"step": step, "batch": batch, "precision": name, "how": how, "median_ms": median_ms(work)}
                        rows.append(row | {"peak_mb": torch.cuda.max_memory_allocated() / 1024**2})
                        print(row, flush=True)
        network = network.to(torch.float32)


def training(folder, rows):
    for name, tf32, _ in PRECISIONS[:2]:
        precision(tf32)
        network = Network(*model(folder)).cuda()
        x = torch.from_numpy(faces(folder, TRAINING_BATCH)).cuda()
        column = network.columns[0]
        with torch.no_grad():
            features = network.encoder(x)
        target = torch.zeros(TRAINING_BATCH, dtype=torch.long, device="cuda")
        adam = torch.optim.AdamW(column.parameters(), LEARNING_RATE)

        def column_step(column=column, adam=adam, features=features, target=target):
            adam.zero_grad()
            F.cross_entropy(column(features, [])[0], target).backward()
            adam.step()

        discriminator, generator = (net.cuda() for net in began(folder))
        z = torch.from_numpy(codes(folder, TRAINING_BATCH)).cuda()
        both = began_step(discriminator, generator, x, z, LEARNING_RATE, k=0.1)

        # Named as `facelab bench` names them.
        steps = (("training step, column", column_step), ("training step, BEGAN", both))
        for step, work in steps:
            row = {"step": step, "batch": TRAINING_BATCH, "precision": name, "how": "eager", "median_ms": median_ms(work)}
            rows.append(row)
            print(row, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    parser.add_argument("--json", required=True, type=Path)
    args = parser.parse_args()
    rows = []
    try:
        answers(args.work, rows)
        training(args.work, rows)
    finally:
        card = torch.cuda.get_device_name()
        args.json.write_text(json.dumps({"torch": torch.__version__, "card": card, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
