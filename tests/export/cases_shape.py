"""Cases of operators that move elements."""

from __future__ import annotations

import numpy as np
from case_table import Draw, case, choice, flag, image, integer, normal, opset, with_axes
from checker import Case, Net
from hypothesis import strategies as st

LARGE = np.iinfo(np.int64).max


@case("Reshape")
def reshape(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 7))
    _, c, h, w = net.x.shape
    shape = choice(draw, (-1, c * h, w), (0, -1), (-1, w * h, c), (0, 0, -1), (-1, 1, w, h * c))
    turned = net.op("Transpose", "x", perm=[0, 2, 1, 3]) if 0 not in shape else "x"
    return net.case(net.op(op_type, turned, net.ints(*shape)))


@case("Flatten")
def flatten(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 9))
    axis = choice(draw, 0, 1, 2, 3, 4)
    attrs = {} if flag(draw) else {"axis": axis - 4 if net.opset >= 11 and axis < 4 else axis}
    return net.case(net.op(op_type, "x", **attrs))


@case("Squeeze", "Unsqueeze")
def ones(draw: Draw, op_type: str) -> Case:
    net = Net(normal(draw, 2, integer(draw, 1, 3), 1, 1), opset(draw, 9))
    if op_type == "Squeeze":
        axes = choice(draw, [2], [3], [2, 3], [3, 2], [-1], [-2, -1])
    else:
        axes = choice(draw, [1], [4], [1, 3], [2, 5], [-1], [-2, 1])
    if net.opset < 11:
        rank = 4 if op_type == "Squeeze" else 4 + len(axes)
        axes = sorted(a % rank for a in axes)
    return net.case(with_axes(net, op_type, "x", axes, 13))


@case("Transpose")
def transpose(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 7))
    perm = draw(st.permutations(range(4)))
    if flag(draw):
        y, perm = net.op(op_type, "x"), [3, 2, 1, 0]
    else:
        y = net.op(op_type, "x", perm=perm)
    place = perm.index(0)
    rest = [i for i in range(4) if i != place]
    return net.case(net.op(op_type, y, perm=[place, *rest]))


@case("Concat")
def concat(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 11))
    axis = integer(draw, 1, 3)
    parts = ["x", net.op("Tanh", "x"), with_axes(net, "ReduceMean", "x", [axis], 18)]
    chosen = [parts[integer(draw, 0, 2)] for _ in range(integer(draw, 1, 4))]
    return net.case(net.op(op_type, *chosen, axis=axis - 4 if flag(draw) else axis))


@case("Split")
def split(draw: Draw, op_type: str) -> Case:
    axis = integer(draw, 1, 3)
    sizes = [integer(draw, 1, 3) for _ in range(integer(draw, 1, 3))]
    equal = flag(draw)
    sizes = [sizes[0]] * len(sizes) if equal else sizes
    shape = [2, 2, 3, 2]
    shape[axis] = sum(sizes)
    net = Net(normal(draw, *shape), opset(draw, 11))
    attrs = {"axis": axis - 4 if net.opset >= 11 and flag(draw) else axis}
    inputs = ["x"]
    if equal and (net.opset < 18 or flag(draw)):
        attrs |= {"num_outputs": len(sizes)} if net.opset >= 18 else {}
    elif net.opset < 13:
        attrs["split"] = sizes
    else:
        inputs.append(net.ints(*sizes))
    if net.opset >= 18 and len(inputs) == 1:
        attrs["num_outputs"] = len(sizes)
    parts = net.op(op_type, *inputs, outputs=len(sizes), **attrs)
    parts = [parts] if isinstance(parts, str) else parts
    used = [p for p in parts if flag(draw)] or parts[-1:]
    return net.case(net.op("Concat", *used, axis=axis) if len(used) > 1 else used[0])


@case("Slice")
def slice_(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, low=2), opset(draw, 9))
    starts, stops, axes, steps = [], [], [], []
    for axis in draw(st.permutations((1, 2, 3)))[: integer(draw, 1, 3)]:
        size = net.x.shape[axis]
        step = choice(draw, 1, 1, 2, 3, -1, -2) if net.opset >= 10 else 1
        first = integer(draw, 0, size - 1)
        count = integer(draw, 1, 3)
        stop = first + step * count
        if step > 0:
            stop = choice(draw, LARGE, size + 3) if stop >= size else stop
            first = choice(draw, -size - 2, 0) if first == 0 else first
        elif stop < 0:
            stop = choice(draw, -LARGE, -size - 1)
            first = choice(draw, size + 4, first) if first == size - 1 else first
        negative = flag(draw)
        starts.append(first - size if negative and 0 < first < size else first)
        stops.append(stop - size if negative and 0 < stop < size else stop)
        axes.append(axis - 4 if net.opset >= 11 and flag(draw) else axis)
        steps.append(step)
    if net.opset < 10:
        return net.case(net.op(op_type, "x", starts=starts, ends=stops, axes=axes))
    inputs = [net.ints(*v) for v in (starts, stops, axes)]
    if any(s != 1 for s in steps) or flag(draw):
        inputs.append(net.ints(*steps))
    return net.case(net.op(op_type, "x", *inputs))


@case("Pad")
def pad(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, low=3), opset(draw, 7))
    begin, end = [0] * 4, [0] * 4
    for axis in (1, 2, 3):
        least = -1 if net.x.shape[axis] > 2 else 0
        begin[axis], end[axis] = integer(draw, least, 2), integer(draw, least, 3)
    fill = choice(draw, 0.0, 1.5)
    if net.opset < 11:
        return net.case(net.op(op_type, "x", pads=begin + end, value=fill))
    if net.opset >= 18 and flag(draw):
        axes = draw(st.permutations((1, 2, 3)))[:2]
        counts = [side[a] for side in (begin, end) for a in axes]
        given = net.ints(*(a - 4 if flag(draw) else a for a in axes))
        return net.case(net.op(op_type, "x", net.ints(*counts), net.const(fill), given))
    extra = [net.const(fill)] if flag(draw) else []
    return net.case(net.op(op_type, "x", net.ints(*begin, *end), *extra))


@case("Pad")
def pad_with_copies(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, low=3), opset(draw, 11))
    counts = [[0, 0, *(integer(draw, 0, 2) for _ in range(2))] for _ in range(2)]
    mode = choice(draw, "reflect", "edge", *["wrap"] * (net.opset >= 19))
    return net.case(net.op(op_type, "x", net.ints(*counts[0], *counts[1]), mode=mode))


@case("Gather")
def gather(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 9))
    axis = integer(draw, 1, 3)
    size = net.x.shape[axis]
    low = -size if net.opset >= 11 else 0
    indices = [integer(draw, low, size - 1) for _ in range(integer(draw, 1, 4))]
    given = indices[0] if flag(draw) else indices
    chosen = net.const(given, choice(draw, np.int64, np.int32))
    return net.case(net.op(op_type, "x", chosen, axis=axis - 4 if flag(draw) else axis))


@case("DepthToSpace")
def depth_to_space(draw: Draw, op_type: str) -> Case:
    block = integer(draw, 1, 3)
    x = normal(draw, 2, block * block * integer(draw, 1, 2), integer(draw, 1, 3), 2)
    net = Net(x, opset(draw, 11))
    attrs = {"mode": choice(draw, "DCR", "CRD")} if flag(draw) else {}
    return net.case(net.op(op_type, "x", blocksize=block, **attrs))


@case("SpaceToDepth")
def space_to_depth(draw: Draw, op_type: str) -> Case:
    block = integer(draw, 1, 3)
    x = normal(draw, 2, integer(draw, 1, 3), block * integer(draw, 1, 2), block * 2)
    net = Net(x, opset(draw, 7))
    return net.case(net.op(op_type, "x", blocksize=block))


@case("Resize")
def resize(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, high=4), opset(draw, 11))
    factors = [integer(draw, 1, 3), integer(draw, 1, 3)]
    mode = choice(
        draw,
        ("asymmetric", "floor"),
        ("half_pixel", "round_prefer_floor"),
        ("half_pixel", "round_prefer_ceil"),
        ("asymmetric", "floor"),
    )
    attrs = {"coordinate_transformation_mode": mode[0], "nearest_mode": mode[1]}
    scales = net.const([1.0, 1.0, *factors])
    empty = net.const([]) if net.opset < 13 else ""
    return net.case(net.op(op_type, "x", empty, scales, mode="nearest", **attrs))


COORDINATES = (
    *("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"),
)


@case("Resize")
def resize_in_any_mode(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, low=2, high=5), choice(draw, 13, 18, 19))
    mode = choice(draw, "nearest", "linear", "linear", "cubic", "cubic")
    coordinates = choice(draw, *COORDINATES[: 5 if net.opset >= 19 else 4])
    attrs = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if mode == "nearest":
        attrs["nearest_mode"] = choice(
            draw, "floor", "ceil", "round_prefer_floor", "round_prefer_ceil"
        )
    elif mode == "cubic":
        attrs |= {"cubic_coeff_a": choice(draw, -0.75, -0.5)}
        attrs |= {"exclude_outside": choice(draw, 0, 1)}
    if net.opset >= 18 and flag(draw):
        least = 2 if mode == "cubic" else 1  # engines differ in where a single element lies
        sizes = net.ints(integer(draw, least, 9), integer(draw, least, 9))
        return net.case(net.op(op_type, "x", "", "", sizes, axes=[2, 3], **attrs))
    scales = [1.0, 1.0, choice(draw, 2.0, 3.0), choice(draw, 1.0, 4.0)]
    return net.case(net.op(op_type, "x", "", net.const(scales), **attrs))


@case("Upsample")
def upsample(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, high=4), 9)
    scales = net.const([1.0, 1.0, integer(draw, 1, 3), integer(draw, 1, 3)])
    return net.case(net.op(op_type, "x", scales, mode="nearest"))
