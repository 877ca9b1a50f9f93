"""Guided backpropagation: at activations only what is positive, forward and backward, passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _quantization
from ._activations import ACTIVATIONS, activation_gradient, self_gate
from .gradient import GRADIENT
from .table import Cotangents, Rule

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node


def relu(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dy * [y > 0] * [dy > 0]; clamped first, where engines fuse it with what made dy."""
    clamped = g.op("Relu", str(dys[0]))
    if dys[0] in g.vanishing:
        g.vanishing.add(clamped)
    return GRADIENT.rules["Relu"](g, node, (clamped,))


def clamped(op_type: str) -> Rule:
    """Rule of an activation other than ReLU: the signal is clamped behind the true derivative."""

    def rule(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
        dx, *rest = GRADIENT.rules[op_type](g, node, dys)
        return [g.op("Relu", str(dx)), *rest]

    return rule


def mul(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """A product, unless it is an activation x * gate(x): then the whole derivative is clamped."""
    found = self_gate(g, node)
    if found is None:
        return GRADIENT.rules["Mul"](g, node, dys)
    x, gate, steps = found
    whole = activation_gradient(g, node, str(dys[0]))
    if whole is not None:
        return [g.op("Relu", dx) if dx is not None else None for dx in whole]
    through = g.mul(str(dys[0]), x)
    for step in steps:
        dxs = GRADIENT.rules[step.op_type](g, step, (through,))
        through = next(
            str(dx) for dx, i in zip(dxs, step.inputs, strict=True) if not g.is_constant(i)
        )
    dx = g.op("Relu", g.add(g.mul(str(dys[0]), gate), through))
    return [dx if value == x else None for value in node.inputs]


GUIDED = GRADIENT.overlay(
    "guided_backprop",
    **{op_type: clamped(op_type) for op_type in ACTIVATIONS if op_type != "Relu"},
    Relu=relu,
    Mul=mul,
    QuantizeLinear=_quantization.guided(_quantization.quantize),
)
"""ReLU: dy * [y > 0] * [dy > 0]; everything else as in the gradient [1]_.

Other activations (ReLU6 and other clips, leaky and exponential ones, SiLU and whatever else is
x * gate(x)) have no rule in the literature: their true derivative is followed by the same clamp.
Sigmoid, Tanh and the gates of squeeze-and-excitation keep their gradient.

Inherited from the gradient, and right here: MaxPool masks the signal behind a ReLU, and the ReLU
then leaves its mask out, because the mask is part of this rule too.

References
----------
.. [1] Springenberg et al., Striving for simplicity, ICLR workshop 2015, section 3.4.
"""
