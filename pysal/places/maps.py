"""Maps as metrics compare them: checked, and resized to another frame with pixel centres kept."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import ShapeError
from pysal.heatmap import ConstantMapWarning
from pysal.types import Array

Float = NDArray[np.float64]


def checked_maps(owner: str, maps: ArrayLike, num_images: int) -> Float:
    """Maps that can be compared, float64 (N, h, w).

    A map with NaN or infinite values becomes a constant map (zeros).

    Raises
    ------
    ShapeError
        If they are not N maps of at least one cell.

    Warns
    -----
    UserWarning
        Counts the maps with NaN or infinite values.
    ConstantMapWarning
        Counts the maps that have one value everywhere.
    """
    values = np.asarray(maps, np.float64)
    if values.ndim != 3 or len(values) != num_images or 0 in values.shape[1:]:
        raise ShapeError(
            f"maps have shape {values.shape}; expected (N, h, w), one per image, N = {num_images}"
        )
    bad = np.asarray(~np.isfinite(values).all(axis=(1, 2)))
    if bad.any():
        warnings.warn(
            f"{owner}: {bad.sum()} of {num_images} maps (number {_first(bad)}) have NaN or "
            "infinite values; each is scored as a constant map",
            stacklevel=4,
        )
        values = np.where(bad[:, None, None], 0, values)
    constant = ~bad & (np.ptp(values, axis=(1, 2)) == 0)
    if constant.any():
        warnings.warn(
            f"{owner}: {constant.sum()} of {num_images} maps (number {_first(constant)}) have the "
            "same value everywhere, so they show no place",
            ConstantMapWarning,
            stacklevel=4,
        )
    return values


def resized(saliency: Float, size: tuple[int, int]) -> Float:
    """Resize a map (h, w) to `size` bilinearly, pixel centres kept in place, edges repeated.

    The samples are those of `align_corners=False` (metrics specification 6), without antialiasing.
    Equal neighbours give exactly their value, so constant parts stay tied.
    """
    for axis, length in enumerate(size):
        old = saliency.shape[axis]
        if old == length:
            continue
        at = np.clip((np.arange(length) + 0.5) * old / length - 0.5, 0, old - 1)
        below = np.minimum(at.astype(np.intp), max(old - 2, 0))
        above = np.minimum(below + 1, old - 1)
        weight = np.expand_dims(at - below, 1 - axis)
        low, high = saliency.take(below, axis), saliency.take(above, axis)
        saliency = low + weight * (high - low)
    return saliency


def random_maps(seeds: Sequence[int] | NDArray[np.integer], size: tuple[int, int]) -> Array:
    """Uniform maps in [0, 1), one per seed: the baseline that knows nothing, (N, h, w) float32."""
    maps = np.empty((len(seeds), *size), np.float32)
    for row, seed in enumerate(seeds):
        rng = np.random.Generator(np.random.Philox(key=int(seed)))
        maps[row] = rng.random(size, np.float32)
    return maps


def _first(rows: NDArray[np.bool_]) -> str:
    """Numbers of the first rows that are set."""
    return ", ".join(map(str, np.flatnonzero(rows)[:5]))
