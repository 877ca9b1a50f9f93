"""Weakly supervised localization: a map as a detector of the pixels of its class."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal import values
from pysal.classifier import Classifier
from pysal.places import USES, check_truth, checked_maps, known_pixels, resized, warn_left_out
from pysal.truth import Truth
from pysal.types import Array, MetricResult, Passes, Target

NAMES = ("roc_auc", "f1", "mae")

Float = NDArray[np.float64]


def weak_localization(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    truth: Sequence[Truth],
    use: Literal["boxes", "mask", "either"] = "boxes",
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """ROC-AUC of a map over pixels, and F1 and error rate at its best thresholds.

    Parameters
    ----------
    clf : Classifier
        Not evaluated.
    batch : ndarray of shape (N, C, H, W), float32
    maps : array_like of shape (N, h, w)
        Saliency, higher = more important; resized to the truth's frame bilinearly. A map with NaN
        counts as a constant map.
    target : Target of length N, or 1
        The class whose pixels are the positives.
    truth : sequence of N Truth
        An image without a place for its class has NaN, with a warning.
    use : {"boxes", "mask", "either"}
        What is positive; see `pysal.places.USES`. Boxes are united.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    MetricResult
        Values, each in [0, 1]: "roc_auc" (higher is better), "f1" (higher), "mae" (lower, the
        share of wrong pixels), the last two at the threshold that is best for the image and the
        measure. "roc_auc" is NaN, with a warning, where every pixel is positive.

    Raises
    ------
    ShapeError
        If the maps do not fit the batch.
    OptionError
        If an option is outside its allowed values, or there is not one truth per image.

    Notes
    -----
    Needs: nothing of the model. Cost: no network passes; one sort of the pixels of the frame per
    image, O(P log P), serves all three. With TP_k positives among the first k of n pixels, P
    positives in all, and k only where the map's value changes (0 included)::

        roc_auc = Mann-Whitney statistic with average ranks
        f1 = max_k 2 TP_k / (k + P)        mae = min_k (k + P - 2 TP_k) / n

    Selecting everything has an F1 of 2a / (1 + a) for a share a of positives, so "f1" never falls
    below that, and "mae" is at most min(a, 1 - a). Which boxes count and that they are united is
    ours; the paper leaves it open.

    References
    ----------
    .. [1] Yang, Wang, Bilgic, IDGI, CVPR 2023, weakly supervised localization (Table 4).
    .. [2] Mann, Whitney, Annals of Mathematical Statistics 18, 1947.
    """
    began = time.perf_counter()
    num = len(clf.check_batch(batch))
    index = clf.check_target(target, num).index
    values.choice("weak_localization", "use", use, USES)
    saliency = checked_maps("weak_localization", maps, num)
    truth = check_truth("weak_localization", truth, num)
    found, unknown = np.full((num, len(NAMES)), np.nan), []
    for row, (known, wanted) in enumerate(zip(truth, index.tolist(), strict=True)):
        positive = known_pixels(known.region(wanted), known.size, use)
        if positive is None:
            unknown.append(row)
        else:
            found[row] = detection(resized(saliency[row], known.size), positive)
        if progress is not None:
            progress(row + 1, num)
    full = np.flatnonzero(np.isnan(found[:, 0]) & ~np.isnan(found[:, 1]))
    warn_left_out("weak_localization", unknown, num, f'place of their class (use "{use}")')
    everywhere = "pixel outside of the place of their class"
    warn_left_out("weak_localization", full.tolist(), num, everywhere, 'their "roc_auc" is')
    return MetricResult(
        metric="weak_localization",
        values=dict(zip(NAMES, found.T.copy(), strict=True)),
        curves={},
        options={"use": use},
        passes=Passes(),
        seconds=time.perf_counter() - began,
    )


def detection(scores: ArrayLike, positive: ArrayLike) -> tuple[float, float, float]:
    """ROC-AUC, best F1 and lowest error rate of scores, against what is positive.

    Parameters
    ----------
    scores : array_like of n finite numbers, any shape
    positive : array_like of bool, the same shape
        At least one is set.

    Returns
    -------
    roc_auc, f1, mae : float
        As `weak_localization` has them; the first is NaN where all are positive.
    """
    flat, hit = np.ravel(scores), np.ravel(positive).astype(bool)
    order = np.argsort(-flat)
    ranked = flat[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(flat) - 1)
    # Counts at the ends of the groups of equal scores; 0 stands for selecting nothing.
    chosen = np.append(0, ends + 1)
    right = np.append(0, np.cumsum(hit[order])[ends])
    total, wrong = int(right[-1]), chosen - right
    f1 = (2 * right[1:] / (chosen[1:] + total)).max()
    mae = (chosen + total - 2 * right).min() / len(flat)
    negatives = len(flat) - total
    if not negatives:
        return float("nan"), float(f1), float(mae)
    # Average ranks: pairs of equal scores count half, which is the trapezoid under the ROC curve.
    area = (np.diff(wrong) * (right[1:] + right[:-1])).sum() / 2
    return float(area / (total * negatives)), float(f1), float(mae)
