"""A peer's side of `facelab bench-step`: runs one step each time a line comes, and says how long it took.

usage: serve.py PEER STEP --work DIR --batch N --threads N [--yunet FILE]
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import weights

LEARNING_RATE = 1e-4


def onnxruntime_session(model, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnxruntime_network(args):
    import onnx_graph

    encoder, columns = weights.model(args.work)
    session = onnxruntime_session(onnx_graph.model(encoder, columns if args.step == "columns" else []), args.threads)
    faces = weights.faces(args.work, args.batch)

    def run():
        return session.run(None, {"faces": faces})

    def values(found):
        if args.step == "encoder":
            return found[0].transpose(0, 2, 3, 1)
        return np.concatenate([logits.ravel() for logits in found])

    return run, values


def onnxruntime_yunet(args):
    import onnx

    # The file is for 640×640 alone; its operations are not.
    model = onnx.load(args.yunet)
    for dimension, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 3, 480, 640)):
        dimension.dim_value = size
    del model.graph.value_info[:]
    for output in model.graph.output:
        for dimension in output.type.tensor_type.shape.dim:
            dimension.Clear()
    session = onnxruntime_session(model.SerializeToString(), args.threads)
    names = [output.name for output in session.get_outputs()]
    picture = np.fromfile(Path(args.work) / "picture.bgr", dtype=np.uint8).reshape(480, 640, 3)

    def run():
        blob = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
        return dict(zip(names, session.run(None, {session.get_inputs()[0].name: blob})))

    def values(found):
        best, roi = 0.0, []
        for stride in (8, 16, 32):
            cls, obj, bbox = (found[f"{kind}_{stride}"].reshape(-1, width) for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4)))
            score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1)).ravel()
            at = int(score.argmax())
            if score[at] > max(best, 0.6):
                best, (x, y, w, h) = score[at], bbox[at]
                w, h = np.exp(w) * stride, np.exp(h) * stride
                columns = 640 // stride
                roi = [(at % columns + x) * stride - w / 2, (at // columns + y) * stride - h / 2, w, h]
        return np.array(roi, dtype=np.float32)

    return run, values


def torch_step(args):
    import torch
    import torch.nn.functional as F
    import torch_net

    torch.set_num_threads(args.threads)
    last = args.peer == "torch-channels-last"
    layout = torch.channels_last if last else torch.contiguous_format

    def picture(values):
        return torch.from_numpy(values).contiguous(memory_format=layout)

    if args.step in ("encoder", "columns"):
        network = torch_net.Network(*weights.model(args.work)).eval().to(memory_format=layout)
        faces = picture(weights.faces(args.work, args.batch))

        def run():
            with torch.inference_mode():
                return [network.encoder(faces)] if args.step == "encoder" else network(faces)

        def values(found):
            if args.step == "encoder":
                return found[0].numpy().transpose(0, 2, 3, 1)
            return np.concatenate([logits.numpy().ravel() for logits in found])

        return run, values
    if args.step == "train-column":
        column = torch_net.Column([0], weights.model(args.work)[1][1][1]).to(memory_format=layout)
        optimiser = torch.optim.Adam(column.parameters(), LEARNING_RATE)
        features, source = weights.column_inputs(args.work, args.batch)
        features, source = picture(features), [picture(block) for block in source]
        targets = torch.arange(args.batch) % column.output.out_features

        def run():
            optimiser.zero_grad(set_to_none=True)
            loss = F.cross_entropy(column(features, [source])[0], targets)
            loss.backward()
            optimiser.step()
            return loss

        return run, lambda loss: np.array([loss.item()], dtype=np.float32)
    if args.step == "train-began":
        discriminator, generator = (net.to(memory_format=layout) for net in torch_net.began(args.work))
        faces = picture(weights.faces(args.work, args.batch))
        codes = torch.from_numpy(weights.codes(args.work, args.batch))
        run = torch_net.began_step(discriminator, generator, faces, codes, LEARNING_RATE, k=0.0)
        return run, lambda losses: np.array([loss.item() for loss in losses], dtype=np.float32)
    raise SystemExit(f"{args.peer} has no {args.step}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=["onnxruntime", "torch", "torch-channels-last"])
    parser.add_argument("step", choices=["encoder", "columns", "train-column", "train-began", "yunet"])
    parser.add_argument("--work", required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--yunet")
    args = parser.parse_args()
    if args.peer == "onnxruntime":
        run, values = (onnxruntime_yunet if args.step == "yunet" else onnxruntime_network)(args)
    else:
        run, values = torch_step(args)
    for _ in sys.stdin:
        start = time.perf_counter()
        found = run()
        ms = (time.perf_counter() - start) * 1e3
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer = {"ms": ms, "values": np.asarray(values(found)).ravel().tolist(), "peak_mb": peak}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
