"""Primitives in operators that every engine reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..graph import Graph
    from ..rules.geometry import Axis, Window

LOWEST = float(np.finfo(np.float32).min)
FEW = 16
"""Fewer channels than this waste a part of an engine's registers."""
MOST_PHASES = 16
"""More Convs than this cost more to start than the zeros of one merged Conv."""


def clip_gradient(g: Graph, dy: str, y: str, low: float | None, high: float | None) -> str:
    """Pass `dy` where the clipped value is strictly inside its bounds; a ReLU's only one is 0.

    OpenVINO and TensorRT fuse a comparison and its choice into one pass over memory. Sign times
    `dy` says the same for a ReLU, but OpenVINO computes Sign by a plain loop on float32.
    """
    if low is not None:
        dy = g.op("Where", g.op("Greater", y, g.scalar(low)), dy, g.scalar(0.0))
    if high is not None:
        dy = g.op("Where", g.op("Less", y, g.scalar(high)), dy, g.scalar(0.0))
    return dy


def accumulate(g: Graph, a: str, b: str) -> str:
    """Sum of two cotangents of a value."""
    return g.add(a, b)


def channel_scale(g: Graph, dy: str, scale: NDArray[Any], rank: int) -> str:
    """Multiply channel c of an (N, C, ...) value by scale[c]."""
    return g.mul(dy, g.const(scale.reshape(-1, *[1] * (rank - 2)), np.float32))


def conv(
    g: Graph,
    x: str,
    weight: NDArray[Any],
    pads: Sequence[tuple[int, int]],
    group: int = 1,
    dilations: Sequence[int] = (),
) -> str:
    """Stride-1 convolution whose paddings may be negative (a crop of `x`)."""
    begin, end = (list(side) for side in zip(*pads, strict=True))
    whole, surplus = g.zero_tails.get(x, (x, [0] * len(end)))
    if all(e >= s for e, s in zip(end, surplus, strict=True)):  # zeros that are there already
        x, end = whole, [e - s for e, s in zip(end, surplus, strict=True)]
    if min(begin + end) < 0:
        x = shift(g, x, [min(b, 0) for b in begin], [min(e, 0) for e in end])
        begin, end = [max(b, 0) for b in begin], [max(e, 0) for e in end]
    return g.op(
        "Conv",
        x,
        g.const(weight, np.float32),
        kernel_shape=list(weight.shape[2:]),
        group=group,
        pads=begin + end,
        dilations=list(dilations) or [1] * len(begin),
    )


def shift(g: Graph, x: str, begin: Sequence[int], end: Sequence[int], fill: float = 0.0) -> str:
    """Pad the spatial axes of `x`; negative counts crop."""
    if not any(begin) and not any(end):
        return x
    crop = {
        i + 2: (-min(b, 0), np.iinfo(np.int64).max if e >= 0 else e)
        for i, (b, e) in enumerate(zip(begin, end, strict=True))
        if b < 0 or e < 0
    }
    x = g.slice(x, crop) if crop else x
    begin, end = [max(b, 0) for b in begin], [max(e, 0) for e in end]
    return g.pad(x, [0, 0, *begin], [0, 0, *end], fill) if any([*begin, *end]) else x


def conv_input_gradient(g: Graph, dy: str, weight: NDArray[Any], window: Window, group: int) -> str:
    """Cotangent of the input of a Conv, in Convs of stride 1 whatever the stride.

    With stride s, input element s * m + a receives sum_q W[q]^T dy[m + shift(a, q)]: every phase a
    is a small stride-1 Conv of dy, and an interleaving (DepthToSpace) brings the phases to their
    places. See `rules.geometry.Axis`. All phases can be one Conv with s_h * s_w * C outputs, which
    computes with zeros where they have unlike taps: 16 instead of 9 for a 3 x 3 kernel and stride
    2. That pays for an image's few channels; a depth-wise Conv would become a grouped one.
    """
    by_input = swap_channels(weight, group)
    if set(window.strides) == {1}:
        flipped = np.flip(by_input, axis=tuple(range(2, by_input.ndim)))
        pads = [
            (d * (k - 1) - b, d * (k - 1) - e)
            for d, k, b, e in zip(
                window.dilations, window.kernel, window.begin, window.end, strict=True
            )
        ]
        return conv(g, dy, flipped, pads, group, window.dilations)
    axes = [window.axis(i) for i in range(window.rank)]
    phases = list(product(*(range(s) for s in window.strides)))
    used = [p for p in phases if all(axis.taps[a] for axis, a in zip(axes, p, strict=True))]
    if len(used) == 1 or (used and _apart(window, used, weight.shape[1], group)):
        parts = {}
        for phase in used:
            spans = [phase_span(axis, a) for axis, a in zip(axes, phase, strict=True)]
            kernel = phase_weight(by_input, window, phase, spans)
            parts[phase] = conv(g, dy, kernel, phase_pads(window, spans), group)
        return place_phases(g, parts, window, by_input.shape[0])
    spans = [axis.span() for axis in axes]
    stacked = np.stack([phase_weight(by_input, window, p, spans) for p in phases], axis=1)
    merged = stacked.reshape(-1, *stacked.shape[2:])
    return g.lower(
        "interleave", conv(g, dy, merged, phase_pads(window, spans), group), window, True
    )


def _apart(window: Window, phases: Sequence[tuple[int, ...]], inputs: int, group: int) -> bool:
    """Whether phases are better computed by a Conv each."""
    axes = [window.axis(i) for i in range(window.rank)]
    reach = np.prod([high - low + 1 for low, high in (axis.span() for axis in axes)])
    alike = int(reach) * int(np.prod(window.strides)) == np.prod(window.kernel)
    depthwise = inputs == 1 and group > 1
    return depthwise or (inputs >= FEW and not alike and len(phases) <= MOST_PHASES)


def interleave(g: Graph, phases: str, window: Window, channel_major: bool) -> str:
    """Bring phases, stacked on the channel axis, to their places on the spatial axes.

    The channel axis is (channel, phase) where `channel_major`, else (phase, channel).
    """
    strides = window.strides
    if window.rank == 2 and strides[0] == strides[1]:
        mode = "CRD" if channel_major else "DCR"
        x = g.op("DepthToSpace", phases, blocksize=strides[0], mode=mode)
    else:
        rank, sizes = window.rank, [window.axis(i).size for i in range(window.rank)]
        lead = [0, -1, *strides] if channel_major else [0, *strides, -1]
        channel = 1 if channel_major else 1 + rank
        first = 2 if channel_major else 1
        split = g.op("Reshape", phases, g.ints([*lead, *sizes]))
        pairs = [axis for i in range(rank) for axis in (2 + rank + i, first + i)]
        moved = g.op("Transpose", split, perm=[0, channel, *pairs])
        whole = [n * s for n, s in zip(sizes, strides, strict=True)]
        x = g.op("Reshape", moved, g.ints([0, -1, *whole]))
    return crop_surplus(g, x, window)


def crop_surplus(g: Graph, x: str, window: Window) -> str:
    """Drop rows beyond the input, where its size is no multiple of the stride."""
    surplus = {
        i + 2: (0, window.size_in[i])
        for i in range(window.rank)
        if window.axis(i).size * window.strides[i] != window.size_in[i]
    }
    return g.slice(x, surplus) if surplus else x


def place_phases(g: Graph, parts: dict[tuple[int, ...], str], window: Window, channels: int) -> str:
    """Assemble a full-size value from some of its phases; the others are zero."""
    phases = list(product(*(range(s) for s in window.strides)))
    if len(parts) == 1:
        position = phases.index(next(iter(parts)))
        begin, end = [0] * (2 + window.rank), [0] * (2 + window.rank)
        begin[1], end[1] = position * channels, (len(phases) - 1 - position) * channels
        stacked = g.pad(next(iter(parts.values())), begin, end)
    else:
        some = next(iter(parts.values()))
        zero = None
        if len(parts) < len(phases):
            zero = g.mul(some, g.scalar(0.0))
        stacked = g.op("Concat", *[parts.get(p) or str(zero) for p in phases], axis=1)
    return g.lower("interleave", stacked, window, False)


def max_pool_gradient(g: Graph, dy: str, x: str, y: str, window: Window, channels: int) -> str:
    """Cotangent of the input of a MaxPool: all to the first maximum of each window, no indices.

    Tap by tap in scan order, the part of dy whose window has its maximum at that tap is taken out
    of what remains; the parts go to their phases as in `conv_input_gradient`.
    """
    padded = shift(g, x, [max(b, 0) for b in window.begin], [max(e, 0) for e in window.end], LOWEST)
    parts: dict[tuple[int, ...], list[str]] = {}
    remaining, taps = dy, window.taps()
    for number, (tap, phase, pads) in enumerate(taps):
        taken = remaining
        if number < len(taps) - 1:
            hit = g.op("Equal", strided(g, padded, tap, window), y)
            taken = g.op("Where", hit, remaining, g.scalar(0.0))
            remaining = g.sub(remaining, taken)
        moved = shift(g, taken, [b for b, _ in pads], [e for _, e in pads])
        parts.setdefault(phase, []).append(moved)
    return place_phases(g, {p: add_all(g, v) for p, v in parts.items()}, window, channels)


def strided(g: Graph, padded: str, tap: Sequence[int], window: Window) -> str:
    """What tap `tap` of every window sees."""
    starts = [q * d for q, d in zip(tap, window.dilations, strict=True)]
    stops = [
        a + (o - 1) * s + 1 for a, o, s in zip(starts, window.size_out, window.strides, strict=True)
    ]
    axes = range(2, 2 + window.rank)
    return g.op(
        "Slice", padded, g.ints(starts), g.ints(stops), g.ints(axes), g.ints(window.strides)
    )


def add_all(g: Graph, terms: Sequence[str]) -> str:
    """Sum of one or more values."""
    total = terms[0]
    for term in terms[1:]:
        total = g.add(total, term)
    return total


def split_channels(g: Graph, dy: str, sizes: Sequence[int]) -> list[str]:
    """Cut the channel axis into stretches."""
    bounds = np.cumsum([0, *sizes]).tolist()
    return [g.slice(dy, {1: (a, b)}) for a, b in pairwise(bounds)]


def upsample(g: Graph, x: str, factors: Sequence[int]) -> str:
    """Repeat every element of the spatial axes `factors` times."""
    scales = g.const([1.0, 1.0, *map(float, factors)], np.float32)
    return g.op(
        "Resize",
        x,
        "",
        scales,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )


def swap_channels(weight: NDArray[Any], group: int) -> NDArray[Any]:
    """(M, C/g, ...) -> (C, M/g, ...), group by group."""
    m, c = weight.shape[:2]
    grouped = weight.reshape(group, m // group, c, *weight.shape[2:])
    return grouped.swapaxes(1, 2).reshape(group * c, m // group, *weight.shape[2:])


def phase_span(axis: Axis, phase: int) -> tuple[int, int]:
    """Smallest and largest shift of one phase."""
    shifts = list(axis.taps[phase].values())
    return min(shifts), max(shifts)


def tap_index(tap: Sequence[int]) -> tuple[Any, ...]:
    """Index of one kernel element in all channels."""
    return (slice(None), slice(None), *tap)


def phase_pads(window: Window, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Paddings of the cotangent for shifts that cover `spans`."""
    return [window.axis(i).pads(*span) for i, span in enumerate(spans)]


def phase_weight(
    by_input: NDArray[Any], window: Window, phase: Sequence[int], spans: Sequence[tuple[int, int]]
) -> NDArray[Any]:
    """Kernel of one phase, on the shifts that `spans` covers."""
    sizes = [high - low + 1 for low, high in spans]
    kernel = np.zeros((*by_input.shape[:2], *sizes), np.float32)
    taps = [list(window.axis(i).taps[a].items()) for i, a in enumerate(phase)]
    for chosen in product(*taps):
        source = tuple(q for q, _ in chosen)
        place = tuple(s - low for (_, s), (low, _) in zip(chosen, spans, strict=True))
        kernel[tap_index(place)] = by_input[tap_index(source)]
    return kernel


FORMS: dict[str, Callable[..., Any]] = {
    "accumulate": accumulate,
    "clip_gradient": clip_gradient,
    "channel_scale": channel_scale,
    "conv_input_gradient": conv_input_gradient,
    "interleave": interleave,
    "max_pool_gradient": max_pool_gradient,
    "split_channels": split_channels,
}
