"""DeconvNet: at activations the signal itself is rectified; what was active is not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _quantization
from ._activations import ACTIVATIONS, self_gate
from ._pooling import plain_max_pool
from .gradient import GRADIENT
from .table import Cotangents

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node


def rectify(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dy * [dy > 0], whatever the activation did."""
    return [g.op("Relu", str(dys[0]))] + [None] * (len(node.inputs) - 1)


def mul(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """A product, unless it is an activation x * gate(x)."""
    found = self_gate(g, node)
    if found is None:
        return GRADIENT.rules["Mul"](g, node, dys)
    dx = g.op("Relu", str(dys[0]))
    return [dx if value == found[0] else None for value in node.inputs]


DECONVNET = GRADIENT.overlay(
    "deconvnet",
    **dict.fromkeys(ACTIVATIONS, rectify),
    Mul=mul,
    MaxPool=plain_max_pool,
    QuantizeLinear=_quantization.rectified(_quantization.quantize),
)
"""Activations: dy * [dy > 0] [1]_; everything else as in the gradient.

Max pooling sends the signal to the maxima of the forward pass (the recorded switches). The
gradient's rule, which masks behind a ReLU, would bring in the forward state that the ReLU ignores:
not inherited.

References
----------
.. [1] Zeiler and Fergus, Visualizing and understanding convolutional networks, ECCV 2014,
   section 2.1.
"""
