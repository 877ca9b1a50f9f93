"""Linear interpolation of masks, as all kernels do it: positions by integer arithmetic."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pysal.types import Array


class Axis(NamedTuple):
    """Outputs of one axis: output i is input[first] + weight * (input[second] - input[first]).

    Attributes
    ----------
    first, second : ndarray of shape (L,), int64
    weight : ndarray of shape (L,), float32
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    weight: NDArray[np.float32]

    def cut(self, offset: int, size: int) -> Axis:
        """The outputs from `offset` on."""
        part = slice(offset, offset + size)
        return Axis(self.first[part], self.second[part], self.weight[part])

    def matrix(self, size: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """The matrix A of shape (L, size) of this axis."""
        matrix = np.zeros((len(self.first), size), dtype)
        weight, rows = self.weight.astype(dtype), np.arange(len(self.first))
        matrix[rows, self.first] = 1 - weight
        matrix[rows, self.second] += weight
        return matrix


def aligned(size: int, out_size: int) -> Axis:
    """From `size` inputs to `out_size` outputs with aligned corners (spec 0.2)."""
    # integer arithmetic, so that positions on a sample have weight 0 exactly
    steps = max(out_size - 1, 1)
    return _axis(np.arange(out_size) * (size - 1), steps, size)


def mirrored(size: int, out_size: int) -> Axis:
    """The same with aligned pixel centres; beyond the first and last input lie their neighbours.

    That is `mode="reflect"` of scikit-image's `resize`, which RISE uses (spec 5.2).
    """
    steps, last = 2 * out_size, (size - 1) * 2 * out_size
    position = np.abs((2 * np.arange(out_size) + 1) * size - out_size)
    position = last - np.abs(last - position) if size > 1 else np.zeros_like(position)
    return _axis(position, steps, size)


def interpolate(masks: Array, rows: Axis, columns: Axis) -> Array:
    """Resize (..., h, w) to (..., H, W); first along the columns of each row."""
    left, right = masks[..., columns.first], masks[..., columns.second]
    wide = left + columns.weight * (right - left)
    upper, lower = wide[..., rows.first, :], wide[..., rows.second, :]
    result: Array = upper + rows.weight[:, None] * (lower - upper)
    return result


def upsample(masks: Array, size: tuple[int, int]) -> Array:
    """Resize (..., h, w) to (..., H, W): bilinear, aligned corners."""
    height, width = masks.shape[-2:]
    return interpolate(masks, aligned(height, size[0]), aligned(width, size[1]))


def upsample_matrix(size: int, out_size: int) -> Array:
    """The matrix A of shape (out_size, size) of that upsampling along one axis."""
    return aligned(size, out_size).matrix(size)


def _axis(position: NDArray[np.int64], steps: int, size: int) -> Axis:
    """Positions are whole numbers of 1 / `steps` inputs."""
    first, rest = np.divmod(position, steps)
    return Axis(first, np.minimum(first + 1, size - 1), (rest / steps).astype(np.float32))
