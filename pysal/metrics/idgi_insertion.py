"""Insertion into a black image, as in the paper on IDGI."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.arrays import to_like
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.compose import Ranked
from pysal.finite import check_finite
from pysal.ranking import area_under, rank_cells, saliency_cells, tie_orders
from pysal.types import Array, MetricResult, Passes, Target
from pysal.values import choice, flag, whole

GROUP = 16
"""Images that are evaluated together; changes no result."""

OWNER = "idgi_insertion"
_NO_SEEDS = np.zeros(0, np.uint64)


def idgi_insertion(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    steps: int = 20,
    baseline: str = "black",
    correct_only: bool = True,
    tie: Literal["stable", "reverse"] = "stable",
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Areas under the probability, and its ratio, as salient pixels are put into a black image.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    maps : ndarray of shape (N, h, w)
        Saliency, higher = more important; upsampled to H x W. Of maps with channels the absolute
        value of their sum is usual here. A map with NaN counts as a constant map.
    target : Target of length N, or 1
        The labels; the score is the probability whatever its kind.
    steps : int
        20 steps of 5 % of the pixels; their cumulative numbers are rounded.
    baseline : str
        Kind of `make_baseline` that pixels are put into.
    correct_only : bool
        Images whose top class is another do not count (paper).
    tie : {"stable", "reverse"}
        Order of equal pixels: by ascending or descending index.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    MetricResult
        Values "probability" and "ratio" (higher is better), areas under the curves of the same
        names, (N, steps + 1), over "fraction", (steps + 1,). The ratio is p(picture) / p(image),
        not cut at 1. NaN where an image does not count: it is not correct, or its probability is 0.

    Raises
    ------
    ShapeError
        If the maps do not fit the batch.
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If a score is not finite.

    Notes
    -----
    Needs: score. Cost: per image steps + 1 forward; 1 where it does not count. The area under the
    mean curve of a set, which the paper reports, is the mean of the areas: the trapezoid rule is
    linear. Metrics specification 2; that level 0 is a point is ours.

    References
    ----------
    .. [1] Yang, Wang, Bilgic, "IDGI: A Framework to Eliminate Explanation Noise from Integrated
       Gradients", CVPR 2023, section 4, insertion score.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    target = Target(clf.check_target(target, len(batch)).index, "probability")
    options = {
        "steps": whole(OWNER, "steps", steps),
        "baseline": baseline,
        "correct_only": flag(OWNER, "correct_only", correct_only),
        "tie": choice(OWNER, "tie", tie, ("stable", "reverse")),
    }
    size = (batch.shape[2], batch.shape[3])
    saliency = saliency_cells(maps, len(batch), size)
    order = next(tie_orders(tie, size[0] * size[1], _NO_SEEDS))
    fraction = np.linspace(0, 1, steps + 1)
    ends = np.rint(fraction * size[0] * size[1]).astype(np.int32)
    curves = np.full((2, len(batch), steps + 1), np.nan)
    passes = Passes()
    for first in range(0, len(batch), GROUP):
        images = np.arange(first, min(first + GROUP, len(batch)))
        scores = clf.score(batch[images])
        check_finite(scores, images, "score")
        whole_score = scores[np.arange(len(images)), target.index[images]].astype(np.float64)
        right = scores.argmax(axis=1) == target.index[images] if correct_only else True
        kept = (whole_score > 0) & right
        rows, whole_score = images[kept], whole_score[kept]
        passes += Passes(len(images), 0)
        if len(rows):
            found = _inserted(clf, batch[rows], target[rows], baseline, saliency[rows], order, ends)
            check_finite(found, rows, "score of a perturbed image")
            passes += Passes(found.size, 0)
            curves[0, rows] = np.column_stack([found, whole_score])
            curves[1, rows] = curves[0, rows] / whole_score[:, None]
        if progress is not None:
            progress(int(images[-1]) + 1, len(batch))
    probability, ratio = (area_under(curve, fraction) for curve in curves)
    return MetricResult(
        metric=OWNER,
        values={"probability": probability, "ratio": ratio},
        curves={"fraction": fraction, "probability": curves[0], "ratio": curves[1]},
        options=options,
        passes=passes,
        seconds=time.perf_counter() - begin,
    )


def _inserted(
    clf: Classifier,
    batch: Array,
    target: Target,
    baseline: str,
    saliency: NDArray[np.float64],
    order: NDArray[np.intp],
    ends: NDArray[np.int32],
) -> Array:
    """Scores (n, T) with the pixels of rank < end inserted, for all ends but the last."""
    image = clf.to_device(batch)
    empty = clf.to_device(make_baseline(baseline, batch, clf.preprocess))
    ranks = to_like(rank_cells(saliency, order), image)
    compose = Ranked(empty, image, ranks, to_like(ends[:-1], image))
    return clf.score_composed(compose, len(batch), len(ends) - 1, target)
