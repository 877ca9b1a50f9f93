"""Cases of operators that take, add or repeat elements by index, and of Einsum."""

from __future__ import annotations

import numpy as np
from case_table import Draw, case, choice, flag, image, integer, normal, opset
from checker import Case, Net


@case("Gather")
def gather_of_any_rank(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 13))
    axis = integer(draw, 1, 3)
    shape = [integer(draw, 1, 3) for _ in range(integer(draw, 0, 3))]
    size = net.x.shape[axis]
    indices = np.random.default_rng(size).integers(-size, size, size=shape)
    return net.case(net.op(op_type, "x", net.const(indices, np.int64), axis=axis))


@case("Gather")
def gather_before_the_batch(draw: Draw, op_type: str) -> Case:
    """Queries, keys and values are taken from an axis in front of the batch."""
    net = Net(image(draw), opset(draw, 13))
    turned = net.op("Transpose", "x", perm=[1, 0, 2, 3])
    which = integer(draw, 0, net.x.shape[1] - 1)
    y = net.op(op_type, turned, net.const(which, np.int64), axis=0)
    return net.case(net.op("Mul", y, y))


@case("GatherND")
def gather_nd(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 13))
    depth = integer(draw, 1, 3)
    turned = net.op("Transpose", "x", perm=[1, 2, 3, 0])
    sizes = np.array(net.x.shape[1:][:depth])
    lead = [integer(draw, 1, 3) for _ in range(integer(draw, 1, 2))]
    rng = np.random.default_rng(depth)
    indices = rng.integers(-sizes, sizes, size=(*lead, depth))
    y = net.op(op_type, turned, net.const(indices, np.int64))
    rank = len(lead) + 4 - depth
    return net.case(net.op("Transpose", y, perm=[rank - 1, *range(rank - 1)]))


@case("GatherElements")
def gather_elements(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 13))
    axis = integer(draw, 1, 3)
    shape = list(net.x.shape)
    shape[axis] = integer(draw, 1, 4)
    size = net.x.shape[axis]
    indices = np.random.default_rng(size).integers(-size, size, size=[1, *shape[1:]])
    given = net.op("Expand", net.const(indices, np.int64), _target(net, shape))
    return net.case(net.op(op_type, "x", given, axis=axis))


def _target(net: Net, shape: list[int]) -> str:
    """(N, ...) with the batch of the image."""
    return net.op("Concat", _batch(net), net.ints(*shape[1:]), axis=0)


def _batch(net: Net) -> str:
    """(1,): the number of images."""
    return net.op("Slice", net.op("Shape", "x"), net.ints(0), net.ints(1))


@case("ScatterND")
def scatter_nd(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, low=2), 18)
    turned = net.op("Transpose", "x", perm=[1, 2, 3, 0])
    _, c, h, w = net.x.shape
    rows = np.random.default_rng(h).permutation(c * h)[: integer(draw, 1, c * h)]
    indices = np.stack(np.unravel_index(rows, (c, h)), -1)
    part = net.op("Reshape", turned, net.ints(c * h, w, -1))
    updates = net.op("Slice", net.op("Tanh", part), net.ints(0), net.ints(len(rows)), net.ints(0))
    attrs = choice(draw, {}, {"reduction": "add"})
    given = _known_or_not(draw, net, indices)
    if attrs and flag(draw):  # what is added may meet
        given, updates = (net.op("Concat", v, v, axis=0) for v in (given, updates))
    y = net.op(op_type, turned, given, updates, **attrs)
    return net.case(net.op("Transpose", y, perm=[3, 0, 1, 2]))


@case("ScatterElements")
def scatter_elements(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), 18)
    axis = integer(draw, 1, 3)
    shape = list(net.x.shape)
    shape[axis] = integer(draw, 1, shape[axis])
    rng = np.random.default_rng(shape[axis])
    order = np.argsort(rng.random((1, *net.x.shape[1:])), axis)
    indices = np.take(order, range(shape[axis]), axis)
    given = net.op("Expand", _known_or_not(draw, net, indices), _target(net, shape))
    start, end = net.ints(0), net.ints(shape[axis])
    updates = net.op("Slice", net.op("Tanh", "x"), start, end, net.ints(axis))
    attrs = choice(draw, {}, {"reduction": "add"})
    return net.case(net.op(op_type, "x", given, updates, axis=axis, **attrs))


def _known_or_not(draw: Draw, net: Net, indices: np.ndarray) -> str:
    """Constant indices, or the same ones computed from the number of images."""
    given = net.const(indices, np.int64)
    if flag(draw):
        return given
    return net.op("Add", given, net.op("Mul", _batch(net), net.ints(0)))


@case("Tile")
def tile(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, high=3), opset(draw, 13))
    return net.case(net.op(op_type, "x", net.ints(1, *(integer(draw, 1, 3) for _ in range(3)))))


@case("Trilu")
def trilu(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 14))
    more = [net.const(integer(draw, -2, 2), np.int64)] if flag(draw) else []
    return net.case(net.op(op_type, "x", *more, upper=integer(draw, 0, 1)))


@case("CumSum")
def cumsum(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 13))
    axis = net.const(integer(draw, 1, 3), np.int64)
    options = {"reverse": integer(draw, 0, 1), "exclusive": integer(draw, 0, 1)}
    return net.case(net.op(op_type, "x", axis, **options))


@case("Col2Im")
def col2im(draw: Draw, op_type: str) -> Case:
    block = [integer(draw, 1, 2), integer(draw, 1, 3)]
    pads, strides = [integer(draw, 0, 1) for _ in range(4)], [integer(draw, 1, 2) for _ in range(2)]
    sizes = [integer(draw, 3, 5), integer(draw, 3, 5)]
    counts = [
        (n + pads[i] + pads[i + 2] - k) // s + 1
        for i, (n, k, s) in enumerate(zip(sizes, block, strides, strict=True))
    ]
    channels = integer(draw, 1, 2)
    net = Net(normal(draw, 2, 1, channels * block[0] * block[1], counts[0] * counts[1]), 18)
    columns = net.op("Squeeze", "x", net.ints(1))
    given = net.ints(*sizes), net.ints(*block)
    return net.case(net.op(op_type, columns, *given, strides=strides, pads=pads))


EQUATIONS = (
    *("nchw,nchw->nhw", "nchw,nchv->nwv", "nchw->nwc", "nchw->nc", "...hw,...hw->..."),
    *("nchw,cd->ndhw", "nchw,c->nhw", "cd,nchw->nhwd", "...w,wd->...d", "nchw,nc->nhw"),
)


@case("Einsum")
def einsum(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, low=2, high=4), opset(draw, 13))
    net.x = net.x if net.x.shape[1] > 1 else np.repeat(net.x, 3, axis=1)
    equation = choice(draw, *EQUATIONS)
    c, w = net.x.shape[1], net.x.shape[3]
    constants = {"cd": (c, 2), "c": (c,), "wd": (w, 2)}
    terms = equation.partition("->")[0].split(",")
    operands = []
    for term in terms:
        if term in constants:
            operands.append(net.const(normal(draw, *constants[term])))
        elif term == "nc":
            operands.append(net.op("Squeeze", net.op("GlobalAveragePool", "x"), net.ints(2, 3)))
        else:
            operands.append("x" if not operands else net.op("Tanh", "x"))
    y = net.op(op_type, *operands, equation=equation)
    if "," not in equation:
        y = net.op("Mul", y, y)
    return net.case(y)
