"""Constants in the form in which a pass can change their type."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

EPSILON = 1e-5
"""Default of BatchNormalization."""


def constants_to_initializers(graph: onnx.GraphProto) -> None:
    """Turn Constant nodes that hold a tensor or float numbers into initializers, in place."""
    nodes = []
    for node in graph.node:
        tensor = _tensor(node) if node.op_type == "Constant" else None
        if tensor is None:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
        else:
            graph.initializer.append(tensor)
    del graph.node[:]
    graph.node.extend(nodes)


def _tensor(node: onnx.NodeProto) -> onnx.TensorProto | None:
    attribute = node.attribute[0]
    if attribute.name == "value":
        tensor = onnx.TensorProto()
        tensor.CopyFrom(attribute.t)
        tensor.name = node.output[0]
        return tensor
    if attribute.name in ("value_float", "value_floats"):
        array = np.array(helper.get_attribute_value(attribute), np.float32)
        return numpy_helper.from_array(array, node.output[0])
    return None


def fold_batch_norm(graph: onnx.GraphProto, ranks: Mapping[str, int]) -> None:
    """Write BatchNormalization of constants as x * scale + shift, in place.

    scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale, in float64: a variance
    may be no 16-bit number where the scale is one.
    """
    weights = {i.name: i for i in graph.initializer}
    nodes = []
    for node in graph.node:
        rank = ranks.get(node.input[0], 0) if node.input else 0
        constant = all(name in weights for name in node.input[1:])
        outputs = [name for name in node.output if name]
        if node.op_type != "BatchNormalization" or not (rank and constant and len(outputs) == 1):
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
            continue
        gamma, beta, mean, variance = (
            numpy_helper.to_array(weights[name]).astype(np.float64) for name in node.input[1:5]
        )
        attrs = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        scale = gamma / np.sqrt(variance + attrs.get("epsilon", EPSILON))
        name = node.output[0]
        for part, array in (("scale", scale), ("shift", beta - mean * scale)):
            shaped = array.astype(np.float32).reshape(-1, *[1] * (rank - 2))
            graph.initializer.append(numpy_helper.from_array(shaped, f"{name}/{part}"))
        scaled = f"{name}/scaled"
        nodes.append(helper.make_node("Mul", [node.input[0], f"{name}/scale"], [scaled], scaled))
        label = node.name or name
        nodes.append(helper.make_node("Add", [scaled, f"{name}/shift"], [name], label))
    del graph.node[:]
    graph.node.extend(nodes)
