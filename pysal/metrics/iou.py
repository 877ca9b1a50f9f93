"""Overlap of saliency maps with ground-truth masks, at every threshold."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal import values
from pysal.classifier import Classifier
from pysal.errors import ShapeError
from pysal.places import USES, check_truth, checked_maps, known_pixels, resized, warn_left_out
from pysal.truth import Truth
from pysal.types import Array, MetricResult, Passes, Target

Float = NDArray[np.float64]


def iou(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    truth: Sequence[Truth],
    use: Literal["mask", "boxes", "either"] = "mask",
    steps: int = 20,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Intersection over union of a map's upper part with the place of its class, by threshold.

    Parameters
    ----------
    clf : Classifier
        Not evaluated.
    batch : ndarray of shape (N, C, H, W), float32
    maps : array_like of shape (N, h, w)
        Saliency, higher = more important; resized to the truth's frame bilinearly, then scaled to
        [0, 1] by its extremes. A map that is constant or has NaN selects everything at 0 and
        nothing above.
    target : Target of length N, or 1
        The class whose region counts.
    truth : sequence of N Truth
        An image without a place for its class has NaN, with a warning.
    use : {"mask", "boxes", "either"}
        See `pysal.places.USES`.
    steps : int
        Intervals between thresholds 0 and 1.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    MetricResult
        Values "auc", 100 times the area under the curve, and "best", the highest IoU over the
        thresholds, with the first threshold it occurs at, "best_threshold". Curves "threshold" of
        shape (steps + 1,) and "iou" of shape (N, steps + 1).

    Raises
    ------
    ShapeError
        If the maps do not fit the batch.
    OptionError
        If an option is outside its allowed values, or there is not one truth per image.

    Notes
    -----
    Needs: nothing of the model. Cost: no network passes. At threshold 0 everything is selected, so
    "auc" of the perfect map, the mask itself, is 100 - 2.5 (1 - area of the mask) with 20 steps.
    The grid of thresholds is not published; 21 points are ours.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, Visual Explanation by Interpretation, ICLR 2019: an8Flower.
    """
    began = time.perf_counter()
    num = len(clf.check_batch(batch))
    index = clf.check_target(target, num).index
    values.choice("iou", "use", use, USES)
    thresholds = _thresholds(steps)
    saliency, truth = checked_maps("iou", maps, num), check_truth("iou", truth, num)
    curves, unknown = np.full((num, len(thresholds)), np.nan), []
    for row, (known, wanted) in enumerate(zip(truth, index.tolist(), strict=True)):
        pixels = known_pixels(known.region(wanted), known.size, use)
        if pixels is None:
            unknown.append(row)
        else:
            curves[row] = _curve(saliency[row], pixels, thresholds)
        if progress is not None:
            progress(row + 1, num)
    warn_left_out("iou", unknown, num, f'place of their class (use "{use}")')
    return _result(curves, thresholds, {"use": use, "steps": steps}, began)


def iou_curve(maps: ArrayLike, masks: ArrayLike, *, steps: int = 20) -> MetricResult:
    """As `iou`, of plain arrays: maps (N, h, w) and masks (N, H, W), bool or 0 and not 0.

    Raises
    ------
    ShapeError
        If maps and masks do not fit, or a mask is empty.
    OptionError
        If `steps` is not positive.
    """
    began = time.perf_counter()
    thresholds, known = _thresholds(steps), np.asarray(masks)
    if known.ndim != 3:
        raise ShapeError(f"masks have shape {known.shape}; expected (N, H, W)")
    known = known.astype(bool)
    empty = np.flatnonzero(~known.any(axis=(1, 2)))
    if len(empty):
        raise ShapeError(
            f"masks {empty.tolist()} have no pixel set, so their IoU is not defined; leave those "
            "images out"
        )
    saliency = checked_maps("iou", maps, len(known))
    rows = [_curve(m, g, thresholds) for m, g in zip(saliency, known, strict=True)]
    curves = np.array(rows, np.float64).reshape(len(known), len(thresholds))
    return _result(curves, thresholds, {"steps": steps}, began)


def _thresholds(steps: int) -> Float:
    """Thresholds from 0 to 1."""
    return np.linspace(0, 1, values.whole("iou", "steps", steps) + 1)


def _result(
    curves: Float, thresholds: Float, options: dict[str, object], began: float
) -> MetricResult:
    """Values of curves (N, T); NaN rows stay NaN."""
    missing = np.isnan(curves).any(axis=1)
    best = thresholds[np.where(missing, 0, curves.argmax(axis=1))]
    return MetricResult(
        metric="iou",
        values={
            "auc": 50 * (curves[:, 1:] + curves[:, :-1]).mean(axis=1),
            "best": curves.max(axis=1),
            "best_threshold": np.where(missing, np.nan, best),
        },
        curves={"threshold": thresholds, "iou": curves},
        options=options,
        passes=Passes(),
        seconds=time.perf_counter() - began,
    )


def _curve(saliency: Float, known: NDArray[np.bool_], thresholds: Float) -> Float:
    """IoU of one map with one mask per threshold, in O(pixels) whatever the number of those."""
    level = _unit(resized(saliency, known.shape))
    # Index of the last threshold that a pixel reaches, then counts from the top down.
    reached = np.searchsorted(thresholds, level.ravel(), side="right") - 1
    bins = len(thresholds)
    selected = np.bincount(reached, minlength=bins)[::-1].cumsum()[::-1]
    hits = np.bincount(reached[known.ravel()], minlength=bins)[::-1].cumsum()[::-1]
    return np.asarray(hits / (known.sum() + selected - hits), np.float64)


def _unit(saliency: Float) -> Float:
    """Min-max scaling to [0, 1]; zeros where that has no meaning."""
    low, high = saliency.min(), saliency.max()
    if not high > low:
        return np.zeros_like(saliency)
    return np.asarray((saliency - low) / (high - low), np.float64)
