"""The map of RISE from the scores of its masks, and how sure it is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal import kernels
from pysal.perturb.drawn import GridDraw
from pysal.types import Array

NORMALIZATIONS = ("expected", "covered")

Floats = NDArray[np.float64]
Set = tuple[Array, NDArray[np.int32]]


def estimate(
    scores: Array,
    draw: GridDraw,
    sets: Sequence[Set],
    which: Sequence[int],
    normalization: str,
    errors: bool,
) -> tuple[Array, dict[str, NDArray[Any]]]:
    """Maps (N, H, W), and their standard errors for the trace.

    Parameters
    ----------
    scores : ndarray of shape (N, V), float32
    draw : GridDraw
    sets : sequence of (grids, offsets)
    which : sequence of N int
        Set of every image.
    normalization : {"expected", "covered"}
    errors : bool
        Whether the errors of all pixels are kept.
    """
    native = np.empty((len(scores), *draw.size), np.float32)
    deviation = np.empty_like(native)
    for number, found in enumerate(sets):
        rows = np.flatnonzero(np.array(which) == number)
        p = scores[rows].astype(np.float64)
        make = _covered if normalization == "covered" else _expected
        native[rows], deviation[rows] = make(p, draw, found)
    flat = deviation.reshape(len(scores), draw.size[0] * draw.size[1]).astype(np.float64)
    trace: dict[str, NDArray[Any]] = {
        "standard_error": flat.mean(axis=1),
        "standard_error_max": flat.max(axis=1, initial=0),
    }
    return native, {**trace, "error_map": deviation} if errors else trace


def _sum(weights: Floats, draw: GridDraw, found: Set, square: bool = False) -> Floats:
    """sum_v weights[v] M_v, or of squares of masks."""
    result: Floats = kernels.rise_accumulate(
        *found, weights, draw.up_size, draw.size, square=square
    )
    return result


def _expected(p: Floats, draw: GridDraw, found: Set) -> tuple[Floats, Floats]:
    """The mean of z_v = p_v M_v / keep, and the deviation of that mean."""
    mean = _sum(p, draw, found) / (draw.samples * draw.keep)
    squares = _sum(p * p, draw, found, square=True) / draw.keep**2
    variance = squares / draw.samples - mean * mean
    return mean, np.sqrt(np.maximum(variance, 0) / (draw.samples - 1))


def _covered(p: Floats, draw: GridDraw, found: Set) -> tuple[Floats, Floats]:
    """The ratio sum p_v M_v / sum M_v; its deviation is that of the residuals (p_v - S) M_v."""
    one = np.ones((1, draw.samples))
    cover = _sum(one, draw, found)
    if (cover == 0).any():
        warnings.warn(
            f"rise: {int((cover == 0).sum())} pixels show in none of {draw.samples} masks and get "
            "0; take more samples, or a larger keep",
            stacklevel=4,
        )
    safe = np.where(cover > 0, cover, 1)
    ratio = _sum(p, draw, found) / safe
    squares = (
        _sum(p * p, draw, found, square=True)
        - 2 * ratio * _sum(p, draw, found, square=True)
        + ratio * ratio * _sum(one, draw, found, square=True)
    )
    unbiased = draw.samples / (draw.samples - 1)
    return ratio, np.sqrt(np.maximum(squares, 0) * unbiased) / safe
