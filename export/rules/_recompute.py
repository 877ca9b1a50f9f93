"""The real value in front of a QuantizeLinear, computed beside the forward nodes.

Engines run DequantizeLinear, Conv, QuantizeLinear as one integer kernel, unless anything else reads
the Conv. A backward pass that did would change the rounding of the forward pass, and with it the
scores. So it reads a copy: of another form, or with the weights as they are after dequantization,
because engines merge nodes that are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node


def recompute(g: Graph, value: str) -> str:
    """A value equal to `value` up to rounding; itself where no copy is needed or known."""
    node = g.producer(value)
    if node is None or not any(_is_pair(g, name) for name in node.inputs):
        return value
    computed = [name for name in node.inputs if name and not g.is_constant(name)]
    if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul") and len(computed) == 1:
        return _with_plain_weights(g, node)
    if node.op_type == "Add":
        return g.op("Sum", *node.inputs)
    if node.op_type == "Mul":
        return g.op("Mul", *node.inputs[::-1])
    rank = len(g.shape(value) or ())
    if node.op_type == "Concat" and rank:
        axis = node.attrs["axis"]
        return g.op("Concat", *node.inputs, axis=axis - rank if axis >= 0 else axis + rank)
    if node.op_type == "GlobalAveragePool" and rank:
        return _mean(g, node.inputs[0], rank)
    return value


def _is_pair(g: Graph, value: str) -> bool:
    """Whether a computed value was dequantized."""
    node = g.producer(value)
    return node is not None and node.op_type == "DequantizeLinear" and not g.is_constant(value)


def _with_plain_weights(g: Graph, node: Node) -> str:
    inputs = []
    for name in node.inputs:
        array = g.constant(name) if name else None
        inputs.append(name if array is None else g.const(array))
    return g.op(node.op_type, *inputs, **node.attrs)


def _mean(g: Graph, x: str, rank: int) -> str:
    axes = list(range(2, rank))
    if g.opset >= 18:
        return g.op("ReduceMean", x, g.ints(axes))
    return g.op("ReduceMean", x, axes=axes)
