"""Activations: operators of one, and products of a value with a gate made of the value itself.

SiLU is exported as x * Sigmoid(x), and GELU, Mish and hard swish also come as x * gate(x). Tables
that treat activations in their own way must see such a product as one activation: taken apart, the
clamp of a modified rule would have no place, as neither factor is the activation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .table import Cotangents

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node

ACTIVATIONS = (
    *("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "HardSwish", "Softplus"),
    *("Gelu", "Mish", "Swish", "ThresholdedRelu"),
)
"""Operators in the role of a ReLU. Sigmoid and Tanh are gates and squashings: not among them."""

GATES = {"Sigmoid", "HardSigmoid", "Erf", "Tanh", "Softplus", "Clip", "Relu"}
STEPS = GATES | {"Add", "Sub", "Mul", "Div", "QuantizeLinear", "DequantizeLinear"}


def self_gate(g: Graph, node: Node) -> tuple[str, str, list[Node]] | None:
    """Recognize x * gate(x), with a gate of element-wise steps and constants.

    Returns
    -------
    x, gate : str
        The two factors.
    steps : list of Node
        From the gate back to x.
    """
    for x, gate in (node.inputs, node.inputs[::-1]):
        steps = _steps(g, x, gate)
        if any(step.op_type in GATES for step in steps):
            return x, gate, steps
    return None


def _steps(g: Graph, x: str, gate: str) -> list[Node]:
    """Nodes from `gate` back to `x`; empty where there is no such chain."""
    steps: list[Node] = []
    while gate != x:
        node = g.producer(gate)
        if node is None or node.op_type not in STEPS or g.shape(gate) != g.shape(x):
            return []
        computed = [value for value in node.inputs if value and not g.is_constant(value)]
        if len(computed) != 1:
            return []
        steps.append(node)
        gate = computed[0]
    return steps


def activation_gradient(g: Graph, node: Node, dy: str) -> Cotangents | None:
    """Cotangents of the factors of x * sigmoid(x), all of it at x; None for other products.

    None too where the cotangent of the gate itself is wanted.
    """
    for x, gate in (node.inputs, node.inputs[::-1]):
        maker = g.producer(gate)
        if maker is None or maker.op_type != "Sigmoid" or maker.inputs[0] != x or gate in g.asked:
            continue
        dx = g.lower("silu_gradient", dy, x, gate, node.outputs[0])
        return [dx if value == x else None for value in node.inputs]
    return None
