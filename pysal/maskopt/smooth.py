"""Smoothing of masks at the size of the image, with Pillow's approximation of a Gaussian."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, is_host, to_like
from pysal.types import Array

PASSES = 3
"""Box filters in a row, as in Pillow."""


class Smooth:
    """Masks (n, H, W) smoothed with a radius; the identity for radius 0.

    Parameters
    ----------
    radius : float
        Standard deviation of the Gaussian.
    size : tuple of int
        (H, W).
    like : array
        Where the masks will be.
    """

    def __init__(self, radius: float, size: tuple[int, int], like: AnyArray) -> None:
        self._matrices: tuple[AnyArray, AnyArray] | None = None
        if radius > 0:
            rows, columns = (smoothing_matrix(length, radius) for length in size)
            self._matrices = _where(rows, like), _where(columns, like)

    def __call__(self, masks: AnyArray) -> AnyArray:
        """Smoothed masks."""
        if self._matrices is None:
            return masks
        rows, columns = self._matrices
        return rows @ masks @ columns.T


@functools.lru_cache(maxsize=16)
def smoothing_matrix(length: int, radius: float) -> Array:
    """The smoothing of one axis, (length, length), float32, read-only; rows sum to 1.

    Notes
    -----
    Box filters of one width 2 (l + a) + 1, whose outermost elements have weight a, repeated; the
    edge is repeated before each. In the published code of MP it is done in 8 bits, here it is not:
    a difference of at most two grey levels of the mask.

    References
    ----------
    .. [1] Gwosdek, Grewenig, Bruhn, Weickert, "Theoretical Foundations of Gaussian Convolution by
       Extended Box Filtering", SSVM 2011, equations 9 and 10.
    """
    variance = radius**2 / PASSES
    whole = math.floor((math.sqrt(12 * variance + 1) - 1) / 2)
    part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    part /= 6 * (variance - (whole + 1) ** 2)
    weights = np.ones(2 * whole + 3)
    weights[[0, -1]] = part
    box = _filter(length, weights / weights.sum())
    out: Array = np.linalg.matrix_power(box, PASSES).astype(np.float32)
    out.flags.writeable = False
    return out


def _filter(length: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """A filter of odd length as a matrix; beyond the border is the element at the border."""
    radius = len(weights) // 2
    at = np.arange(length)[:, None] + np.arange(-radius, radius + 1)
    matrix = np.zeros((length, length))
    np.add.at(matrix, (np.arange(length)[:, None], at.clip(0, length - 1)), weights)
    return matrix


def _where(matrix: Array, like: AnyArray) -> AnyArray:
    return matrix if is_host(like) else to_like(matrix.copy(), like)
