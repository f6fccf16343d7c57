"""Nodes and weights of an ONNX graph, added one after another; for peers/ and teacher/, each of which has an
environment with onnx."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Nodes:
    def __init__(self):
        self.nodes, self.weights = [], []

    def constant(self, values):
        """Adds weights, of the type that they have; returns their name."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind, inputs, output=None, **attributes):
        """Adds a node; returns the name of its output."""
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def model(self, name, inputs, outputs):
        """The file's bytes. `inputs` and `outputs`: shapes by name, all of f32."""
        infos = [
            [helper.make_tensor_value_info(each, TensorProto.FLOAT, shape) for each, shape in shapes.items()]
            for shapes in (inputs, outputs)
        ]
        made = helper.make_graph(self.nodes, name, *infos, self.weights)
        whole = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(whole)
        return whole.SerializeToString()
