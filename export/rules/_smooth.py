"""Rules of activations that are one operator in newer operator sets, and of other functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node

TANH_SCALE, TANH_CUBE = math.sqrt(2 / math.pi), 0.044715
"""Of the approximation 0.5 x (1 + tanh(a (x + b x^3))) of x * Phi(x)."""


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("Gelu")(gelu)
    table.rule("Mish")(mish)
    table.rule("Swish")(swish)
    table.rule("Softsign")(softsign)
    table.rule("ThresholdedRelu")(thresholded_relu)
    table.rule("Sin")(sine)
    table.rule("Cos")(cosine)


def gelu(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = x Phi(x): dx = dy (Phi(x) + x phi(x)); or of its approximation by tanh."""
    x = node.inputs[0]
    if node.attrs.get("approximate", "none") == "tanh":
        return (g.mul(str(dys[0]), _tanh_slope(g, x)),)
    bent = g.op("Erf", g.mul(x, g.scalar(math.sqrt(0.5))))
    share = g.mul(g.add(bent, g.scalar(1.0)), g.scalar(0.5))
    bell = g.op("Exp", g.mul(g.mul(x, x), g.scalar(-0.5)))
    rise = g.mul(g.mul(x, bell), g.scalar(1 / math.sqrt(2 * math.pi)))
    return (g.mul(str(dys[0]), g.add(share, rise)),)


def _tanh_slope(g: Graph, x: str) -> str:
    """With t = tanh(a (x + b x^3)): (1 + t) / 2 + x (1 - t^2) a (1 + 3 b x^2) / 2."""
    one, half, square = g.scalar(1.0), g.scalar(0.5), g.mul(x, x)
    cubic = g.add(one, g.mul(square, g.scalar(TANH_CUBE)))
    t = g.op("Tanh", g.mul(g.mul(x, cubic), g.scalar(TANH_SCALE)))
    inner = g.add(one, g.mul(square, g.scalar(3 * TANH_CUBE)))
    rise = g.mul(g.mul(x, g.sub(one, g.mul(t, t))), g.mul(inner, g.scalar(TANH_SCALE)))
    return g.mul(half, g.add(g.add(one, t), rise))


def mish(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = x t, t = tanh(softplus(x)): dx = dy (t + x (1 - t^2) sigmoid(x))."""
    x = node.inputs[0]
    t = g.op("Tanh", g.op("Softplus", x))
    slope = g.mul(g.sub(g.scalar(1.0), g.mul(t, t)), g.op("Sigmoid", x))
    return (g.mul(str(dys[0]), g.add(t, g.mul(x, slope))),)


def swish(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = x s, s = sigmoid(alpha x): dx = dy s (1 + alpha x (1 - s))."""
    x, one = node.inputs[0], g.scalar(1.0)
    bent = g.mul(x, g.scalar(node.attrs.get("alpha", 1.0)))
    s = g.op("Sigmoid", bent)
    return (g.mul(str(dys[0]), g.mul(s, g.add(one, g.mul(bent, g.sub(one, s))))),)


def softsign(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = x / (1 + |x|): dx = dy / (1 + |x|)^2."""
    below = g.add(g.scalar(1.0), g.op("Abs", node.inputs[0]))
    return (g.div(str(dys[0]), g.mul(below, below)),)


def thresholded_relu(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy where x > alpha."""
    above = g.op("Greater", node.inputs[0], g.scalar(node.attrs.get("alpha", 1.0)))
    return (g.op("Where", above, str(dys[0]), g.scalar(0.0)),)


def sine(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy cos(x)."""
    return (g.mul(str(dys[0]), g.op("Cos", node.inputs[0])),)


def cosine(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = -dy sin(x)."""
    return (g.op("Neg", g.mul(str(dys[0]), g.op("Sin", node.inputs[0]))),)
