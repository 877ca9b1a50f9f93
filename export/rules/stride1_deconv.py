"""Guided backpropagation in which strided layers work as if their stride were one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from ..lowerings import portable
from ._pooling import plain_max_pool
from ._resample import nearest_exact
from .geometry import Window
from .gradient import GRADIENT
from .guided_backprop import GUIDED
from .table import Cotangents

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node

FAR_BELOW = -1e30
"""Padding of max pools. They are padded apart, as engines refuse to pad as wide as the kernel; and
not by the lowest float, or ONNX Runtime puts the padding back into the pool."""


def conv(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Resize dy to the size of the unstrided output, then transpose the unstrided Conv."""
    weight = g.constant(node.inputs[1])
    if weight is None or not _is_strided(node):
        return GRADIENT.rules["Conv"](g, node, dys)
    window = Window.of(g, node, weight.shape[2:])
    dense = unstrided(window, node)
    dy = nearest_exact(g, str(dys[0]), window.size_out, dense.size_out)
    dx = g.lower("conv_input_gradient", dy, weight, dense, node.attrs.get("group", 1))
    return [dx] + [None] * (len(node.inputs) - 1)


def average_pool(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """As a depth-wise Conv with weights 1 / (elements of the window)."""
    if not _is_strided(node):
        return GRADIENT.rules["AveragePool"](g, node, dys)
    window = Window.of(g, node)
    dense = unstrided(window, node)
    channels = int(g.static_shape(node.inputs[0], node)[1] or 0)
    dy = nearest_exact(g, str(dys[0]), window.size_out, dense.size_out)
    weight = np.full((channels, 1, *window.kernel), 1.0 / np.prod(window.kernel), np.float32)
    return (g.lower("conv_input_gradient", dy, weight, dense, channels),)


def max_pool(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Resize dy, then route it to the maxima of a pool with stride one over the same input."""
    if not _is_strided(node):
        return plain_max_pool(g, node, dys)
    if dys[0] is None or (len(dys) > 1 and dys[1] is not None):
        raise UnsupportedOpError(f"{node.label()}: its index output cannot carry a gradient")
    x, window = node.inputs[0], Window.of(g, node)
    dense = unstrided(window, node)
    channels = int(g.static_shape(x, node)[1] or 0)
    padded = portable.shift(g, x, dense.begin, dense.end, FAR_BELOW)
    y = g.op("MaxPool", padded, kernel_shape=list(dense.kernel), dilations=list(dense.dilations))
    dy = nearest_exact(g, dys[0], window.size_out, dense.size_out)
    return (g.lower("max_pool_gradient", dy, x, y, dense, channels),)


def unstrided(window: Window, node: Node) -> Window:
    """The same window at stride one, on the declared padding and that of ceil_mode."""
    declared = (0,) * window.rank
    if node.attrs.get("auto_pad", "NOTSET") == "NOTSET":
        declared = tuple(node.attrs.get("pads", declared * 2))[window.rank :]
    end = tuple(max(d, e) for d, e in zip(declared, window.end, strict=True))
    reach = [d * (k - 1) + 1 for d, k in zip(window.dilations, window.kernel, strict=True)]
    padded = zip(window.size_in, window.begin, end, reach, strict=True)
    size_out = tuple(n + b + e - r + 1 for n, b, e, r in padded)
    ones = (1,) * window.rank
    return dataclasses.replace(window, strides=ones, end=end, size_out=size_out)


def _is_strided(node: Node) -> bool:
    return any(s > 1 for s in node.attrs.get("strides", ()))


STRIDE1 = GUIDED.overlay("stride1_deconv", Conv=conv)
"""Guided backpropagation, with the stride-1 rule at strided Convs [1]_.

Where the stride S exceeds one, the signal (B elements per axis) is resized by nearest neighbour to
the A + O_t + O_b - d (M - 1) elements that the layer would have with stride one (input A, paddings
O, kernel M, dilation d), then goes through the transposed convolution with stride one; groups each
for itself, biases unused. That removes the grid that strided layers leave. A is the size of the
layer's own input; the published code takes the network's. Strided 1 x 1 Convs of shortcuts have the
rule too. The resized signal weighs about S^2 times as much.

Pools, matrix products and all else are those of guided backpropagation, as in the published demo.

References
----------
.. [1] Oramas, Wang, Tuytelaars, Visual explanation by interpretation, ICLR 2019, section 3.3.
"""

STRIDE1_POOL = STRIDE1.overlay("stride1_deconv_pool", AveragePool=average_pool, MaxPool=max_pool)
"""The same with strided pools, of which the paper's text speaks and its code does not.

Average pools are Convs with equal weights, 1 / M^2 at borders too; max pools send the resized
signal to the maxima of a pool with stride one, recomputed on the layer's input. Windows that
ceil_mode adds lie on padding that is then part of the layer. Max pools never mask behind a ReLU
here; the ReLU does it itself.
"""
