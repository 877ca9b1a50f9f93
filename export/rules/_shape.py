"""Rules of operators that move elements without computing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from ._places import scatter_add
from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node

WHOLE = 2**31 - 1
"""Stops from which on a Slice takes an axis to its end, whatever its size."""


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")(reshape)
    table.rule("Expand", broadcast=True)(expand)
    table.rule("Transpose")(transpose)
    table.rule("Concat")(concat)
    table.rule("Split")(split)
    table.rule("Slice")(slice_)
    table.rule("DepthToSpace")(depth_to_space)
    table.rule("SpaceToDepth")(space_to_depth)


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
    shape, dx = g.sizes(node.inputs[0], node), str(dys[0])
    taken = g.shape(node.outputs[0]) or ()
    begin, end = [0] * len(shape), [0] * len(shape)
    for start, stop, axis, step in zip(*_slice_arguments(g, node), strict=True):
        axis %= len(shape)
        size, count = shape[axis], taken[axis]
        if start == 0 and step == 1 and stop >= WHOLE:
            continue
        if size is None or count is None:
            raise UnsupportedOpError(f"{node.label()}: slices the batch or an axis of unknown size")
        first = min(max(start + size if start < 0 else start, 0), size - (step < 0))
        if step == 1:
            begin[axis], end[axis] = first, size - first - count
        else:
            dx = scatter_add(g, dx, axis, first + step * np.arange(count), size, len(shape))
    if any(begin + end):
        dx = g.pad(dx, begin, end)
    return [dx] + [None] * (len(node.inputs) - 1)


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


def _slice_arguments(g: Graph, node: Node) -> tuple[list[int], list[int], list[int], list[int]]:
    """Starts, stops, axes and steps of a Slice, from inputs or (opset < 10) attributes."""
    if "starts" in node.attrs:
        starts, stops = list(node.attrs["starts"]), list(node.attrs["ends"])
        return starts, stops, list(node.attrs.get("axes", range(len(starts)))), [1] * len(starts)
    given = [g.constant(name) if name else None for name in node.inputs[1:]]
    if any(array is None and name for array, name in zip(given, node.inputs[1:], strict=True)):
        raise UnsupportedOpError(f"{node.label()}: its bounds are computed; they must be constant")
    starts, stops = ([int(v) for v in side] for side in given[:2])  # type: ignore[union-attr]
    axes = range(len(starts)) if len(given) < 3 or given[2] is None else given[2].tolist()
    steps = [1] * len(starts) if len(given) < 4 or given[3] is None else given[3].tolist()
    return starts, stops, list(axes), list(steps)
