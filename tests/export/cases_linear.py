"""Cases of matrix products, convolutions, pools, normalization and reductions."""

from __future__ import annotations

from typing import Any

import numpy as np
from case_table import Draw, case, choice, flag, image, integer, normal, opset, positive, with_axes
from checker import Case, Net

KINDS = ("NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def spatial(draw: Draw, channels: int, sizes: tuple[int, ...], oldest: int) -> tuple[Net, str]:
    """A value (N, channels, *sizes) made from an image by Reshape."""
    flat = (1, *sizes) if len(sizes) == 1 else (int(np.prod(sizes[:-1])), sizes[-1])
    net = Net(normal(draw, 2, channels, *flat), opset(draw, oldest))
    if len(sizes) == 2:
        return net, "x"
    return net, net.op("Reshape", "x", net.ints(0, channels, *sizes))


def window(
    draw: Draw, rank: int, auto_pads: tuple[str, ...], dilate: bool
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Attributes of a sliding window, and sizes of an input that it fits into."""
    kernel = [integer(draw, 1, 4) for _ in range(rank)]
    strides = [integer(draw, 1, 4) for _ in range(rank)]
    attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    auto = choice(draw, *auto_pads)
    dilations = [1] * rank
    if dilate and not auto.startswith("SAME") and flag(draw):
        dilations = attrs["dilations"] = [integer(draw, 1, 3) for _ in range(rank)]
    pads = [0] * 2 * rank
    if auto != "NOTSET":
        attrs["auto_pad"] = auto
        if auto.startswith("SAME"):  # pools refuse the crop that a wider stride means
            attrs["strides"] = [min(s, k) for s, k in zip(strides, kernel, strict=True)]
    elif flag(draw):
        pads = attrs["pads"] = [integer(draw, 0, k - 1) for k in kernel * 2]
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    least = [max(1, r - pads[i] - pads[i + rank]) for i, r in enumerate(reach)]
    return attrs, tuple(low + integer(draw, 0, 4) for low in least)


@case("Conv")
def conv(draw: Draw, op_type: str) -> Case:
    rank = choice(draw, 2, 2, 1, 3)
    attrs, sizes = window(draw, rank, KINDS, dilate=True)
    if "pads" in attrs and flag(draw):
        attrs["pads"] = [p + integer(draw, 0, 2) for p in attrs["pads"]]
    group = choice(draw, 1, 2, 3)
    each, out = integer(draw, 1, 2), integer(draw, 1, 3)
    net, x = spatial(draw, group * each, sizes, 7)
    weight = normal(draw, group * out, each, *attrs["kernel_shape"])
    bias = [net.const(normal(draw, group * out))] if flag(draw) else []
    if flag(draw):
        del attrs["kernel_shape"]
    return net.case(net.op(op_type, x, net.const(weight), *bias, group=group, **attrs))


@case("ConvTranspose")
def conv_transpose(draw: Draw, op_type: str) -> Case:
    rank = choice(draw, 2, 2, 1, 3)
    attrs, _ = window(draw, rank, ("NOTSET",), dilate=True)
    sizes = tuple(integer(draw, 2, 4) for _ in range(rank))
    strides, dilations = attrs["strides"], attrs.get("dilations", [1] * rank)
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, attrs["kernel_shape"], strict=True)]
    full = [(n - 1) * s + r for n, s, r in zip(sizes, strides, reach, strict=True)]
    if any(f <= p for f, p in zip(full * 2, attrs.get("pads", [0] * 2 * rank), strict=True)) or any(
        f <= attrs.get("pads", [0] * 2 * rank)[i] + attrs.get("pads", [0] * 2 * rank)[i + rank]
        for i, f in enumerate(full)
    ):
        attrs.pop("pads")
    if flag(draw):
        attrs["output_padding"] = [integer(draw, 0, s - 1) for s in strides]
    group = choice(draw, 1, 2)
    each, out = integer(draw, 1, 2), integer(draw, 1, 2)
    net, x = spatial(draw, group * each, sizes, 11)
    weight = net.const(normal(draw, group * each, out, *attrs["kernel_shape"]))
    return net.case(net.op(op_type, x, weight, group=group, **attrs))


@case("MaxPool")
def max_pool(draw: Draw, op_type: str) -> Case:
    rank = choice(draw, 2, 2, 1, 3)
    attrs, sizes = window(draw, rank, KINDS, dilate=True)
    net, x = spatial(draw, integer(draw, 1, 3), sizes, 10)
    if "auto_pad" not in attrs and flag(draw):
        attrs["ceil_mode"] = 1
    return net.case(net.op(op_type, x, **attrs))


@case("AveragePool")
def average_pool(draw: Draw, op_type: str) -> Case:
    rank = choice(draw, 2, 2, 1, 3)
    attrs, sizes = window(draw, rank, KINDS, dilate=False)
    net, x = spatial(draw, integer(draw, 1, 3), sizes, 10)
    if "auto_pad" not in attrs and flag(draw):
        attrs["ceil_mode"] = 1
    if flag(draw):
        attrs["count_include_pad"] = 1
    return net.case(net.op(op_type, x, **attrs))


@case("AveragePool")
def dilated_average_pool(draw: Draw, op_type: str) -> Case:
    attrs, sizes = window(draw, 2, ("NOTSET", "VALID"), dilate=True)
    net, x = spatial(draw, integer(draw, 1, 3), sizes, 19)
    return net.case(net.op(op_type, x, count_include_pad=integer(draw, 0, 1), **attrs))


@case("GlobalAveragePool", "GlobalMaxPool")
def global_pool(draw: Draw, op_type: str) -> Case:
    sizes = tuple(integer(draw, 1, 4) for _ in range(integer(draw, 1, 3)))
    net, x = spatial(draw, integer(draw, 1, 3), sizes, 7)
    return net.case(net.op(op_type, x))


@case("BatchNormalization")
def batch_normalization(draw: Draw, op_type: str) -> Case:
    channels = integer(draw, 1, 4)
    rank = integer(draw, 0, 3)
    if rank:
        sizes = tuple(integer(draw, 1, 4) for _ in range(rank))
        net, x = spatial(draw, channels, sizes, 7)
    else:
        net = Net(normal(draw, 2, channels, 1, 1), opset(draw, 9))
        x = net.op("Reshape", "x", net.ints(-1, channels))
    given = [normal(draw, channels) for _ in range(3)] + [positive(draw, channels)]
    attrs = {"epsilon": 0.01} if flag(draw) else {}
    return net.case(net.op(op_type, x, *map(net.const, given), **attrs))


@case("Gemm")
def gemm(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, high=3), opset(draw, 7))
    features, width = net.x[0].size, integer(draw, 1, 4)
    flat = net.op("Reshape", "x", net.ints(-1, features))
    options = {"alpha": choice(draw, 1.0, 0.3), "beta": choice(draw, 1.0, -2.0)}
    turned = net.op("Transpose", flat, perm=[1, 0])
    left, turn_a, turn_b = flag(draw), integer(draw, 0, 1), integer(draw, 0, 1)
    other = normal(draw, features, width)
    if left:  # image rows times a matrix
        a, b = turned if turn_a else flat, net.const(other.T if turn_b else other)
        shapes = [(), (1,), (width,), (1, width), (1, 1)]
    else:  # a matrix times image columns
        a, b = net.const(other if turn_a else other.T), flat if turn_b else turned
        shapes = [(), (1,), (width, 1), (1, 1)]
    c = choice(draw, None, "live", *shapes)
    if net.opset < 11 and c is None:
        c = ()
    inputs = [a, b] if c is None else [a, b, net.const(normal(draw, *c)) if c != "live" else ""]
    if c == "live":
        part = net.op("MatMul", flat, net.const(normal(draw, features, choice(draw, 1, width))))
        inputs[2] = part if left else net.op("Transpose", part, perm=[1, 0])
    y = net.op(op_type, *inputs, transA=turn_a, transB=turn_b, **options)
    return net.case(y if left else net.op("Transpose", y, perm=[1, 0]))


@case("MatMul")
def matmul(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, high=4), opset(draw, 9))
    _, c, h, w = net.x.shape
    p = integer(draw, 1, 3)
    lead = choice(draw, (), (1,), (c,), (1, c), (1, 1, c), (2, 1, c), (2, 1, 1))
    kind = choice(draw, "right", "left", "square", "row", "sum")
    if kind == "right":
        y = net.op(op_type, "x", net.const(normal(draw, *lead, w, p)))
    elif kind == "left":
        y = net.op(op_type, net.const(normal(draw, *lead, p, h)), "x")
    elif kind == "square":
        return net.case(net.op(op_type, "x", net.op("Transpose", "x", perm=[0, 1, 3, 2])))
    elif kind == "sum":  # broadcast over channels on both sides
        mean = with_axes(net, "ReduceMean", "x", [1], 18)
        turned = net.op("Transpose", "x", perm=[0, 1, 3, 2])
        return net.case(net.op(op_type, *([mean, turned] if flag(draw) else [turned, mean])))
    else:
        rows = net.op("Reshape", "x", net.ints(-1, c * h * w))
        return net.case(net.op(op_type, rows, net.const(normal(draw, c * h * w, p))))
    return net.case(net.op("Transpose", y, perm=[1, 0, 2, 3, 4]) if len(lead) == 3 else y)


@case("MatMul")
def matmul_with_a_vector(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw, high=4), opset(draw, 9))
    _, _, h, w = net.x.shape
    if flag(draw):
        return net.case(net.op(op_type, "x", net.const(normal(draw, w))))
    return net.case(net.op(op_type, net.const(normal(draw, h)), "x"))


# ---- reductions and softmax --------------------------------------------------------------------


@case("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2")
def reduction(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 11))
    axes = [a - 4 if flag(draw) else a for a in (1, 2, 3) if flag(draw)]
    axes = axes[:: choice(draw, 1, -1)]
    attrs = {"keepdims": integer(draw, 0, 1)} if flag(draw) else {}
    since = 13 if op_type == "ReduceSum" else 18
    if not axes:
        if net.opset < since:
            axes = [2]
        else:
            return net.case(net.op(op_type, "x", noop_with_empty_axes=1))
    return net.case(with_axes(net, op_type, "x", axes, since, **attrs))


@case("Softmax", "LogSoftmax")
def softmax(draw: Draw, op_type: str) -> Case:
    net = Net(image(draw), opset(draw, 9))
    axis = choice(draw, 1, 2, 3)
    if net.opset >= 11 and flag(draw):
        axis -= 4
    attrs = {} if flag(draw) else {"axis": axis}
    y = net.op(op_type, "x", **attrs)
    return net.case(net.op("Mul", y, net.const(normal(draw, 1))))
