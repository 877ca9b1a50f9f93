"""Which forward values ONNX Runtime's CPU provider keeps in blocks of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graph import Graph

KEEPING = {
    *("BatchNormalization", "Add", "Mul", "Relu", "Sigmoid", "Tanh", "Clip", "HardSigmoid"),
    "HardSwish",
}
"""Operators that stay in the blocked layout where their computed inputs are of one shape."""


def blocked_channels(g: Graph, value: str) -> int | None:
    """Number of channels of a forward value that comes from a Conv and stayed in its layout.

    None for everything else, tokens and values with channels last among them.
    """
    shape, found = g.shape(value), value
    if shape is None or len(shape) != 4:
        return None
    while (node := g.producer(found)) is not None and node.op_type in KEEPING:
        computed = [name for name in node.inputs if name and not g.is_constant(name)]
        if any(g.shape(name) != shape for name in computed):
            return None
        found = computed[0]
    return shape[1] if node is not None and node.op_type == "Conv" else None
