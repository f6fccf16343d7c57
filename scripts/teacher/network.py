"""dlib's face recognition network (dlib_face_recognition_resnet_model_v1.dat) as an ONNX graph, run by ONNX Runtime."""

import numpy as np
import onnxruntime
from onnx_nodes import Nodes

from .dat import Dat
from .faces import CROP
from .targets import WIDTH

MEANS = np.array([122.782, 117.001, 104.298])
RANGE = 256.0
# Channels of the blocks, from the input on, and whether the block halves the picture.
BLOCKS = [
    *[(32, False)] * 3,
    *[(64, True), *[(64, False)] * 3],
    *[(128, True), *[(128, False)] * 2],
    *[(256, True), *[(256, False)] * 2],
    (256, True),
]


class Graph(Nodes):
    """Layers one after another, while their parameters are read from the file in the same order."""

    def __init__(self, dat):
        super().__init__()
        self.dat = dat

    def convolution(self, x, inputs, outputs, kernel, stride=1, grey=False):
        """A convolution and the affine layer behind it (running means and deviations) as one convolution."""
        count = inputs * outputs * kernel**2
        values = self.dat.layer("con_4", count + outputs).astype(np.float64)
        scale, shift = np.split(self.dat.layer("affine_", 2 * outputs).astype(np.float64), 2)
        weight, bias = values[:count].reshape(outputs, inputs, kernel, kernel), values[count:]
        if grey:
            # Three equal channels less their means, divided by the range: one channel does the same. Only without borders of
            # zeros, which the first layer has not.
            bias = bias - (weight.sum((2, 3)) @ MEANS) / RANGE
            weight = weight.sum(1, keepdims=True) / RANGE
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
        # dlib adds a border by itself only where the stride is 1.
        pads = [kernel // 2 if stride == 1 else 0] * 4
        inputs = [x, self.constant(weight.astype(np.float32)), self.constant(bias.astype(np.float32))]
        return self.add("Conv", inputs, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)

    def padded(self, x, channels, side):
        """With zeros behind the last channels, rows and columns."""
        if channels == 0 and side == 0:
            return x
        return self.add("Pad", [x, self.constant(np.array([0, 0, 0, 0, 0, channels, side, side], np.int64))])

    def block(self, x, inputs, outputs, side, halves):
        """A residual block; returns its output and the side of that."""
        stride = 2 if halves else 1
        y = self.add("Relu", [self.convolution(x, inputs, outputs, 3, stride)])
        y = self.convolution(y, outputs, outputs, 3)
        if halves:
            x = self.add("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
            learned, pooled = (side - 3) // 2 + 1, side // 2
            side = max(learned, pooled)
            y, x = self.padded(y, 0, side - learned), self.padded(x, outputs - inputs, side - pooled)
        return self.add("Relu", [self.add("Add", [y, x])]), side


def model(data):
    """The ONNX file's bytes for the bytes of a .dat file: grey crops (0 to 255) in, descriptors out."""
    graph = Graph(Dat(data))
    x = graph.add("Relu", [graph.convolution("crops", 3, BLOCKS[0][0], 7, 2, grey=True)])
    x = graph.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])
    channels, side = BLOCKS[0][0], ((CROP - 7) // 2 + 1 - 3) // 2 + 1
    for outputs, halves in BLOCKS:
        x, side = graph.block(x, channels, outputs, side, halves)
        channels = outputs
    x = graph.add("Flatten", [graph.add("GlobalAveragePool", [x])])
    last = graph.dat.layer("fc_2", channels * WIDTH, (WIDTH, channels)).reshape(channels, WIDTH)
    graph.add("MatMul", [x, graph.constant(last)], "descriptors")
    return graph.model("dlib128", {"crops": ["n", 1, CROP, CROP]}, {"descriptors": ["n", WIDTH]})


def load(path, threads):
    """A function from crops to descriptors."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model(path.read_bytes()), options, providers=["CPUExecutionProvider"])
    return lambda crops: session.run(None, {"crops": crops[:, None]})[0]
