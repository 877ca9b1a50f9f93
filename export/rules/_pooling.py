"""Rules of pooling operators."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from ..lowerings import portable
from .geometry import Window
from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("MaxPool")(max_pool)
    table.rule("AveragePool")(average_pool)
    table.rule("GlobalAveragePool")(global_average_pool)
    table.rule("GlobalMaxPool")(global_max_pool)
    table.rule("LpPool")(lp_pool)
    table.rule("GlobalLpPool")(global_lp_pool)


def max_pool(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dy goes to the first maximum of each window, in scan order.

    Behind a ReLU, what arrives at a maximum that is not positive is lost in the ReLU's mask.
    Masking dy here, at the size of the output, spares that mask at the size of the input. It must
    not be done where the cotangent in between is wanted, nor by a table whose ReLU ignores the
    forward value: such a table takes `plain_max_pool`.
    """
    x, y = node.inputs[0], node.outputs[0]
    if dys[0] is None or not g.is_rectified(x) or _asked(g, x):
        return plain_max_pool(g, node, dys)
    masked = g.lower("clip_gradient", dys[0], y, 0.0, None)
    (dx,) = plain_max_pool(g, node, (masked, *dys[1:]))
    g.vanishing.add(str(dx))
    return (dx,)


def plain_max_pool(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dy goes to the first maximum of each window, in scan order, whatever comes before."""
    if dys[0] is None or (len(dys) > 1 and dys[1] is not None):
        raise UnsupportedOpError(f"{node.label()}: its index output cannot carry a gradient")
    x, y = node.inputs[0], node.outputs[0]
    channels = int(g.static_shape(x, node)[1] or 0)
    if not g.is_float(x):  # quantized numbers have the order of the values they stand for
        x, y = (g.op("Cast", value, to=1) for value in (x, y))
    return (g.lower("max_pool_gradient", dys[0], x, y, Window.of(g, node), channels),)


def _asked(g: Graph, value: str) -> bool:
    """Whether the cotangent of a rectified value, or of what it is concatenated from, is wanted."""
    node = g.producer(value)
    parts = node.inputs if node is not None and node.op_type == "Concat" else ()
    return value in g.asked or any(_asked(g, part) for part in parts)


def average_pool(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dy / count goes to every element of the window."""
    window, dy = Window.of(g, node), str(dys[0])
    channels = int(g.static_shape(node.inputs[0], node)[1] or 0)
    counts = _counts(window, node)
    if counts.min() == counts.max():
        dy = g.mul(dy, g.scalar(1.0 / counts.flat[0]))
    else:
        dy = g.mul(dy, g.const(1.0 / counts[None, None], np.float32))
    if window.tiles:
        return (portable.upsample(g, dy, window.strides),)
    ones = np.ones((channels, 1, *window.kernel), np.float32)
    return (g.lower("conv_input_gradient", dy, ones, window, channels),)


def global_average_pool(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dy / (H W) goes everywhere."""
    shape = g.static_shape(node.inputs[0], node)
    area = np.prod([size or 1 for size in shape[2:]])
    scaled = g.mul(str(dys[0]), g.scalar(1.0 / area))
    return (g.lower("spread", scaled, (None, *shape[1:])),)


def global_max_pool(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dy is shared evenly by the maxima of a channel."""
    x = node.inputs[0]
    rank = len(g.static_shape(x, node))
    hit = g.op("Cast", g.op("Equal", x, node.outputs[0]), to=1)
    share = g.div(str(dys[0]), g.sum(hit, range(2, rank)))
    return (g.mul(hit, share),)


def lp_pool(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = (sum |x|^p)^(1/p): dx = sign(x) |x|^(p-1) times the sum of dy y^(1-p) over windows."""
    window, x = Window.of(g, node), node.inputs[0]
    channels = int(g.static_shape(x, node)[1] or 0)
    ones = np.ones((channels, 1, *window.kernel), np.float32)
    share = _lp_share(g, node, str(dys[0]))
    spread = g.lower("conv_input_gradient", share, ones, window, channels)
    return (g.mul(_lp_slope(g, node), spread),)


def global_lp_pool(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """As `lp_pool`, with one window."""
    return (g.mul(_lp_slope(g, node), _lp_share(g, node, str(dys[0]))),)


def _lp_slope(g: Graph, node: Node) -> str:
    """sign(x) |x|^(p - 1)."""
    x, p = node.inputs[0], node.attrs.get("p", 2)
    if p == 2:
        return x
    sign = g.op("Sign", x)
    return sign if p == 1 else g.mul(sign, g.op("Pow", g.op("Abs", x), g.scalar(p - 1.0)))


def _lp_share(g: Graph, node: Node, dy: str) -> str:
    """dy y^(1 - p), and 0 where y is."""
    y, zero, p = node.outputs[0], g.scalar(0.0), node.attrs.get("p", 2)
    share = g.div(dy, y if p == 2 else g.op("Pow", y, g.scalar(p - 1.0)))
    return g.op("Where", g.op("Equal", y, zero), zero, share)


def _counts(window: Window, node: Node) -> np.ndarray:
    """Divisor of every window: real elements, and paddings where count_include_pad says so."""
    include = node.attrs.get("count_include_pad", 0)
    declared = list(node.attrs.get("pads", [0] * 2 * window.rank))[window.rank :]
    if node.attrs.get("auto_pad", "NOTSET") != "NOTSET":
        declared = list(window.end)
    per_axis = []
    for i in range(window.rank):
        low = -window.begin[i] if include else 0
        high = window.size_in[i] + (max(declared[i], 0) if include else 0)
        positions = [
            sum(
                low <= o * window.strides[i] - window.begin[i] + q * window.dilations[i] < high
                for q in range(window.kernel[i])
            )
            for o in range(window.size_out[i])
        ]
        per_axis.append(positions)
    counts = np.array([np.prod(p) for p in product(*per_axis)], np.float64)
    return np.maximum(counts, 1).reshape([len(p) for p in per_axis])
