"""Height and width in values that have channels last: tokens (N, T, D), and (N, h, w, D).

A transformer turns a map (N, D, h, w) into h w tokens, row by row, puts class tokens in front or
behind, and keeps them in place: sums, normalizations and products with weights work token by token,
and what mixes tokens gives every token its own result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .graph import Graph
from .layout import Axes, through
from .nodes import Node

MIXING = {"MatMul", "Einsum", "Attention"}
"""Operators by which tokens read each other, where both operands are computed."""


class Grid(NamedTuple):
    """Where the patches of an image are in a value with channels last.

    Attributes
    ----------
    first : int
        Tokens in front of the grid; 0 for (N, h, w, D).
    height, width : int
    """

    first: int
    height: int
    width: int


class _Place(NamedTuple):
    """A grid on one axis of a value."""

    axis: int
    grid: Grid


def token_grids(g: Graph, layers: Sequence[str], axes: dict[str, Axes]) -> dict[str, Grid]:
    """Grids of the layers (N, T, D) and (N, h, w, D) that have one of more than one patch."""
    places: dict[str, _Place] = {}
    axes = {**axes, **_pooled_last(g, axes)}
    for node in g.nodes:
        for output in node.outputs:
            rows = _unflattened(g, node, output, places) or through(g, node, output, axes)
            if output not in axes and rows is not None:
                axes[output] = rows
            place = _through(g, node, output, places, axes)
            if place is not None:
                places[output] = place
    found: dict[str, Grid] = {}
    for name in layers:
        shape = g.shape(name) or ()
        if axes.get(name) == (1, 2) and len(shape) == 4:
            grid = Grid(0, shape[1] or 0, shape[2] or 0)
        elif name in places and places[name].axis == 1 and len(shape) == 3:
            grid = places[name].grid
        else:
            continue
        if grid.height * grid.width > 1:
            found[name] = grid
    return found


def _pooled_last(g: Graph, axes: dict[str, Axes]) -> dict[str, Axes]:
    """Values (N, h, w, D) of which the mean over both middle axes is taken, as a head does."""
    found: dict[str, Axes] = {}
    for node in g.nodes:
        value = node.inputs[0] if node.inputs else ""
        if node.op_type == "ReduceMean" and value not in axes and len(g.shape(value) or ()) == 4:
            given = node.attrs.get("axes")
            if given is None and len(node.inputs) > 1 and g.is_constant(node.inputs[1]):
                given = np.asarray(g.constant(node.inputs[1])).tolist()
            if sorted(a % 4 for a in given or ()) == [1, 2]:
                found[value] = (1, 2)
    return found


def _unflattened(g: Graph, node: Node, output: str, places: dict[str, _Place]) -> Axes | None:
    """Rows and columns of tokens that a Reshape takes apart again."""
    if node.op_type != "Reshape" or node.inputs[0] not in places:
        return None
    axis, (first, height, width) = places[node.inputs[0]]
    old, new = g.shape(node.inputs[0]) or (), g.shape(output) or ()
    apart = len(new) == len(old) + 1 and tuple(new[axis : axis + 2]) == (height, width)
    whole = first == 0 and old[axis] == height * width and tuple(new[1:axis]) == tuple(old[1:axis])
    return (axis, axis + 1) if apart and whole else None


def mixes_behind(g: Graph, value: str, used: set[str]) -> bool:
    """Whether tokens still read each other on the way from a value to the logits."""
    below = {value}
    for node in g.nodes:
        if not any(name in below for name in node.reads):
            continue
        below.update(node.outputs)
        computed = [i for i in node.inputs[:2] if i and not g.is_constant(i)]
        if node.op_type in MIXING and len(computed) > 1 and node.outputs[0] in used:
            return True
    return False


def reads_patches(g: Graph, value: str, grid: Grid, used: set[str]) -> bool:
    """Whether what follows takes more of a value than the tokens around its grid."""
    for node in g.nodes:
        if value not in node.reads or not any(output in used for output in node.outputs):
            continue
        if node.op_type == "Gather" and node.attrs.get("axis", 0) % 3 == 1:
            index = g.constant(node.inputs[1])
            if index is not None and all(_outside(int(i), grid, g, value) for i in index.ravel()):
                continue
        if node.op_type == "Slice" and _sliced_outside(g, node, grid):
            continue
        if node.op_type in ("Identity", "Dropout", "LayerNormalization", "Cast"):
            if not reads_patches(g, node.outputs[0], grid, used):
                continue
        return True
    return False


def _outside(index: int, grid: Grid, g: Graph, value: str) -> bool:
    """Whether a token is none of the grid."""
    count = (g.shape(value) or (0, 0))[1] or 0
    return not grid.first <= index % max(count, 1) < grid.first + grid.height * grid.width


def _sliced_outside(g: Graph, node: Node, grid: Grid) -> bool:
    """Whether a Slice leaves one stretch of tokens that does not meet the grid."""
    given = [g.constant(name) if name else None for name in node.inputs[1:]]
    if len(given) < 3 or any(array is None for array in given[:3]):
        return False
    starts, stops, axes = (array.tolist() for array in given[:3] if array is not None)
    for start, stop, axis in zip(starts, stops, axes, strict=True):
        if axis % 3 == 1 and 0 <= start:
            return stop <= grid.first or start >= grid.first + grid.height * grid.width
    return False


def _through(
    g: Graph, node: Node, output: str, places: dict[str, _Place], axes: dict[str, Axes]
) -> _Place | None:
    """Place of the grid in one output."""
    shape = g.shape(output)
    if shape is None or output in axes:
        return None
    if node.op_type == "Concat":
        return _concat(g, node, places)
    for value in node.inputs:
        if value in axes and node.op_type in ("Reshape", "Flatten"):
            place = _flattened(g.shape(value) or (), shape, axes[value])
        elif value in places:
            place = _step(g, node, value, shape, places[value])
        else:
            continue
        if place is not None:
            return place
    return None


def _flattened(old: Sequence[int | None], new: Sequence[int | None], axes: Axes) -> _Place | None:
    """Rows and columns, neighbours, become one axis."""
    h, w = axes
    height, width = old[h], old[w]
    if w != h + 1 or len(new) != len(old) - 1 or height is None or width is None:
        return None
    if new[h] != height * width or tuple(new[1:h]) != tuple(old[1:h]):
        return None
    return _Place(h, Grid(0, height, width))


def _step(
    g: Graph, node: Node, value: str, shape: Sequence[int | None], place: _Place
) -> _Place | None:
    """By way of one input that has a grid."""
    old = g.shape(value) or ()
    axis, count = place.axis, old[place.axis]
    if node.op_type == "Transpose":
        perm = list(node.attrs.get("perm", range(len(old))[::-1]))
        return place._replace(axis=perm.index(axis))
    if node.op_type == "Slice":
        return _sliced(g, node, place, count, shape)
    if node.op_type == "MatMul" and (value != node.inputs[0] or axis >= len(old) - 1):
        return None
    if node.op_type in ("Gather", "GatherND", "Reshape", "Flatten", "Split"):
        return None
    same = len(shape) == len(old) and shape[axis] == count
    return place if same and count is not None else None


def _sliced(
    g: Graph, node: Node, place: _Place, count: int | None, shape: Sequence[int | None]
) -> _Place | None:
    """Tokens cut off in front or behind, none of the grid."""
    left = shape[place.axis]
    if left == count:
        return place
    given = [g.constant(name) if name else None for name in node.inputs[1:]]
    if len(given) < 3 or given[0] is None or given[2] is None or left is None or count is None:
        return None
    grid = place.grid
    for start, axis in zip(given[0].tolist(), given[2].tolist(), strict=True):
        if axis % len(shape) == place.axis:
            start = start + count if start < 0 else start
            if start <= grid.first and start + left >= grid.first + grid.height * grid.width:
                return place._replace(grid=grid._replace(first=grid.first - start))
    return None


def _concat(g: Graph, node: Node, places: dict[str, _Place]) -> _Place | None:
    """Tokens put in front of the grid or behind it."""
    known = [(i, places[value]) for i, value in enumerate(node.inputs) if value in places]
    if len(known) != 1:
        return None
    number, place = known[0]
    axis = node.attrs["axis"] % len(g.shape(node.inputs[0]) or (0,))
    if axis != place.axis:
        return place
    before = [(g.shape(value) or (None,) * (axis + 1))[axis] for value in node.inputs[:number]]
    if None in before:
        return None
    first = place.grid.first + sum(size or 0 for size in before)
    return place._replace(grid=place.grid._replace(first=first))
