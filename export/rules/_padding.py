"""The rule of Pad, in all its modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from ._places import scatter_add
from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node

MODES = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}
"""Modes that repeat elements of the input, and what numpy calls them."""


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("Pad")(pad)


def pad(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Crop what was padded, pad what was cropped; copies are added to where they came from."""
    mode = node.attrs.get("mode", "constant")
    shape = g.sizes(node.inputs[0], node)
    begin, end = _counts(g, node, len(shape))
    if any(b or e for b, e, size in zip(begin, end, shape, strict=True) if size is None):
        raise UnsupportedOpError(f"{node.label()}: it pads the batch axis")
    dx = str(dys[0])
    if mode in MODES:
        if min(begin + end) < 0:
            raise UnsupportedOpError(
                f"{node.label()}: it crops in mode {mode}, which engines do in different orders; "
                "crop with Slice"
            )
        for axis, size in enumerate(shape):
            if begin[axis] or end[axis]:
                places = _places(int(size or 0), begin[axis], end[axis], mode)
                dx = scatter_add(g, dx, axis, places, int(size or 0), len(shape))
    elif mode == "constant":
        dx = _uncrop(g, _crop(g, dx, begin, end), begin, end)
    else:
        raise UnsupportedOpError(f"{node.label()}: mode {mode} has no rule; use constant padding")
    return [dx] + [None] * (len(node.inputs) - 1)


def _counts(g: Graph, node: Node, rank: int) -> tuple[list[int], list[int]]:
    """Begin and end counts of all axes."""
    counts = g.constant(node.inputs[1]) if len(node.inputs) > 1 else node.attrs.get("pads")
    if counts is None:
        raise UnsupportedOpError(f"{node.label()}: its pads are computed; they must be constant")
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
    return begin, end


def _places(size: int, begin: int, end: int, mode: str) -> np.ndarray:
    """Which element of the input every element of the output shows."""
    shown: np.ndarray = np.pad(np.arange(size), (begin, end), mode=MODES[mode])  # type: ignore[call-overload]
    return shown


def _crop(g: Graph, dx: str, begin: list[int], end: list[int]) -> str:
    """Drop what was added."""
    crop = {}
    for i, (b, e) in enumerate(zip(begin, end, strict=True)):
        if b > 0 or e > 0:
            crop[i] = (max(b, 0), -e if e > 0 else np.iinfo(np.int64).max)
    return g.slice(dx, crop) if crop else dx


def _uncrop(g: Graph, dx: str, begin: list[int], end: list[int]) -> str:
    """Zeros where something was dropped."""
    grow = [max(-b, 0) for b in begin], [max(-e, 0) for e in end]
    return g.pad(dx, *grow) if any(grow[0] + grow[1]) else dx
