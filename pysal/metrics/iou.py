"""Overlap of saliency maps with ground-truth masks, at every threshold: numpy only."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import OptionError, ShapeError
from pysal.types import MetricResult, Passes

Float = NDArray[np.float64]


def iou(maps: ArrayLike, masks: ArrayLike, *, steps: int = 20) -> MetricResult:
    """Intersection over union of a map's upper part with a mask, as its threshold rises.

    Parameters
    ----------
    maps : array_like of shape (N, h, w)
        Saliency, higher = more important; scaled to [0, 1] per image, then resized to the masks
        bilinearly. A map that is constant or has NaN selects everything at 0 and nothing above.
    masks : array_like of shape (N, H, W), bool or 0 and not 0
        Where the evidence is.
    steps : int
        Intervals between thresholds 0 and 1.

    Returns
    -------
    MetricResult
        Values "auc", 100 times the area under the curve, and "best", the highest IoU over the
        thresholds, with the threshold it occurs at, "best_threshold". Curves "threshold" of shape
        (steps + 1,) and "iou" of shape (N, steps + 1).

    Raises
    ------
    ShapeError
        If maps and masks do not fit, or a mask is empty.

    Notes
    -----
    Cost: no network passes. At threshold 0 everything is selected, so "auc" of the perfect map, the
    mask itself, is 100 - 2.5 (1 - area of the mask) with 20 steps. Differs from [1]_: the grid of
    thresholds is not published; 21 points here.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, Visual Explanation by Interpretation, ICLR 2019: an8Flower.
    """
    began = time.perf_counter()
    maps, truth = _check(np.asarray(maps, np.float64), np.asarray(masks), steps)
    thresholds = np.linspace(0, 1, steps + 1)
    curves = np.stack([_curve(m, g, thresholds) for m, g in zip(maps, truth, strict=True)])
    best = curves.argmax(axis=1)
    return MetricResult(
        metric="iou",
        values={
            "auc": 50 * (curves[:, 1:] + curves[:, :-1]).mean(axis=1),
            "best": curves.max(axis=1),
            "best_threshold": thresholds[best],
        },
        curves={"threshold": thresholds, "iou": curves},
        options={"steps": steps},
        passes=Passes(),
        seconds=time.perf_counter() - began,
    )


def _check(maps: Float, masks: NDArray[np.generic], steps: int) -> tuple[Float, NDArray[np.bool_]]:
    """Maps and masks that can be compared."""
    if steps < 1:
        raise OptionError(f"steps is {steps}; expected at least 1")
    if maps.ndim != 3 or masks.ndim != 3 or len(maps) != len(masks) or 0 in maps.shape:
        raise ShapeError(
            f"maps {maps.shape} and masks {masks.shape}; expected (N, h, w) and (N, H, W) of one N"
        )
    truth = masks.astype(bool)
    empty = np.flatnonzero(~truth.any(axis=(1, 2)))
    if len(empty):
        raise ShapeError(
            f"masks {empty.tolist()} have no pixel set, so their IoU is not defined; leave those "
            "images out"
        )
    return maps, truth


def _curve(saliency: Float, truth: NDArray[np.bool_], thresholds: Float) -> Float:
    """IoU of one map with one mask per threshold, in O(pixels) whatever the number of those."""
    height, width = truth.shape
    level = resize_bilinear(_unit(saliency), height, width)
    # Index of the last threshold that a pixel reaches, then counts from the top down.
    reached = np.searchsorted(thresholds, level.ravel(), side="right") - 1
    bins = len(thresholds)
    selected = np.bincount(reached, minlength=bins)[::-1].cumsum()[::-1]
    hits = np.bincount(reached[truth.ravel()], minlength=bins)[::-1].cumsum()[::-1]
    return np.asarray(hits / (truth.sum() + selected - hits), np.float64)


def _unit(saliency: Float) -> Float:
    """Min-max scaling to [0, 1]; zeros where that has no meaning."""
    low, high = saliency.min(), saliency.max()
    if not high > low:
        return np.zeros_like(saliency)
    return np.asarray((saliency - low) / (high - low), np.float64)


def resize_bilinear(image: Float, height: int, width: int) -> Float:
    """Resize (h, w) to (height, width), pixel centres kept in place, edges repeated."""
    for axis, size in enumerate((height, width)):
        old = image.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        below = np.minimum(at.astype(int), max(old - 2, 0))
        above = np.minimum(below + 1, old - 1)
        weight = np.expand_dims(at - below, 1 - axis)
        image = image.take(below, axis) * (1 - weight) + image.take(above, axis) * weight
    return np.clip(image, 0, 1)
