"""Penalties on masks of I-GOS: their size and their total variation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pysal.types import Array

from ..graph import Graph


class Penalty:
    """`l1 * mean |1 - M| + l2 * TV(M)`, as `pysal.optim.L1` and `pysal.optim.TV` have them.

    Parameters
    ----------
    g : Graph
    options : mapping
        l1, l2 and size, of `maskopt.options.resolve`.

    Notes
    -----
    Differences of neighbours are products with a matrix D, so the gradient of the mean of their
    squares is 2 D^T D M / count: two products, without slices and padding.
    """

    def __init__(self, g: Graph, options: Mapping[str, Any]) -> None:
        self._g, (rows, columns) = g, options["size"]
        self._l1, self._l2 = options["l1"] / (rows * columns), options["l2"]
        self._counts = ((rows - 1) * columns, rows * (columns - 1))
        self._differences = tuple(map(_differences, (rows, columns)))

    def value(self, masks: str) -> str:
        """Values of (..., h, w): (...)."""
        g = self._g
        removed = g.op("Abs", g.sub(g.scalar(1.0), masks))
        total = g.mul(self._sum(removed), g.scalar(self._l1))
        for axis in self._axes():
            across = self._across(masks, self._differences[axis], axis)
            mean = g.scalar(self._l2 / self._counts[axis])
            total = g.add(total, g.mul(self._sum(g.mul(across, across)), mean))
        return total

    def gradient(self, mask: str) -> str:
        """Gradient at (N, h, w); that of |1 - M| is 0 where M is 1."""
        g = self._g
        total = g.mul(g.op("Sign", g.sub(g.scalar(1.0), mask)), g.scalar(-self._l1))
        for axis in self._axes():
            matrix = self._differences[axis]
            factor = np.float32(2 * self._l2 / self._counts[axis])
            total = g.add(total, self._across(mask, factor * (matrix.T @ matrix), axis))
        return total

    def _axes(self) -> tuple[int, ...]:
        """Axes along which there are neighbours, where variation counts at all."""
        return tuple(axis for axis in (0, 1) if self._l2 and self._counts[axis] > 0)

    def _across(self, masks: str, matrix: Array, axis: int) -> str:
        """Product with a matrix along the rows or the columns."""
        if axis == 0:
            return self._g.op("MatMul", self._g.const(matrix), masks)
        return self._g.op("MatMul", masks, self._g.const(matrix.T))

    def _sum(self, x: str) -> str:
        return self._g.sum(x, [-2, -1], keepdims=False)


def _differences(length: int) -> Array:
    """Matrix of the differences of neighbours, (length - 1, length)."""
    return np.diff(np.eye(length, dtype=np.float32), axis=0)
