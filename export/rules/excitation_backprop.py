"""Excitation backpropagation: the signal is shared among inputs by what they excite."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from .gradient import GRADIENT
from .table import Cotangents, Rule

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node

EPSILON = 1e-20
"""Added to denominators [2]_."""


def weighted(sign: float) -> Rule:
    """Rule of Conv, ConvTranspose, Gemm and MatMul with W+ = max(sign * W, 0), bias dropped."""

    def rule(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
        constant = [i for i, v in enumerate(node.inputs[:2]) if g.is_constant(v)]
        if len(constant) != 1:  # a product of two activations
            return GRADIENT.rules[node.op_type](g, node, dys)
        if any(v and not g.is_constant(v) for v in node.inputs[2:]):
            raise UnsupportedOpError(f"{node.label()}: its bias is computed; it must be constant")
        place = 1 - constant[0]
        positive = _positive(g, node, constant[0], sign)
        excited = g.op(node.op_type, *positive.inputs, **positive.attrs)
        q = quotient(g, str(dys[0]), excited)
        back = str(GRADIENT.rules[node.op_type](g, positive, (q,))[place])
        return _to_input(g, node, place, back)

    return rule


def average(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Means and sums: the same rule, with the operator's own positive weights."""
    q = quotient(g, str(dys[0]), node.outputs[0])
    back = str(GRADIENT.rules[node.op_type](g, node, (q, *dys[1:]))[0])
    return _to_input(g, node, 0, back)


def add(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """P a_i / (a_1 + a_2 + ...); constants are biases and get nothing."""
    terms = [v for v in node.inputs if not g.is_constant(v)]
    if len(terms) == 1:
        return [dys[0] if v == terms[0] else None for v in node.inputs]
    total = node.outputs[0] if len(terms) == len(node.inputs) else g.op("Sum", *terms)
    q = quotient(g, str(dys[0]), total)
    return [g.mul(q, v) if v in terms else None for v in node.inputs]


def scale(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """A factor that is constant passes the signal on, as batch normalization does."""
    data = [v for v in node.inputs if not g.is_constant(v)]
    if len(data) != 1 or (node.op_type == "Div" and data[0] != node.inputs[0]):
        return GRADIENT.rules[node.op_type](g, node, dys)
    return [dys[0] if v == data[0] else None for v in node.inputs]


def normalization(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Identity on the signal."""
    return [dys[0]] + [None] * (len(node.inputs) - 1)


def quotient(g: Graph, p: str, total: str) -> str:
    """P / (total + eps), and zero where the total is exactly zero.

    There nothing was excited and the factor that follows is zero too, but engines that compute
    convolutions by transforms would spread P / eps over its neighbours.
    """
    q = g.div(p, g.add(total, g.scalar(EPSILON)))
    zero = g.scalar(0.0)
    return g.op("Where", g.op("Equal", total, zero), zero, q)


def _positive(g: Graph, node: Node, place: int, sign: float) -> Node:
    """The node with the positive part of its weights, and without bias."""
    weight = np.asarray(g.constant(node.inputs[place]), np.float32)
    factor = sign * node.attrs.get("alpha", 1.0)
    inputs = list(node.inputs[:2])
    inputs[place] = g.const(np.maximum(factor * weight, 0.0), np.float32)
    attrs = {k: v for k, v in node.attrs.items() if k not in ("alpha", "beta")}
    return dataclasses.replace(node, inputs=tuple(inputs), attrs=attrs)


def _to_input(g: Graph, node: Node, place: int, back: str) -> Cotangents:
    """Multiply by the layer's input, which is zero where its ReLU was."""
    p = g.mul(node.inputs[place], back)
    if g.is_rectified(node.inputs[place]):
        g.vanishing.add(p)
    return [p if i == place else None for i in range(len(node.inputs))]


_LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_MEANS = ("AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum")

EXCITATION = GRADIENT.overlay(
    "excitation_backprop",
    **dict.fromkeys(_LINEAR, weighted(1.0)),
    **dict.fromkeys(_MEANS, average),
    **dict.fromkeys(("Add", "Sum"), add),
    **dict.fromkeys(("Mul", "Div"), scale),
    BatchNormalization=normalization,
)
"""P_in = a * f^T(P / (f(a; W+) + eps); W+) at linear layers [1]_, [2]_.

f is the layer without bias and W+ the positive part of its weights; means use their own weights.
Additions of branches share P in proportion, a_i / (a_1 + a_2), with eps. Batch normalization and
constant factors pass P on. Everything else, ReLU and max pooling first of all, has its ordinary
gradient, so on networks of other activations P is not conserved.

Layer inputs must not be negative, as the image is: stop at a layer behind the first ReLU. Where an
exporter has folded batch normalization into Convs (torch does), W+ is that of the product, and the
normalization's shift is dropped with the bias.

Inherited from the gradient, and right here: MaxPool masks behind a ReLU, and the ReLU is spared its
mask; a linear layer's P is zero where its input is, so behind a ReLU that is used too.

References
----------
.. [1] Zhang et al., Top-down neural attention by excitation backprop, ECCV 2016, eq. 7 and 8.
.. [2] TorchRay, torchray/attribution/excitation_backprop.py.
"""

NEGATED = EXCITATION.overlay("excitation_negated", **dict.fromkeys(_LINEAR, weighted(-1.0)))
"""The same with W+ = max(-W, 0): from the logits to the input of the last linear layer, it gives
the signal that contrastive excitation backpropagation subtracts there [1]_ (section 3.3).
"""
