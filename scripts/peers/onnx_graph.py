"""The encoder and some columns as an ONNX graph with our weights, as its makers would want it: scales folded into the
adapters, and no transposition before the dense layers."""

import sys
from pathlib import Path

import numpy as np
from weights import STRIDED, flat_rows, oihw

sys.path.append(str(Path(__file__).resolve().parent.parent))

from onnx_nodes import Nodes


class Graph(Nodes):
    def convolution(self, x, weight, bias=None, stride=1):
        weight = oihw(weight)
        kernel = weight.shape[2]
        inputs = [x, self.constant(weight)] + ([self.constant(bias)] if bias is not None else [])
        pads = [kernel // 2] * 4
        return self.add("Conv", inputs, kernel_shape=[kernel] * 2, pads=pads, strides=[stride] * 2)

    def dense(self, x, weight, bias):
        flat = self.add("Flatten", [x], axis=1)
        bias = self.constant(np.zeros(weight.shape[0], np.float32) if bias is None else bias)
        return self.add("Gemm", [flat, self.constant(weight), bias], transB=1)

    def pool(self, x):
        return self.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    def elu(self, x):
        return self.add("Elu", [x], alpha=1.0)


def adapter(graph, tensors, prefix, sources):
    weight, scale = tensors[f"{prefix}.reduce.weight"], tensors[f"{prefix}.scale"]
    each = weight.shape[2] // len(scale)
    scaled = weight * np.repeat(scale, each)[None, None, :, None]
    joined = sources[0] if len(sources) == 1 else graph.add("Concat", sources, axis=1)
    return graph.elu(graph.convolution(joined, scaled, tensors[f"{prefix}.reduce.bias"]))


def column(graph, features, outputs, sources, tensors):
    x, blocks = features, []
    for depth in range(4 if "blocks.0.convs.0.weight" in tensors else 0):
        for at in range(6):
            name = f"blocks.{depth}.convs.{at}"
            y = graph.convolution(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])
            if at == 0 and depth and sources:
                lateral = f"laterals.{depth - 1}"
                adapted = adapter(graph, tensors, f"{lateral}.adapter", [outputs[s][depth - 1] for s in sources])
                y = graph.add("Add", [y, graph.convolution(adapted, tensors[f"{lateral}.lateral.weight"])])
            x = graph.elu(y)
        if depth >= 2:
            x = graph.pool(x)
        blocks.append(x)
    if not blocks:
        # A head alone reads the features, pooled as far as a column's.
        x = graph.pool(graph.pool(features))
    hidden = graph.dense(x, flat_rows(tensors["hidden.weight"]), tensors["hidden.bias"])
    if sources:
        adapted = adapter(graph, tensors, "head_lateral.adapter", [outputs[s][3] for s in sources])
        hidden = graph.add(
            "Add", [hidden, graph.dense(adapted, flat_rows(tensors["head_lateral.lateral.weight"]), None)]
        )
    return graph.dense(graph.elu(hidden), tensors["output.weight"].T, tensors["output.bias"]), blocks


def model(encoder, columns):
    """The graph's bytes; outputs: the features when there are no columns, else the logits of each."""
    graph, x = Graph(), "faces"
    for at in range(13):
        stride = 2 if at in STRIDED else 1
        x = graph.elu(graph.convolution(x, encoder[f"convs.{at}.weight"], encoder[f"convs.{at}.bias"], stride))
    outputs, answers = [], []
    for sources, tensors in columns:
        logits, blocks = column(graph, x, outputs, sources, tensors)
        outputs.append(blocks)
        answers.append(logits)
    results = answers or [x]
    shapes = [["n", len(tensors["output.bias"])] for _, tensors in columns] or [["n", 256, 16, 16]]
    return graph.model("face_attributes", {"faces": ["n", 1, 128, 128]}, dict(zip(results, shapes)))
