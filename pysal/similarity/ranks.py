"""Ranks of numbers, equal ones sharing the mean of theirs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]


def average_ranks(values: ArrayLike) -> Float:
    """Ranks along the last axis, from 1 for the smallest.

    Parameters
    ----------
    values : array_like of shape (..., n)
        Numbers; a row with NaN has ranks NaN.

    Returns
    -------
    ndarray of shape (..., n), float64
        Equal numbers get the mean of the ranks that they fill.
    """
    given = np.asarray(values)
    rows = given.reshape(-1, given.shape[-1])
    out = np.empty(rows.shape)
    for row, ranks in zip(rows, out, strict=True):
        if np.isnan(row).any():
            ranks[:] = np.nan
            continue
        _, inverse, counts = np.unique(row, return_inverse=True, return_counts=True)
        last = counts.cumsum()
        ranks[:] = (last - (counts - 1) / 2)[inverse.reshape(-1)]
    return out.reshape(given.shape)
