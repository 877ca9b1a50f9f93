"""Draw the weights of layers anew."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from pysal.redraw import How, redraw

from ..nodes import Node, reads
from ..quantized import DEQUANTIZE, PAIR, QUANTIZE, fold, quantized_to

PARAMETERS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm"), (1, 2)),
    "MatMul": (0, 1),
    **dict.fromkeys(("BatchNormalization", "InstanceNormalization"), (1, 2)),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization"), (1, 2)),
    "PRelu": (1,),
}
"""Operator -> its inputs that are learnt. Running means and variances of a normalization are not:
a variance drawn from a normal distribution may be negative."""


def weighted_layers(model: onnx.ModelProto, logits: str) -> dict[str, tuple[str, ...]]:
    """Layers with weights on the way to the logits, {first output: names of weights}, in order.

    Weights are initializers or Constant nodes of floats, or stored quantized; one that several
    layers read belongs to each of them. A bias that is added by a node of its own is not counted.
    """
    known = {*_tensors(model.graph), *_quantized(model.graph)}
    wanted, found = {logits}, {}
    for node in reversed(model.graph.node):
        if not any(output in wanted for output in node.output):
            continue
        wanted.update(reads(node))
        places = PARAMETERS.get(node.op_type, ())
        names = tuple(node.input[i] for i in places if i < len(node.input))
        names = tuple(name for name in names if name in known)
        if names:
            found[node.output[0]] = names
    return dict(reversed(found.items()))


def randomize(model: onnx.ModelProto, weights: Collection[str], *, seed: int, how: How) -> None:
    """Draw weights anew, in place; see `pysal.redraw`. Quantized ones are rounded as they were."""
    tensors, stored = _tensors(model.graph), _quantized(model.graph)
    for name in dict.fromkeys(weights):
        if name in stored:
            _redraw_quantized(model.graph, *stored[name], seed=seed, how=how)
            continue
        drawn = redraw(numpy_helper.to_array(tensors[name]), name, seed=seed, how=how)
        tensors[name].CopyFrom(numpy_helper.from_array(drawn, tensors[name].name))


def _tensors(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Float constants by the name of their value."""
    found = {i.name: i for i in graph.initializer if i.data_type == TensorProto.FLOAT}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            if node.attribute[0].t.data_type == TensorProto.FLOAT:
                found[node.output[0]] = node.attribute[0].t
    return found


def _quantized(graph: onnx.GraphProto) -> dict[str, tuple[str, onnx.NodeProto]]:
    """Weights behind a DequantizeLinear: their name -> the constant that is stored, and the node.

    The constant is of integers, or of floats that a QuantizeLinear in front rounds.
    """
    constants = {i.name for i in graph.initializer}
    fixed = [n for n in graph.node if n.op_type in PAIR and constants.issuperset(n.input[1:])]
    rounded = {n.output[0]: n.input[0] for n in fixed if n.op_type == QUANTIZE}
    found = {}
    for node in fixed:
        stored = rounded.get(node.input[0], node.input[0])
        if node.op_type == DEQUANTIZE and stored in constants:
            found[node.output[0]] = stored, node
    return found


def _redraw_quantized(
    graph: onnx.GraphProto, stored: str, node: onnx.NodeProto, *, seed: int, how: How
) -> None:
    """Draw anew what a node dequantizes, and store it in the same type with the same scale."""
    tensors = {i.name: i for i in graph.initializer}
    array, view = numpy_helper.to_array(tensors[stored]), Node.of(node)
    others = [numpy_helper.to_array(tensors[name]) for name in node.input[1:] if name]
    rounded = stored != node.input[0]
    real = array if rounded else fold(view, [array, *others], array.shape)
    drawn = np.asarray(redraw(real, node.output[0], seed=seed, how=how))
    kept = drawn if rounded else quantized_to(view, drawn, others, array.dtype)
    tensors[stored].CopyFrom(numpy_helper.from_array(kept, stored))
