"""Forms that ONNX Runtime's CPU provider runs faster, most of them in its blocked layout.

Conv, MaxPool, Add, Mul, HardSigmoid and Concat on channels keep values in blocks of channels
(NCHWc); other operators bring them back to NCHW, which costs a pass over memory each way. So masks
are steep HardSigmoids, shifts and strided reads are depth-wise Convs with one-hot kernels, and
channels are cut by cutting the weights of the Conv that made them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import blocked, portable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..rules.geometry import Window

STEEP = float(2.0**100)
"""Slope that turns HardSigmoid into a step; a power of two, so that products with it are exact."""
POOL_STEEP = np.float32(2.0**80)
"""The same for Tanh, where it multiplies activations: up to 2^48 they stay finite."""
FAR_BELOW = -1e30
"""Padding that no activation reaches, and whose differences stay finite."""


def clip_gradient(g: Graph, dy: str, y: str, low: float | None, high: float | None) -> str:
    """Pass `dy` where the clipped value is strictly inside its bounds."""
    dy = blocked.join(g, dy, y)
    if low is not None:
        dy = g.mul(dy, g.op("HardSigmoid", y, alpha=STEEP, beta=-STEEP * low))
    if high is not None:
        dy = g.mul(dy, g.op("HardSigmoid", y, alpha=-STEEP, beta=STEEP * high))
    return dy


def accumulate(g: Graph, a: str, b: str) -> str:
    """Sum of two cotangents of a value; in blocks where one of them is, as part of its Conv."""
    return g.add(blocked.join(g, a, b), blocked.join(g, b, a))


def channel_scale(g: Graph, dy: str, scale: NDArray[Any], rank: int) -> str:
    """Scale channels by a depth-wise 1 x 1 Conv."""
    if rank != 4:
        return portable.channel_scale(g, dy, scale, rank)
    return _depthwise(g, dy, np.asarray(scale, np.float32).reshape(-1, 1, 1, 1))


def interleave(g: Graph, phases: str, window: Window, channel_major: bool) -> str:
    """Two transpositions that each move one axis inwards; DepthToSpace is many times slower."""
    if window.rank != 2:
        return portable.interleave(g, phases, window, channel_major)
    (rows, columns), (sh, sw) = [window.axis(i).size for i in range(2)], window.strides
    lead = [0, -1, sh, sw] if channel_major else [0, sh, sw, -1]
    x = g.op("Reshape", phases, g.ints([*lead, rows, columns]))
    x = g.op("Transpose", x, perm=[0, 1, 3, 4, 2, 5] if channel_major else [0, 2, 3, 4, 1, 5])
    lead = [0, -1, sw] if channel_major else [0, sw, -1]
    x = g.op("Reshape", x, g.ints([*lead, rows * sh, columns]))
    x = g.op("Transpose", x, perm=[0, 1, 3, 4, 2] if channel_major else [0, 2, 3, 4, 1])
    x = g.op("Reshape", x, g.ints([0, -1, rows * sh, columns * sw]))
    return portable.crop_surplus(g, x, window)


def max_pool_gradient(g: Graph, dy: str, x: str, y: str, window: Window, channels: int) -> str:
    """As the portable form, in as few passes over memory as the blocked layout allows.

    The maximum minus a tap's value is exactly zero where the tap attains it and positive elsewhere,
    so its steep Tanh is "miss". Difference and Tanh are fused into the one-hot Conv that reads the
    tap; what remains for later taps is one product, what the tap takes one more fused Conv.
    """
    if window.rank != 2:
        return portable.max_pool_gradient(g, dy, x, y, window, channels)
    begin, end = ([max(p, 0) for p in side] for side in (window.begin, window.end))
    padded = portable.shift(g, x, begin, end, FAR_BELOW)
    minus = np.full((channels, 1, 1, 1), -1.0, np.float32)
    steep_y = _depthwise(g, y, -POOL_STEEP * minus)
    parts: dict[tuple[int, ...], list[str]] = {}
    remaining, taps = dy, window.taps()
    for number, (tap, phase, pads) in enumerate(taps):
        taken = remaining
        if number < len(taps) - 1:
            difference = g.add(_strided(g, padded, tap, window, channels), steep_y)
            later = g.mul(remaining, g.op("Tanh", difference))
            taken, remaining = g.add(_depthwise(g, later, minus), remaining), later
        parts.setdefault(phase, []).append(_shift(g, taken, pads, channels))
    summed = {phase: portable.add_all(g, terms) for phase, terms in parts.items()}
    dx = portable.place_phases(g, summed, window, channels)
    cropped = g.appended(dx)
    if cropped is not None and cropped.op_type == "Slice":  # rows beyond the input: no tap is there
        surplus = [
            window.axis(i).size * s - window.size_in[i] for i, s in enumerate(window.strides)
        ]
        g.zero_tails[dx] = (cropped.inputs[0], surplus)
    return dx


def split_channels(g: Graph, dy: str, sizes: Sequence[int]) -> list[str]:
    """Cut the weights of the Convs that `dy` is the sum of, so that nothing is computed twice."""
    if not _is_sum_of_convs(g, dy):
        return portable.split_channels(g, dy, sizes)
    bounds = np.cumsum([0, *sizes]).tolist()
    return [_cut(g, dy, slice(a, b)) for a, b in pairwise(bounds)]


def _is_sum_of_convs(g: Graph, value: str) -> bool:
    node = g.appended(value)
    if node is None:
        return False
    if node.op_type == "Add":
        return all(_is_sum_of_convs(g, term) for term in node.inputs)
    return node.op_type == "Conv" and node.attrs["group"] == 1


def _cut(g: Graph, value: str, channels: slice) -> str:
    """Some channels of a sum of Convs."""
    node = g.appended(value)
    assert node is not None
    if node.op_type == "Add":
        return g.add(*(_cut(g, term, channels) for term in node.inputs))
    weight = g.constant(node.inputs[1])
    assert weight is not None
    return g.op("Conv", node.inputs[0], g.const(weight[channels]), **node.attrs)


def _depthwise(g: Graph, x: str, kernel: NDArray[Any], **attrs: Any) -> str:
    return g.op(
        "Conv", x, g.const(kernel), group=len(kernel), kernel_shape=list(kernel.shape[2:]), **attrs
    )


def _strided(g: Graph, padded: str, tap: Sequence[int], window: Window, channels: int) -> str:
    """What tap `tap` of every window sees, times -POOL_STEEP: one-hot kernel, the pool's stride."""
    axes = [_one_hot_axis(window, i, q) for i, q in enumerate(tap)]
    sizes, dilations, places = (list(column) for column in zip(*axes, strict=True))
    kernel = np.zeros((channels, 1, *sizes), np.float32)
    kernel[portable.tap_index(places)] = -POOL_STEEP
    return _depthwise(g, padded, kernel, strides=list(window.strides), dilations=dilations)


def _one_hot_axis(window: Window, i: int, q: int) -> tuple[int, int, int]:
    """Size, dilation and hot place of the smallest kernel that reads tap q of every window."""
    length = window.size_in[i] + max(window.begin[i], 0) + max(window.end[i], 0)
    reach, last = window.dilations[i] * q, window.dilations[i] * (window.kernel[i] - 1)
    for size, step, place in ((1, 1, 0), (2, reach, 1), (2, last, 0)):
        extent = (size - 1) * step
        count = (length - extent - 1) // window.strides[i] + 1
        if step and reach == place * step and count == window.size_out[i]:
            return size, step, place
    return window.kernel[i], window.dilations[i], q


def _shift(g: Graph, x: str, pads: Sequence[tuple[int, int]], channels: int) -> str:
    """Pad by a 1 x 1 depth-wise Conv; crops leave the blocked layout."""
    (top, bottom), (left, right) = pads
    if not any((top, bottom, left, right)):
        return x
    if min(top, bottom, left, right) < 0:
        return portable.shift(g, x, (top, left), (bottom, right))
    ones = np.ones((channels, 1, 1, 1), np.float32)
    return _depthwise(g, x, ones, pads=[top, left, bottom, right])


FORMS: dict[str, Callable[..., Any]] = {
    "accumulate": accumulate,
    "clip_gradient": clip_gradient,
    "channel_scale": channel_scale,
    "interleave": interleave,
    "max_pool_gradient": max_pool_gradient,
    "split_channels": split_channels,
}
