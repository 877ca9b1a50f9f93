"""Small networks of every sort of layer, drawn by hypothesis."""

from __future__ import annotations

from typing import Any

from case_table import choice, flag, integer, normal, positive
from checker import Case, Net
from hypothesis import strategies as st


def layer(draw: Any, net: Net, x: str, channels: int, signed: bool) -> tuple[str, int]:
    """A Conv of any geometry that fits a map of at least 6 pixels, then BN or not, then ReLU."""
    group = choice(draw, 1, 1, 2) if channels % 2 == 0 else 1
    out = group * integer(draw, 1, 3)
    attrs = {
        "strides": [integer(draw, 1, 3), integer(draw, 1, 2)],
        "dilations": [1, choice(draw, 1, 2)],
        "pads": [integer(draw, 0, 2) for _ in range(4)],
    }
    kernel = [integer(draw, 1, 3), integer(draw, 1, 2)]
    weight = normal(draw, out, channels // group, *kernel) + 0.2
    bias = [net.const(normal(draw, out))] if flag(draw) else []
    x = net.op("Conv", x, net.const(weight), *bias, group=group, **attrs)
    if flag(draw):
        stats = [normal(draw, out) + 1, normal(draw, out), normal(draw, out), positive(draw, out)]
        x = net.op("BatchNormalization", x, *map(net.const, stats))
    return (x if signed else net.op("Relu", x)), out


def pool(draw: Any, net: Net, x: str) -> str:
    """Overlapping or tiling pools, padded or not."""
    op_type = choice(draw, "MaxPool", "AveragePool")
    kernel = [integer(draw, 1, 3), integer(draw, 1, 3)]
    attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": [integer(draw, 1, 3), 2]}
    attrs["pads"] = [integer(draw, 0, k // 2) for k in kernel * 2]
    if op_type == "AveragePool" and flag(draw):
        attrs["count_include_pad"] = 1
    return net.op(op_type, x, **attrs)


def residual(draw: Any, net: Net, x: str, channels: int) -> str:
    """Two 3 x 3 Convs around which the value is added, then ReLU."""
    y = x
    for last in (False, True):
        weight = normal(draw, channels, channels, 3, 3) + 0.1
        y = net.op("Conv", y, net.const(weight), pads=[1, 1, 1, 1])
        y = y if last else net.op("Relu", y)
    return net.op("Relu", net.op("Add", y, x))


@st.composite
def networks(draw: Any) -> Case:
    """Convs, pools, a residual block, branches that are concatenated, and a matrix product."""
    sizes = [integer(draw, 11, 16) for _ in range(2)]
    net = Net(positive(draw, 2, 3, *sizes))
    x, channels = layer(draw, net, "x", 3, signed=False)
    if flag(draw):
        x = pool(draw, net, x)
    if flag(draw):
        x = residual(draw, net, x, channels)
    if flag(draw):
        y = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[1, 1])
        z = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[1, 1])
        x, channels = net.op("Concat", y, z, axis=1), 2 * channels
    if flag(draw):
        weight = normal(draw, 4, channels, 1, 1)
        x = net.op("Relu", net.op("Conv", x, net.const(weight), strides=[2, 2]))
    return net.case(net.op("GlobalAveragePool", x) if flag(draw) else x)
