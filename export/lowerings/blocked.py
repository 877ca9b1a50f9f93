"""Which values ONNX Runtime's CPU provider keeps in blocks of channels, and how to bring one there.

The provider rewrites Convs with constant weights to a layout in blocks of channels (NCHWc), and
what follows them as long as every input of a node is in it. One plain input of a sum or a product
is enough to bring the others, and all that comes after, back to NCHW: two passes over memory for
every node on the way. A depth-wise 1 x 1 Conv with ones takes the plain one along instead. What is
said here decides about speed only: the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node, Shape

BLOCK = 16
"""Channels of a block where a register holds 16 numbers; 8 elsewhere."""
UNARY = {
    *("Relu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "BatchNormalization"),
    *("MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"),
}


def channels_of(g: Graph, value: str) -> int | None:
    """Number of channels of a value that is kept in blocks; None for a plain one."""
    known = g.blocked
    if not known:  # in order, so that no question about the forward pass goes deep
        for node in g.nodes:
            for output in node.outputs:
                known[output] = _channels(g, node, lambda name: known.get(name))
    if value not in known:
        added = g.appended(value)
        known[value] = _channels(g, added, lambda name: channels_of(g, name)) if added else None
    return known[value]


def join(g: Graph, value: str, other: str) -> str:
    """`value` in blocks if `other`, a value of the same shape, is; else as it is."""
    channels = channels_of(g, other)
    if channels is None or channels_of(g, value) is not None:
        return value
    ones = g.const(np.ones((channels, 1, 1, 1), np.float32))
    return g.op("Conv", value, ones, group=channels, kernel_shape=[1, 1])


def _channels(g: Graph, node: Node, of: Callable[[str], int | None]) -> int | None:
    """Channels of a node's output, by those of its inputs."""
    if node.op_type == "Conv":
        weight = node.inputs[1]
        shape = (g.shape(weight) or ()) if g.is_constant(weight) else ()
        return shape[0] if len(shape) == 4 and (shape[0] or 0) >= BLOCK else None
    if node.op_type in UNARY:
        return of(node.inputs[0])
    if node.op_type not in ("Add", "Mul", "Concat"):
        return None
    found = [of(name) for name in node.inputs]
    sizes = [count for count in found if count is not None]
    if len(sizes) < len(found):
        return None
    if node.op_type == "Concat":
        whole = all(count % BLOCK == 0 for count in sizes)
        return sum(sizes) if node.attrs.get("axis") == 1 and whole else None
    return sizes[0] if _alike([g.shape(name) for name in node.inputs]) else None


def _alike(shapes: Sequence[Shape | None]) -> bool:
    """Whether nothing is broadcast, as far as is known: new values have no shape here."""
    known = [shape[1:] for shape in shapes if shape]
    one_per_channel = any(set(shape[1:]) == {1} for shape in known)
    return len(set(known)) <= 1 and not (one_per_channel and len(known) < len(shapes))
