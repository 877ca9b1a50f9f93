"""Rules of operators that work element by element; `y` is the output, `x` the input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ._activations import activation_gradient
from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node, Shape


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("Identity", "Dropout")(identity)
    table.rule("Cast", "CastLike")(cast)
    for op_type, rule in BINARY.items():
        table.rule(op_type, broadcast=True)(rule)
    for op_type, rule in UNARY.items():
        table.rule(op_type)(rule)


def identity(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = x; a Dropout in a file for inference is one."""
    return dys[0], *[None] * (len(node.inputs) - 1)


def cast(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = x in another float type."""
    return g.op("CastLike", str(dys[0]), node.inputs[0]), *[None] * (len(node.inputs) - 1)


# ---- binary and variadic; the walk sums over broadcast axes ------------------------------------


def add(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = a + b + ..."""
    return [dys[0]] * len(node.inputs)


def sub(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = a - b."""
    return dys[0], g.op("Neg", str(dys[0]))


def mul(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = a * b; SiLU, x * sigmoid(x), as the one activation that it is."""
    whole = activation_gradient(g, node, str(dys[0]))
    if whole is not None:
        return whole
    a, b = node.inputs
    sizes = [g.shape(name) or () for name in (a, b)]
    if _is_gate(sizes[1], sizes[0]):
        return tuple(g.lower("gate_gradient", dys[0], a, b, sizes[0]))
    if _is_gate(sizes[0], sizes[1]):
        return tuple(g.lower("gate_gradient", dys[0], b, a, sizes[1])[::-1])
    return g.mul(str(dys[0]), b), g.mul(str(dys[0]), a)


def _is_gate(gate: Shape, x: Shape) -> bool:
    """Whether a shape is (N, C, 1, 1) beside (N, C, H, W)."""
    return len(gate) == len(x) == 4 and gate == (*x[:2], 1, 1) and gate != x


def div(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = a / b."""
    da = g.div(str(dys[0]), node.inputs[1])
    return da, g.op("Neg", g.mul(da, node.outputs[0]))


def power(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = a ** b, for a constant exponent or a positive base."""
    a, b = node.inputs
    da = g.mul(str(dys[0]), g.mul(b, g.op("Pow", a, g.sub(b, g.scalar(1.0)))))
    if g.constant(b) is not None:
        return da, None
    return da, g.mul(str(dys[0]), g.mul(node.outputs[0], g.op("Log", a)))


def mean(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = (a + b + ...) / n."""
    return [g.mul(str(dys[0]), g.scalar(1.0 / len(node.inputs)))] * len(node.inputs)


def extremum(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = max or min of the inputs; ties go to the first."""
    remaining, dxs = str(dys[0]), []
    for x in node.inputs[:-1]:
        hit = g.op("Equal", x, node.outputs[0])
        dxs.append(g.op("Where", hit, remaining, g.scalar(0.0)))
        remaining = g.sub(remaining, dxs[-1])
    return [*dxs, remaining]


def where(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = a where the condition holds, else b."""
    condition, zero, dy = node.inputs[0], g.scalar(0.0), str(dys[0])
    return None, g.op("Where", condition, dy, zero), g.op("Where", condition, zero, dy)


def prelu(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = x where x > 0, else slope * x."""
    x, slope = node.inputs
    positive, dy = g.op("Greater", x, g.scalar(0.0)), str(dys[0])
    dx = g.op("Where", positive, dy, g.mul(dy, slope))
    return dx, g.op("Where", positive, g.scalar(0.0), g.mul(dy, x))


# ---- unary -------------------------------------------------------------------------------------


def relu(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy where y > 0; nothing to do where dy is known to vanish elsewhere."""
    if dys[0] in g.vanishing:
        return (dys[0],)
    return (g.lower("clip_gradient", str(dys[0]), node.outputs[0], 0.0, None),)


def clip(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy strictly inside the bounds."""
    bounds: list[float | None] = [node.attrs.get("min"), node.attrs.get("max")]
    for i, name in enumerate(node.inputs[1:]):
        bound = g.constant(name) if name else None
        if name and bound is None:
            y = node.outputs[0]
            inside = g.op("Greater", y, name) if i == 0 else g.op("Less", y, name)
            dys = (g.op("Where", inside, str(dys[0]), g.scalar(0.0)),)
        elif bound is not None:
            bounds[i] = float(bound.item())
    low, high = (b if b is not None and abs(b) < 1e37 else None for b in bounds)
    dx = g.lower("clip_gradient", str(dys[0]), node.outputs[0], low, high)
    return dx, *[None] * (len(node.inputs) - 1)


def leaky_relu(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy where x > 0, else alpha * dy."""
    alpha, dy = node.attrs.get("alpha", 0.01), str(dys[0])
    positive = g.op("Greater", node.inputs[0], g.scalar(0.0))
    return (g.op("Where", positive, dy, g.mul(dy, g.scalar(alpha))),)


def elu(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Elu, Selu, Celu: gamma where x > 0, else gamma * alpha * exp(x / s) / s."""
    alpha = node.attrs.get("alpha", 1.6732632 if node.op_type == "Selu" else 1.0)
    gamma = node.attrs.get("gamma", 1.0507010) if node.op_type == "Selu" else 1.0
    x, dy = node.inputs[0], str(dys[0])
    if node.op_type == "Celu":
        slope = g.op("Exp", g.mul(x, g.scalar(1.0 / alpha)))
    else:
        slope = g.mul(g.op("Exp", x), g.scalar(alpha * gamma))
    scaled = g.mul(dy, g.scalar(gamma)) if gamma != 1.0 else dy
    positive = g.op("Greater", x, g.scalar(0.0))
    return (g.op("Where", positive, scaled, g.mul(dy, slope)),)


def sigmoid(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy * y * (1 - y)."""
    y = node.outputs[0]
    return (g.mul(str(dys[0]), g.mul(y, g.sub(g.scalar(1.0), y))),)


def hard_sigmoid(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = alpha * dy strictly between the plateaus."""
    dy = g.mul(str(dys[0]), g.scalar(node.attrs.get("alpha", 0.2)))
    return (g.lower("clip_gradient", dy, node.outputs[0], 0.0, 1.0),)


def hard_swish(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = x * h(x) with h = clip(x / 6 + 1/2, 0, 1): dx = dy * (h + x * h'(x))."""
    return (g.lower("hard_swish_gradient", str(dys[0]), node.inputs[0]),)


def tanh(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy * (1 - y^2)."""
    y = node.outputs[0]
    return (g.mul(str(dys[0]), g.sub(g.scalar(1.0), g.mul(y, y))),)


def erf(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy * 2 / sqrt(pi) * exp(-x^2)."""
    x = node.inputs[0]
    bell = g.op("Exp", g.op("Neg", g.mul(x, x)))
    return (g.mul(str(dys[0]), g.mul(bell, g.scalar(2.0 / math.sqrt(math.pi)))),)


def softplus(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy * sigmoid(x)."""
    return (g.mul(str(dys[0]), g.op("Sigmoid", node.inputs[0])),)


def exp(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy * y."""
    return (g.mul(str(dys[0]), node.outputs[0]),)


def log(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy / x."""
    return (g.div(str(dys[0]), node.inputs[0]),)


def sqrt(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy / (2 y)."""
    return (g.div(g.mul(str(dys[0]), g.scalar(0.5)), node.outputs[0]),)


def reciprocal(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = -dy * y^2."""
    y = node.outputs[0]
    return (g.op("Neg", g.mul(str(dys[0]), g.mul(y, y))),)


def negate(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = -dy."""
    return (g.op("Neg", str(dys[0])),)


def absolute(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy * sign(x)."""
    return (g.mul(str(dys[0]), g.op("Sign", node.inputs[0])),)


BINARY = {
    **{"Add": add, "Sum": add, "Sub": sub, "Mul": mul, "Div": div, "Pow": power, "Mean": mean},
    **{"Max": extremum, "Min": extremum, "Where": where, "PRelu": prelu},
}
UNARY = {
    **{"Relu": relu, "Clip": clip, "LeakyRelu": leaky_relu, "Elu": elu, "Selu": elu, "Celu": elu},
    **{"Sigmoid": sigmoid, "HardSigmoid": hard_sigmoid, "HardSwish": hard_swish, "Tanh": tanh},
    **{"Erf": erf, "Softplus": softplus, "Exp": exp, "Log": log, "Sqrt": sqrt},
    **{"Reciprocal": reciprocal, "Neg": negate, "Abs": absolute},
}
