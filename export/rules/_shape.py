"""Rules of operators that move elements without computing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pysal.errors import UnsupportedOpError

from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph, Node

HALF_PIXEL = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"}


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")(reshape)
    table.rule("Expand", broadcast=True)(expand)
    table.rule("Transpose")(transpose)
    table.rule("Concat")(concat)
    table.rule("Split")(split)
    table.rule("Slice")(slice_)
    table.rule("Pad")(pad)
    table.rule("Gather")(gather)
    table.rule("DepthToSpace")(depth_to_space)
    table.rule("SpaceToDepth")(space_to_depth)
    table.rule("Resize", "Upsample")(resize)


def reshape(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Same elements in the input's shape."""
    dx = g.reshape_like(str(dys[0]), node.inputs[0], was=node.outputs[0])
    return [dx] + [None] * (len(node.inputs) - 1)


def expand(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """The walk sums over the repeated axes."""
    return dys[0], None


def transpose(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Inverse permutation."""
    rank = len(g.shape(node.outputs[0]) or ())
    perm = node.attrs.get("perm", list(range(rank))[::-1])
    return (g.op("Transpose", str(dys[0]), perm=np.argsort(perm).tolist()),)


def concat(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Every input gets its stretch of dy."""
    rank = len(g.shape(node.outputs[0]) or ())
    axis = node.attrs["axis"] % rank
    sizes = [(g.shape(value) or ())[axis] for value in node.inputs]
    if any(size is None for size in sizes):
        raise UnsupportedOpError(
            f"{node.label()}: the sizes {sizes} on axis {axis} are not all known"
        )
    if axis == 1:
        parts: list[str] = g.lower("split_channels", str(dys[0]), sizes)
        if dys[0] in g.vanishing:
            g.vanishing.update(parts)
        return parts
    bounds = np.cumsum([0, *sizes]).tolist()
    return [g.slice(str(dys[0]), {axis: (a, b)}) for a, b in pairwise(bounds)]


def split(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Concatenation; outputs that nobody uses get zeros."""
    axis = node.attrs.get("axis", 0)
    parts = [
        str(dy) if dy is not None else g.mul(output, g.scalar(0.0))
        for output, dy in zip(node.outputs, dys, strict=True)
    ]
    return [g.op("Concat", *parts, axis=axis)] + [None] * (len(node.inputs) - 1)


def slice_(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Zeros where the input was not taken."""
    shape, dx = g.static_shape(node.inputs[0], node), str(dys[0])
    taken = g.shape(node.outputs[0]) or ()
    begin, end = [0] * len(shape), [0] * len(shape)
    for start, axis, step in zip(*_slice_arguments(g, node), strict=True):
        axis %= len(shape)
        size, count = shape[axis], taken[axis]
        if size is None or count is None:
            raise UnsupportedOpError(f"{node.label()}: slices the batch or an axis of unknown size")
        first = min(max(start + size if start < 0 else start, 0), size - (step < 0))
        if step == 1:
            begin[axis], end[axis] = first, size - first - count
        else:
            dx = _scatter(g, dx, axis, first + step * np.arange(count), size, len(shape))
    if any(begin + end):
        dx = g.pad(dx, begin, end)
    return [dx] + [None] * (len(node.inputs) - 1)


def pad(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Crop what was padded, pad what was cropped."""
    if node.attrs.get("mode", "constant") != "constant":
        raise UnsupportedOpError(
            f"{node.label()}: mode {node.attrs['mode']} has no rule; use zeros"
        )
    counts = g.constant(node.inputs[1]) if len(node.inputs) > 1 else node.attrs.get("pads")
    if counts is None:
        raise UnsupportedOpError(f"{node.label()}: its pads are computed; they must be constant")
    shape = g.static_shape(node.inputs[0], node)
    rank = len(shape)
    axes = list(range(rank))
    if len(node.inputs) > 3 and node.inputs[3]:
        given = g.constant(node.inputs[3])
        if given is None:
            raise UnsupportedOpError(
                f"{node.label()}: its axes are computed; they must be constant"
            )
        axes = [int(a) % rank for a in given]
    half = len(counts) // 2
    begin, end = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        begin[axis], end[axis] = int(counts[i]), int(counts[half + i])
    dx = str(dys[0])
    crop = {}
    for i in range(rank):
        if begin[i] > 0 or end[i] > 0:
            stop = -end[i] if end[i] > 0 else np.iinfo(np.int64).max
            crop[i] = (max(begin[i], 0), stop)
    dx = g.slice(dx, crop) if crop else dx
    grow = [max(-b, 0) for b in begin], [max(-e, 0) for e in end]
    dx = g.pad(dx, *grow) if any(grow[0] + grow[1]) else dx
    return [dx] + [None] * (len(node.inputs) - 1)


def gather(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Constant indices: a product with the transposed selection matrix."""
    indices = g.constant(node.inputs[1])
    shape = g.static_shape(node.inputs[0], node)
    axis = node.attrs.get("axis", 0) % len(shape)
    size = shape[axis]
    if indices is None or indices.ndim > 1 or size is None:
        raise UnsupportedOpError(f"{node.label()}: only constant scalar or 1-D indices have a rule")
    dx = str(dys[0])
    if indices.ndim == 0:
        dx = g.op("Unsqueeze", dx, g.ints([axis]))
    return _scatter(g, dx, axis, np.atleast_1d(indices) % size, size, len(shape)), None


def depth_to_space(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """SpaceToDepth, with the channels permuted back for mode CRD."""
    block = node.attrs["blocksize"]
    dx = g.op("SpaceToDepth", str(dys[0]), blocksize=block)
    if node.attrs.get("mode", "DCR") == "CRD":
        channels = int(g.static_shape(node.inputs[0], node)[1] or 0)
        order = np.arange(channels).reshape(block * block, -1).T.ravel()
        dx = g.op("Gather", dx, g.const(order), axis=1)
    return (dx,)


def space_to_depth(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """DepthToSpace."""
    return (g.op("DepthToSpace", str(dys[0]), blocksize=node.attrs["blocksize"], mode="DCR"),)


def resize(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Nearest upsampling by whole factors: the sum over each block."""
    shape = g.static_shape(node.inputs[0], node)
    wide = g.static_shape(node.outputs[0], node)
    factors = [(b or 1) // (a or 1) for a, b in zip(shape[2:], wide[2:], strict=True)]
    whole = all(a and a * f == b for a, b, f in zip(shape[2:], wide[2:], factors, strict=True))
    if not whole or shape[1] != wide[1] or not _repeats(g, node, factors):
        raise UnsupportedOpError(
            f"{node.label()}: only nearest upsampling by whole factors has a rule"
        )
    mean = g.op("AveragePool", str(dys[0]), kernel_shape=factors, strides=factors)
    dx = g.mul(mean, g.scalar(float(np.prod(factors))))
    return [dx] + [None] * (len(node.inputs) - 1)


def _repeats(g: Graph, node: Node, factors: list[int]) -> bool:
    """Whether a Resize by whole factors shows every element as one block."""
    attrs = node.attrs
    rounding = attrs.get("nearest_mode", "round_prefer_floor")
    halves = attrs.get("coordinate_transformation_mode", "half_pixel") in HALF_PIXEL
    blocks = rounding.startswith("round") if halves else rounding == "floor"
    corners = attrs.get("coordinate_transformation_mode") in ("align_corners", "tf_crop_and_resize")
    given = g.constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
    exact = given is None or given.size == 0 or set(given) <= {1.0, *map(float, factors)}
    return attrs.get("mode", "nearest") == "nearest" and blocks and exact and not corners


def _slice_arguments(g: Graph, node: Node) -> tuple[list[int], list[int], list[int]]:
    """Starts, axes and steps of a Slice, from inputs or (opset < 10) attributes."""
    if "starts" in node.attrs:
        starts = list(node.attrs["starts"])
        return starts, list(node.attrs.get("axes", range(len(starts)))), [1] * len(starts)
    given = [g.constant(name) if name else None for name in node.inputs[1:]]
    if any(array is None and name for array, name in zip(given, node.inputs[1:], strict=True)):
        raise UnsupportedOpError(f"{node.label()}: its bounds are computed; they must be constant")
    starts = [int(v) for v in given[0]]  # type: ignore[union-attr]
    axes = range(len(starts)) if len(given) < 3 or given[2] is None else given[2].tolist()
    steps = [1] * len(starts) if len(given) < 4 or given[3] is None else given[3].tolist()
    return starts, list(axes), list(steps)


def _scatter(g: Graph, dx: str, axis: int, places: NDArray[np.int64], size: int, rank: int) -> str:
    """Add element i of an axis to place `places[i]` of a longer one, by a 0-1 matrix."""
    chosen = np.zeros((len(places), size), np.float32)
    chosen[np.arange(len(places)), places] = 1.0
    last = [i for i in range(rank) if i != axis] + [axis]
    product = g.op("MatMul", g.op("Transpose", dx, perm=last), g.const(chosen))
    return g.op("Transpose", product, perm=np.argsort(last).tolist())
