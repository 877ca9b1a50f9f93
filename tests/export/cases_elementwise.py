"""Cases of element-wise and broadcasting operators."""

from __future__ import annotations

from typing import Any

import numpy as np
from case_table import Draw, case, choice, flag, image, integer, normal, opset, positive, with_axes
from checker import Case, Net

SMOOTH = ("Sigmoid", "Tanh", "Erf", "Softplus", "Exp", "Neg", "Identity")
ALPHA = {"LeakyRelu": (0.0, 0.3), "Elu": (0.7, 1.5), "Celu": (0.5, 2.0), "Selu": (1.2, 1.7)}
POSITIVE = ("Log", "Sqrt", "Reciprocal")
SINCE = {"Celu": 12, "Erf": 9, "HardSwish": 14, "CastLike": 15}


@case("Relu", "Abs", *SMOOTH)
def plain(draw: Draw, op_type: str) -> Case:
    net = Net(2 * image(draw), opset(draw, SINCE.get(op_type, 7)))
    return net.case(net.op(op_type, "x"))


@case("HardSwish")
def hard_swish(draw: Draw, op_type: str) -> Case:
    net = Net(4 * image(draw), opset(draw, 14))
    return net.case(net.op(op_type, "x"))


@case(*POSITIVE)
def positive_argument(draw: Draw, op_type: str) -> Case:
    sign = choice(draw, 1, -1) if op_type == "Reciprocal" else 1
    net = Net(sign * positive(draw, 2, 3, 4, 5), opset(draw, 7))
    return net.case(net.op(op_type, "x"))


@case(*ALPHA)
def with_alpha(draw: Draw, op_type: str) -> Case:
    net = Net(2 * image(draw), opset(draw, SINCE.get(op_type, 7)))
    attrs = {} if flag(draw) else {"alpha": choice(draw, *ALPHA[op_type])}
    if op_type == "Selu" and attrs:
        attrs["gamma"] = 0.8
    return net.case(net.op(op_type, "x", **attrs))


@case("HardSigmoid")
def hard_sigmoid(draw: Draw, op_type: str) -> Case:
    net = Net(3 * image(draw), opset(draw, 7))
    attrs = {} if flag(draw) else {"alpha": 1.0 / 6.0, "beta": choice(draw, 0.5, 0.1)}
    return net.case(net.op(op_type, "x", **attrs))


@case("Clip")
def clip(draw: Draw, op_type: str) -> Case:
    net = Net(2 * image(draw), opset(draw, 7))
    low, high = choice(draw, None, 0.0, -0.5), choice(draw, None, 6.0, 1.0)
    if net.opset < 11:
        given = {"min": low, "max": high}
        return net.case(net.op(op_type, "x", **{k: v for k, v in given.items() if v is not None}))
    bounds = [net.const(b) if b is not None else "" for b in (low, high)]
    if low is not None and flag(draw):  # a bound that is computed
        bounds[0] = net.op("Neg", net.const(-low))
    while bounds and not bounds[-1]:
        bounds.pop()
    return net.case(net.op(op_type, "x", *bounds))


@case("Dropout")
def dropout(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 7))
    options = {"ratio": 0.3} if net.opset < 12 else {}
    extra = [net.const(0.3)] if net.opset >= 12 and flag(draw) else []
    y = net.op(op_type, "x", *extra, outputs=choice(draw, 1, 2), **options)
    return net.case(y if isinstance(y, str) else y[0])


@case("Cast", "CastLike")
def cast(draw: Draw, op_type: str) -> Case:
    net = Net(3 * image(draw), opset(draw, SINCE.get(op_type, 13)))
    if op_type == "CastLike":
        return net.case(net.op(op_type, "x", net.const([1.0])))
    whole = net.op("Cast", net.op("Cast", "x", to=7), to=1)  # piecewise constant
    return net.case(net.op("Mul", net.op("Cast", "x", to=1), whole))


# ---- broadcasting ------------------------------------------------------------------------------


def partner_shape(draw: Draw, shape: tuple[int, ...], widen: bool = True) -> tuple[int, ...]:
    """A shape that broadcasts with (N, ...) and leaves its batch axis alone."""
    other = [1]
    for size in shape[1:]:
        wider = integer(draw, 1, 3) if size == 1 and widen else size
        other.append(choice(draw, wider, 1))
    rank = integer(draw, 0, 5 if widen else 4)
    if rank == 5:
        return integer(draw, 2, 3), *other
    return tuple(other[len(other) - rank :])


def batch_first(net: Net, y: str, partner: tuple[int, ...]) -> str:
    """A partner with five axes moved the batch to the second one; bring it back."""
    return net.op("Transpose", y, perm=[1, 0, 2, 3, 4]) if len(partner) == 5 else y


def partner(draw: Draw, net: Net, make: Any = normal) -> tuple[str, tuple[int, ...]]:
    """A constant, or a value that depends on the image, to be broadcast against it."""
    shape = net.x.shape
    if make is normal and flag(draw):
        axes = [i for i in (1, 2, 3) if flag(draw)]
        value = with_axes(net, "ReduceMean", "x", axes, 18) if axes else net.op("Tanh", "x")
        return value, shape
    other = partner_shape(draw, shape)
    return net.const(make(draw, *other)), other


@case("Add", "Sub", "Mul", "Max", "Min", "Mean", "Sum")
def binary(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, high=4), opset(draw, 9 if op_type != "Mean" else 13))
    other, shape = partner(draw, net)
    operands = ["x", other] if flag(draw) else [other, "x"]
    return net.case(batch_first(net, net.op(op_type, *operands), shape))


@case("Max", "Min", "Mean", "Sum")
def variadic(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, high=4), opset(draw))
    values = ["x", net.op("Tanh", "x"), net.const(normal(draw, *net.x.shape[2:]))]
    return net.case(net.op(op_type, *values[: integer(draw, 1, 3)]))


@case("Div")
def divide(draw: Draw, op_type: str) -> Case:
    net = Net(positive(draw, 2, integer(draw, 1, 3), 1, integer(draw, 1, 3)), opset(draw, 7))
    other, shape = partner(draw, net, positive)
    operands = ["x", other] if flag(draw) else [other, "x"]
    return net.case(batch_first(net, net.op(op_type, *operands), shape))


@case("Pow")
def power(draw: Draw, op_type: str) -> Case:
    net = Net(positive(draw, 2, 3, 1, integer(draw, 1, 3)), opset(draw, 13))
    kind = choice(draw, "number", "array", "computed", "exponent")
    if kind == "exponent":
        other = partner_shape(draw, net.x.shape)
        y = net.op(op_type, net.const(positive(draw, *other)), "x")
        return net.case(batch_first(net, y, other))
    if kind == "computed":
        return net.case(net.op(op_type, "x", net.op("Sqrt", "x")))
    if kind == "array":
        other = partner_shape(draw, net.x.shape)
        y = net.op(op_type, "x", net.const(normal(draw, *other)))
        return net.case(batch_first(net, y, other))
    exponent = choice(draw, 2.0, 3.0, 0.5, -1.0, 1.0, 0.0)
    if exponent in (2.0, 3.0, 1.0):
        net.x -= np.float32(1.0)  # whole exponents: any base
    return net.case(net.op(op_type, "x", net.const(exponent)))


@case("Where")
def where(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, high=4), opset(draw, 9))
    other, shape = partner(draw, net)
    if flag(draw):
        condition = net.op("Greater", "x", net.const(0.1))
    else:
        condition = net.const(normal(draw, *partner_shape(draw, net.x.shape, False)) > 0, bool)
    branches = ["x", other] if flag(draw) else [other, "x"]
    return net.case(batch_first(net, net.op(op_type, condition, *branches), shape))


@case("PRelu")
def prelu(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, high=4), opset(draw, 9))
    if flag(draw):
        axes = [i for i in (1, 2, 3) if flag(draw)] or [1]
        slope = with_axes(net, "ReduceMean", "x", axes, 18)
    else:
        slope = net.const(normal(draw, *partner_shape(draw, net.x.shape, widen=False)))
    return net.case(net.op(op_type, "x", slope))


@case("Expand")
def expand(draw: Draw, op_type: str) -> Case:
    net = Net(normal(draw, 2, *(choice(draw, 1, 3) for _ in range(3))), opset(draw, 9))
    target = partner_shape(draw, net.x.shape)
    y = net.op(op_type, "x", net.ints(*target))
    return net.case(batch_first(net, y, target))
