"""Linear maps along one axis that are constant: selections, and matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..graph import Graph

MOST_GATHERS = 8
"""Up to this many readers of one element are summed by Gathers; a product is faster beyond it."""


def scatter_add(
    g: Graph, x: str, axis: int, places: NDArray[np.int64], size: int, rank: int
) -> str:
    """Add element i of an axis to place `places[i]` of an axis of `size` elements.

    The adjoint of a Gather with constant indices. A contiguous stretch is a Pad. Otherwise every
    place gathers what it receives, as often as the most popular place is read; where that is often,
    it is a product with a 0-1 matrix.
    """
    places = np.asarray(places, np.int64).ravel()
    if np.array_equal(places, places[0] + np.arange(len(places))):
        begin, end = [0] * rank, [0] * rank
        begin[axis], end[axis] = int(places[0]), int(size - places[0] - len(places))
        return g.pad(x, begin, end) if begin[axis] or end[axis] else x
    counts = np.bincount(places, minlength=size)
    if counts.max() > MOST_GATHERS:
        chosen = np.zeros((len(places), size), np.float32)
        chosen[np.arange(len(places)), places] = 1.0
        return along(g, x, axis, chosen, rank)
    if counts.min() < counts.max():  # one more element, zero, for places that receive less
        x = g.pad(x, [0] * rank, [int(i == axis) for i in range(rank)])
    order = np.argsort(places, kind="stable")
    first = np.concatenate([[0], np.cumsum(counts)])
    terms = []
    for turn in range(counts.max()):
        source = np.full(size, len(places), np.int64)
        served = counts > turn
        source[served] = order[first[:-1][served] + turn]
        terms.append(g.op("Gather", x, g.ints(source), axis=axis))
    total = terms[0]
    for term in terms[1:]:
        total = g.add(total, term)
    return total


def along(g: Graph, x: str, axis: int, matrix: NDArray[np.float32], rank: int) -> str:
    """Replace the vectors v along an axis by v @ matrix."""
    if axis == rank - 1:
        return g.op("MatMul", x, g.const(matrix, np.float32))
    if axis == rank - 2:
        return g.op("MatMul", g.const(matrix.T, np.float32), x)
    last = [i for i in range(rank) if i != axis] + [axis]
    product = g.op("MatMul", g.op("Transpose", x, perm=last), g.const(matrix, np.float32))
    return g.op("Transpose", product, perm=np.argsort(last).tolist())


def view(g: Graph, x: str, shape: Sequence[int | None]) -> str:
    """Reshape to sizes of which the first alone may be open."""
    return g.op("Reshape", x, g.ints(-1 if size is None else size for size in shape))
