"""How alike saliency maps are: SSIM, correlation of HOG, rank correlation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import OptionError, ShapeError
from pysal.resample import Resample
from pysal.similarity.hog import BLOCK, hog
from pysal.similarity.ranks import average_ranks

Float = NDArray[np.float64]
Scale = Literal["max_abs", "min_max", "none"]
Measure = Literal["ssim", "hog", "spearman"]
SCALES: tuple[Scale, ...] = ("max_abs", "min_max", "none")
MEASURES: tuple[Measure, ...] = ("ssim", "hog", "spearman")

WINDOW = 5
"""Side of the window of SSIM, uniform."""
CELL = 16


def ssim(a: ArrayLike, b: ArrayLike, *, data_range: float = 2.0, window: int = WINDOW) -> Float:
    """Structural similarity of maps: (..., H, W) twice -> (...), float64, -1 to 1.

    Parameters
    ----------
    a, b : array_like of shape (..., H, W)
    data_range : float
        Difference between the largest and the smallest value that maps can have: 2 for [-1, 1].
    window : int
        Side of the window, odd; every pixel in it weighs the same.

    Returns
    -------
    ndarray of shape (...)
        Mean over the windows that fit into the maps. 1 where both are equal, constant maps
        included; NaN where a map has NaN.

    Raises
    ------
    ShapeError
        If the shapes differ, or the window does not fit.

    Notes
    -----
    Constants 0.01 and 0.03; variances with the factor n / (n - 1). The numbers are those of
    scikit-image's `structural_similarity` with its default window kind.

    References
    ----------
    .. [1] Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to
       Structural Similarity", IEEE TIP 2004, equation 13.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim < 2 or min(a.shape[-2:]) < window:
        raise ShapeError(
            f"maps have shapes {a.shape} and {b.shape}; expected the same (..., H, W), each side "
            f"at least {window}"
        )
    unbiased = window**2 / (window**2 - 1)
    mean_a, mean_b = _means(a, window), _means(b, window)
    var_a = unbiased * (_means(a * a, window) - mean_a**2)
    var_b = unbiased * (_means(b * b, window) - mean_b**2)
    both = unbiased * (_means(a * b, window) - mean_a * mean_b)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    top = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    found: Float = (top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean(axis=(-2, -1))
    return found


def hog_correlation(a: ArrayLike, b: ArrayLike, *, cell: int | None = None) -> Float:
    """Pearson correlation of the HOG vectors of maps: (..., H, W) twice -> (...), float64.

    Parameters
    ----------
    a, b : array_like of shape (..., H, W)
    cell : int, optional
        Pixels per side of a cell. Default: 16, or for maps below 48 pixels a third of the side, so
        that one block of 3 x 3 cells fits (ours).

    Returns
    -------
    ndarray of shape (...)
        NaN where a map is constant, or has NaN.

    Raises
    ------
    ShapeError
        If the shapes differ, or no block fits.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    _same(first, second)
    cell = cell or hog_cell(first.shape[-2:])
    if min(first.shape[-2:]) < BLOCK * cell:
        raise ShapeError(
            f"maps of {first.shape[-2:]} have no block of {BLOCK} x {BLOCK} cells of {cell} pixels;"
            " give a smaller cell, or larger maps"
        )
    return pearson(_hog(first, cell), _hog(second, cell))


def hog_cell(size: Sequence[int]) -> int:
    """Side of a cell where the caller names none."""
    return max(1, min(CELL, min(size) // BLOCK))


def spearman(a: ArrayLike, b: ArrayLike) -> Float:
    """Rank correlation of maps, equal values sharing ranks: (..., H, W) twice -> (...), float64.

    NaN where a map is constant, or has NaN.
    """
    first, second = np.asarray(a), np.asarray(b)
    _same(first, second)
    return pearson(_ranks(first), _ranks(second))


def pearson(a: Float, b: Float) -> Float:
    """Correlation along the last axis; NaN where one of the two is constant, or has NaN."""
    varies = (a.max(axis=-1) > a.min(axis=-1)) & (b.max(axis=-1) > b.min(axis=-1))
    a = a - a.mean(axis=-1, keepdims=True)
    b = b - b.mean(axis=-1, keepdims=True)
    size = np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Float = np.where(varies, (a * b).sum(axis=-1) / size, np.nan)
    return np.clip(found, -1, 1)


def prepare_maps(maps: ArrayLike, size: tuple[int, int], scale: Scale = "max_abs") -> Float:
    """Maps (..., h, w) at one size and in one range, (..., H, W), float64.

    Parameters
    ----------
    maps : array_like of shape (..., h, w)
    size : tuple of int
        (H, W); resized bilinearly, cells taken as squares that share the image.
    scale : {"max_abs", "min_max", "none"}
        Divided by the largest magnitude, to [-1, 1]; moved and stretched to [0, 1]; or left. A map
        of zeros, or for "min_max" a constant one, becomes zeros.

    Raises
    ------
    OptionError
        If `scale` is unknown.
    """
    if scale not in SCALES:
        raise OptionError(f"scale is {scale!r}; use one of {', '.join(SCALES)}")
    values = np.asarray(maps, np.float32)
    resize = Resample("centred", (values.shape[-2], values.shape[-1]), size, values)
    axes = (-2, -1)
    flat = values.min(axis=axes, keepdims=True), values.max(axis=axes, keepdims=True)
    # Rounding must not give a constant map a pattern.
    values = np.where(flat[0] == flat[1], flat[0], resize(values)).astype(np.float64)
    if scale == "min_max":
        values = values - values.min(axis=axes, keepdims=True)
    if scale != "none":
        largest = np.abs(values).max(axis=axes, keepdims=True)
        values = values / np.where(largest > 0, largest, 1)
    return values


def pairwise_similarity(
    maps: ArrayLike,
    *,
    measures: Sequence[Measure] = MEASURES,
    data_range: float = 2.0,
    cell: int | None = None,
) -> dict[str, Float]:
    """Mean similarity over all pairs of k maps of an image.

    Parameters
    ----------
    maps : array_like of shape (N, k, H, W)
        k at least 2; prepared, see `prepare_maps`.
    measures : sequence of {"ssim", "hog", "spearman"}
    data_range : float
        Of `ssim`.
    cell : int, optional
        Of `hog_correlation`.

    Returns
    -------
    dict of str to ndarray of shape (N,), float64
        NaN where a pair has no value, for instance because a map is constant.

    Raises
    ------
    ShapeError
        If there are fewer than two maps per image.

    References
    ----------
    .. [1] Bansal, Agarwal, Nguyen, "SAM: The Sensitivity of Attribution Methods to
       Hyperparameters", CVPR 2020, section 4; metrics specification 8.
    """
    given = np.asarray(maps, np.float64)
    if given.ndim != 4 or given.shape[1] < 2:
        raise ShapeError(f"maps have shape {given.shape}; expected (N, k, H, W), k at least 2")
    unknown = [name for name in measures if name not in MEASURES]
    if unknown:
        raise OptionError(f"measure is {unknown[0]!r}; use some of {', '.join(MEASURES)}")
    first, second = np.triu_indices(given.shape[1], 1)
    found = {}
    for name in measures:
        if name == "ssim":
            pairs = zip(first, second, strict=True)
            rows = [ssim(given[:, i], given[:, j], data_range=data_range) for i, j in pairs]
        else:
            side = cell or hog_cell(given.shape[2:])
            vectors = _hog(given, side) if name == "hog" else _ranks(given)
            pairs = zip(first, second, strict=True)
            rows = [pearson(vectors[:, i], vectors[:, j]) for i, j in pairs]
        found[str(name)] = np.mean(rows, axis=0)
    return found


def _hog(maps: Float, cell: int) -> Float:
    """HOG vectors; NaN for a map with NaN."""
    broken = np.asarray(np.isnan(maps).any(axis=(-2, -1)))
    vectors = hog(np.where(broken[..., None, None], 0, maps), cell)
    return np.where(broken[..., None], np.nan, vectors)


def _ranks(maps: NDArray[np.generic]) -> Float:
    """Ranks of flattened maps."""
    return average_ranks(maps.reshape(*maps.shape[:-2], maps.shape[-2] * maps.shape[-1]))


def _means(maps: Float, window: int) -> Float:
    """Mean over every window that fits."""
    for axis in (-2, -1):
        view = np.lib.stride_tricks.sliding_window_view(maps, window, axis=axis)
        maps = view.mean(axis=-1)
    return maps


def _same(a: NDArray[np.generic], b: NDArray[np.generic]) -> None:
    """Refuse maps of different shapes."""
    if a.shape != b.shape or a.ndim < 2:
        raise ShapeError(f"maps have shapes {a.shape} and {b.shape}; expected the same (..., H, W)")
