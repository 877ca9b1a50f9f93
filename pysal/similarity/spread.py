"""Maps at the size of the image, with sums kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.resample import axis_matrix
from pysal.types import Array


def spread_maps(maps: Array, size: tuple[int, int]) -> NDArray[np.float64]:
    """Share out the cells of maps among the pixels that they cover.

    Parameters
    ----------
    maps : ndarray of shape (N, h, w)
    size : tuple of int
        (H, W).

    Returns
    -------
    ndarray of shape (N, H, W), float64
        Every pixel has the value of the nearest cell divided by the number of that cell's pixels;
        where a map is larger than the image, every pixel has the sum of its cells. The sum of a map
        stays what it is.
    """
    rows, columns = (_axis(old, new) for old, new in zip(maps.shape[1:], size, strict=True))
    return rows @ maps.astype(np.float64) @ columns.T


def _axis(length: int, out_length: int) -> NDArray[np.float64]:
    """Matrix (out_length, length) whose columns sum to 1."""
    if length > out_length:
        return axis_matrix("nearest", out_length, length).T.astype(np.float64)
    matrix = axis_matrix("nearest", length, out_length).astype(np.float64)
    return matrix / matrix.sum(axis=0)
