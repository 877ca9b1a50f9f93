"""Localization error: whether the box around the upper part of a map meets the object's box."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal import values
from pysal.classifier import Classifier
from pysal.places import (
    ALPHAS,
    HALVES,
    box_ious,
    check_truth,
    checked_maps,
    held_out,
    mask_ious,
    resized,
    threshold_boxes,
    threshold_grid,
    warn_left_out,
)
from pysal.truth import Region, Truth, box_mask
from pysal.types import Array, MetricResult, Passes, Target

CORRECT = 0.5
"""An image is correct from this IoU on."""

OWNER = "localization_error"

CHOICES: Mapping[str, tuple[str, ...]] = {
    "rule": ("max", "mean"),
    "against": ("max", "union", "mask"),
    "negatives": ("zero", "keep"),
    "empty": ("whole", "miss"),
}

Float = NDArray[np.float64]


def localization_error(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    truth: Sequence[Truth],
    alpha: float | None = None,
    alphas: Sequence[float] = ALPHAS,
    rule: Literal["max", "mean"] = "max",
    against: Literal["max", "union", "mask"] = "max",
    negatives: Literal["zero", "keep"] = "zero",
    empty: Literal["whole", "miss"] = "whole",
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Share of images whose predicted box has an IoU below 0.5 with the object.

    The predicted box is the tightest one around all pixels with S >= alpha * max(S).

    Parameters
    ----------
    clf : Classifier
        Not evaluated.
    batch : ndarray of shape (N, C, H, W), float32
    maps : array_like of shape (N, h, w)
        Saliency, higher = more important; resized to the truth's frame bilinearly. A map with NaN
        counts as a constant map, whose box is the whole image.
    target : Target of length N, or 1
        The class whose boxes count.
    truth : sequence of N Truth
        An image without a box (or mask) for its class has NaN, with a warning.
    alpha : float, optional
        The threshold where it is known, for instance from other images. Default: `summarize`
        chooses it on held-out images of the set.
    alphas : sequence of float
        Grid of thresholds of the curve.
    rule : {"max", "mean"}
        What alpha is a share of: the map's maximum, or its mean (then alphas above 1 make sense).
    against : {"max", "union", "mask"}
        IoU with the best of the class's boxes; with the pixels in any of them; or with its mask.
    negatives : {"zero", "keep"}
        Whether negative values of the map count as 0.
    empty : {"whole", "miss"}
        Where no pixel reaches the threshold: the whole image is the box, or the IoU is 0.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    MetricResult
        Values, all lower is better but "iou": "best_error", 1 where no alpha of the grid is
        correct; "whole_image_error", 1 where the whole image as the box is not correct; and where
        `alpha` is given "error", 1 where its box is not correct, and "iou". Curves "alpha" (T,)
        and "iou" (N, T). Without `alpha`, "error" is a figure of the set only: see
        `aggregate_localization_error`.

    Raises
    ------
    ShapeError
        If the maps do not fit the batch.
    OptionError
        If an option is outside its allowed values, or there is not one truth per image.

    Notes
    -----
    Needs: nothing of the model. Cost: no network passes. The threshold is taken after resizing.
    Published variants: rule "mean" and empty "whole" [2]_; against "union" and empty "miss" in
    later code of the authors of [1]_, who choose alpha on 1,000 images and report 2,000 others.

    References
    ----------
    .. [1] Agarwal, Nguyen, Explaining image classifiers by removing input features using
       generative models, ACCV 2020: localization error.
    .. [2] Fong, Vedaldi, Interpretable explanations of black boxes by meaningful perturbation,
       ICCV 2017: weakly supervised localization; metrics specification 5.
    """
    began = time.perf_counter()
    num = len(clf.check_batch(batch))
    index = clf.check_target(target, num).index
    _check(rule=rule, against=against, negatives=negatives, empty=empty)
    grid = threshold_grid(OWNER, alphas, alpha)
    saliency, truth = checked_maps(OWNER, maps, num), check_truth(OWNER, truth, num)
    # The last column is the whole image.
    ious, unknown = np.full((num, len(grid) + 1), np.nan), []
    for row, (known, wanted) in enumerate(zip(truth, index.tolist(), strict=True)):
        overlap = _overlap(known.region(wanted), known.size, against)
        if overlap is None:
            unknown.append(row)
        else:
            level = resized(saliency[row], known.size)
            level = np.maximum(level, 0) if negatives == "zero" else level
            ious[row] = _ious(level, grid, rule, empty == "miss", overlap)
        if progress is not None:
            progress(row + 1, num)
    place = "mask" if against == "mask" else "box"
    warn_left_out(OWNER, unknown, num, f"{place} of their class")
    return MetricResult(
        metric=OWNER,
        values=_values(ious, len(alphas), alpha is not None),
        curves={"alpha": grid[: len(alphas)], "iou": ious[:, : len(alphas)].copy()},
        options={
            "alpha": alpha,
            "alphas": list(map(float, alphas)),
            "rule": rule,
            "against": against,
            "negatives": negatives,
            "empty": empty,
            "held_out": HALVES,
        },
        passes=Passes(),
        seconds=time.perf_counter() - began,
    )


def aggregate_localization_error(
    result: MetricResult, first: int | None = None
) -> dict[str, float]:
    """Error of a set at the alpha that is best on other images of the set.

    Parameters
    ----------
    result : MetricResult
    first : int, optional
        The images before this number choose alpha and the others are reported. Default: by halves,
        images of even number choose for those of odd number and the other way round.

    Returns
    -------
    dict of str to float
        "error", a share; and "alpha", or by halves "alpha_even" and "alpha_odd", what these images
        chose. Empty where the result was made at a given alpha, and `first` is None.
    """
    if "error" in result.values and first is None:
        return {}
    ious = result.curves["iou"]
    wrong = np.where(np.isnan(ious), np.nan, ious < CORRECT)
    error, chosen = held_out(wrong, result.curves["alpha"], first)
    names = ("alpha_even", "alpha_odd") if first is None else ("alpha",)
    return {"error": error, **dict(zip(names, chosen.tolist(), strict=True))}


def _values(ious: Float, count: int, given: bool) -> dict[str, Float]:
    """Values of IoUs (N, T + given + 1), of which T = `count` are the grid."""
    wrong = np.where(np.isnan(ious), np.nan, ious < CORRECT)
    chosen = {"error": wrong[:, count], "iou": ious[:, count]} if given else {}
    others = {"best_error": wrong[:, :count].min(axis=1), "whole_image_error": wrong[:, -1]}
    return {name: column.copy() for name, column in {**chosen, **others}.items()}


def _ious(
    saliency: Float,
    grid: Float,
    rule: str,
    miss: bool,
    overlap: Callable[[NDArray[np.int64]], Float],
) -> Float:
    """IoU at every threshold of the grid, and of the whole frame."""
    unit = saliency.max() if rule == "max" else saliency.mean()
    boxes, nothing = threshold_boxes(saliency, grid * unit)
    height, width = saliency.shape
    found = overlap(np.concatenate([boxes, [[0, 0, width, height]]]))
    if miss:
        found[:-1][nothing] = 0
    return found


def _overlap(
    region: Region | None, size: tuple[int, int], against: str
) -> Callable[[NDArray[np.int64]], Float] | None:
    """What gives boxes (T, 4) their IoU with a region, (T,); None where that has no place."""
    if region is None:
        return None
    if against == "max":
        known = region.boxes
        return (lambda boxes: box_ious(boxes, known).max(axis=1)) if len(known) else None
    mask = region.mask if against == "mask" else box_mask(region.boxes, size)
    if mask is None or not mask.any():
        return None
    pixels = mask
    return lambda boxes: mask_ious(boxes, pixels)


def _check(**options: str) -> None:
    """Refuse options outside their allowed values."""
    for name, value in options.items():
        values.choice(OWNER, name, value, CHOICES[name])
