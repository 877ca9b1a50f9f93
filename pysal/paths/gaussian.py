"""Truncated Gaussians as Toeplitz matrices, one per axis: exact, and products on any device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, is_host

TRUNCATE = 4.0
"""Where a kernel ends, in standard deviations: SciPy's default."""


def bands(length: int, sigmas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Diagonals of the blur matrices of one axis with zero outside the image.

    Parameters
    ----------
    length : int
        L, elements of the axis.
    sigmas : ndarray of shape (S,)
        Standard deviations in pixels; 0 is the identity.

    Returns
    -------
    ndarray of shape (S, 2 L - 1), float64
        Weight at the offsets 1 - L ... L - 1. A kernel reaches int(4 sigma + 0.5) pixels and its
        weights sum to one, those that fall outside the axis included.
    """
    out = np.empty((len(sigmas), 2 * length - 1))
    offsets = np.arange(1 - length, length)
    for row, sigma in zip(out, sigmas, strict=True):
        reach = int(TRUNCATE * sigma + 0.5)
        at = np.arange(-reach, reach + 1)
        scale = -0.5 / sigma**2 if reach else 0.0
        row[:] = np.exp(scale * offsets**2) / np.exp(scale * at**2).sum()
        row[np.abs(offsets) > reach] = 0
    return out


def diagonal_index(length: int) -> NDArray[np.int64]:
    """Index (L, L) of the diagonals: element (i, j) is diagonal j - i."""
    at = np.arange(length)
    return at[None, :] - at[:, None] + length - 1


def toeplitz(diagonals: AnyArray, index: AnyArray) -> AnyArray:
    """Symmetric matrices (S, L, L) of diagonals (S, 2 L - 1)."""
    if is_host(diagonals):
        return np.take(diagonals, index, axis=1)  # contiguous, as products need it
    return diagonals[:, index]
