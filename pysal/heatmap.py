"""Saliency maps for the eye: scaling, upsampling, colours, overlays."""

from __future__ import annotations

import difflib
import functools
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import OptionError, ShapeError
from pysal.types import Array

COLORMAPS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "ember": (
        (4, 4, 16),
        (38, 12, 78),
        (88, 16, 110),
        (140, 32, 104),
        (190, 52, 82),
        (226, 88, 50),
        (246, 136, 22),
        (250, 192, 54),
        (252, 252, 170),
    ),
    "spectrum": (
        (40, 22, 90),
        (52, 82, 200),
        (30, 146, 232),
        (26, 200, 190),
        (104, 232, 112),
        (196, 236, 60),
        (246, 184, 50),
        (232, 98, 26),
        (150, 18, 10),
    ),
    "diverging": (
        (24, 52, 120),
        (48, 104, 182),
        (112, 164, 216),
        (186, 212, 236),
        (246, 246, 246),
        (248, 206, 182),
        (226, 140, 108),
        (190, 64, 58),
        (120, 14, 38),
    ),
    "gray": ((0, 0, 0), (255, 255, 255)),
}
"""Nine RGB points each: dark to light; cold to hot; negative, zero, positive; black to white."""


class ConstantMapWarning(UserWarning):
    """A map has one value everywhere: it explains nothing, and its picture is empty."""


def is_constant(maps: ArrayLike) -> NDArray[np.bool_]:
    """Whether each map of (N, h, w) has one value everywhere: shape (N,), bool."""
    maps = _checked(maps)
    flat = maps.reshape(len(maps), maps.shape[1] * maps.shape[2])
    return np.ptp(flat, axis=1) == 0


def normalize(
    maps: ArrayLike, *, signed: bool = False, percentiles: tuple[float, float] = (1.0, 99.0)
) -> Array:
    """Scale each map to [0, 1] for display, cut at two percentiles of its own values.

    Parameters
    ----------
    maps : ndarray of shape (N, h, w)
        Finite values.
    signed : bool
        Scale to [-1, 1] instead and keep zero at zero, for diverging colours; only the upper
        percentile is used, on absolute values.
    percentiles : tuple of float
        Lower and upper one, 0 to 100; (0, 100) is the plain min-max. Where the two coincide
        (a sparse map), the minimum and maximum are used.

    Returns
    -------
    ndarray of shape (N, h, w), float32
        Zeros where a map is constant (unsigned), with a ConstantMapWarning.

    Raises
    ------
    ShapeError
        If the array has another shape, is empty or holds NaN or infinite values.
    OptionError
        If the percentiles do not ascend within 0 and 100.
    """
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise OptionError(f"percentiles are {percentiles}; expected 0 <= lower < upper <= 100")
    maps = _checked(maps)
    if constant := np.flatnonzero(is_constant(maps)).tolist():
        warnings.warn(
            f"map {constant[0]} of {len(maps)} has the same value everywhere and shows nothing",
            ConstantMapWarning,
            stacklevel=2,
        )
    if signed:
        size = np.abs(maps)
        top = np.percentile(size, high, axis=(1, 2), keepdims=True)
        top = np.where(top > 0, top, size.max(axis=(1, 2), keepdims=True))
        return np.clip(maps / np.where(top > 0, top, 1), -1, 1).astype(np.float32)
    bottom, top = np.percentile(maps, (low, high), axis=(1, 2), keepdims=True)
    sparse = bottom >= top
    bottom = np.where(sparse, maps.min(axis=(1, 2), keepdims=True), bottom)
    top = np.where(sparse, maps.max(axis=(1, 2), keepdims=True), top)
    span = np.where(top > bottom, top - bottom, 1)
    return np.clip((maps - bottom) / span, 0, 1).astype(np.float32)


def upsample(maps: ArrayLike, size: tuple[int, int]) -> Array:
    """Resize maps bilinearly with aligned corners: (N, h, w) -> (N, H, W), float32.

    U(M) = A_h M A_w^T (methods specification, 0.2). A side of one element gives a constant.

    Raises
    ------
    ShapeError
        If the maps have another shape, are empty or hold NaN or infinite values.
    OptionError
        If a side of `size` is not positive.
    """
    if min(size) < 1:
        raise OptionError(f"size is {size}; expected a positive height and width")
    maps = _checked(maps).astype(np.float32)
    if maps.shape[1:] == tuple(size):
        return maps
    rows, columns = _bilinear(maps.shape[1], size[0]), _bilinear(maps.shape[2], size[1])
    return np.ascontiguousarray(rows @ maps @ columns.T)


def colorize(values: ArrayLike, cmap: str = "spectrum") -> Array:
    """Colours of values in [0, 1]: (...) -> (..., 3), float32 RGB in [0, 1].

    Raises
    ------
    OptionError
        If `cmap` is not one of `COLORMAPS`.
    """
    if cmap not in COLORMAPS:
        near = difflib.get_close_matches(cmap, COLORMAPS, n=1) or list(COLORMAPS)
        raise OptionError(f'colour map "{cmap}" is unknown; use {", ".join(near)}')
    points = np.array(COLORMAPS[cmap], np.float64) / 255
    at = np.clip(np.asarray(values, np.float64), 0, 1) * (len(points) - 1)
    low = np.minimum(at.astype(np.intp), len(points) - 2)
    part = (at - low)[..., None]
    return ((1 - part) * points[low] + part * points[low + 1]).astype(np.float32)


def overlay(
    rgb: ArrayLike,
    maps: ArrayLike,
    *,
    alpha: float = 0.5,
    cmap: str | None = None,
    signed: bool = False,
) -> NDArray[np.uint8]:
    """Lay coloured maps over images.

    Parameters
    ----------
    rgb : ndarray of shape (N, H, W, 3), float in [0, 1]
    maps : ndarray of shape (N, h, w)
        Any finite values; scaled by `normalize`, resized by `upsample`.
    alpha : float in [0, 1]
        Weight of the colours; 1 shows the map only.
    cmap : str, optional
        Default: "spectrum", or "diverging" for signed maps.
    signed : bool
        Show negative and positive values in different colours.

    Returns
    -------
    ndarray of shape (N, H, W, 3), uint8

    Raises
    ------
    ShapeError
        If shapes do not fit each other, or a map has NaN or infinite values.
    OptionError
        If `alpha` or `cmap` is outside its allowed values.
    """
    rgb = np.asarray(rgb, np.float32)
    maps = np.asarray(maps)
    if rgb.ndim != 4 or rgb.shape[3] != 3 or maps.ndim != 3 or len(rgb) != len(maps):
        raise ShapeError(
            f"images have shape {rgb.shape} and maps {maps.shape}; expected (N, H, W, 3) and "
            "(N, h, w)"
        )
    if not 0 <= alpha <= 1:
        raise OptionError(f"alpha is {alpha}; expected 0 to 1")
    values = upsample(normalize(maps, signed=signed), (rgb.shape[1], rgb.shape[2]))
    if signed:
        values = ((values + 1) / 2).astype(np.float32)
    colors = colorize(values, cmap or ("diverging" if signed else "spectrum"))
    mixed = (1 - alpha) * np.clip(rgb, 0, 1) + alpha * colors
    return np.rint(255 * mixed).astype(np.uint8)


def _checked(maps: ArrayLike) -> NDArray[np.float64]:
    """Maps as float64; another shape, no elements, NaN or infinite values are a ShapeError."""
    maps = np.asarray(maps, np.float64)
    if maps.ndim != 3 or 0 in maps.shape[1:]:
        raise ShapeError(f"maps have shape {maps.shape}; expected (N, h, w) with h and w positive")
    if not np.isfinite(maps).all():
        bad = np.flatnonzero(~np.isfinite(maps).all(axis=(1, 2)))
        raise ShapeError(
            f"map {bad[0]} of {len(maps)} has NaN or infinite values; expected finite ones"
        )
    return maps


@functools.lru_cache(maxsize=64)
def _bilinear(num_in: int, num_out: int) -> Array:
    """Interpolation matrix of shape (num_out, num_in), corners aligned; shared, so read-only."""
    at = np.linspace(0, num_in - 1, num_out) if num_out > 1 else np.zeros(1)
    low = np.minimum(at.astype(np.intp), max(num_in - 2, 0))
    matrix = np.zeros((num_out, num_in), np.float32)
    rows = np.arange(num_out)
    matrix[rows, low] = 1 - (at - low)
    matrix[rows, np.minimum(low + 1, num_in - 1)] += (at - low).astype(np.float32)
    matrix.flags.writeable = False
    return matrix
