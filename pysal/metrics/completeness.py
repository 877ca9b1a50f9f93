"""Completeness: whether the attributions add up to what the score gains over a baseline."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.again import check_maps
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.finite import check_finite
from pysal.types import Array, MetricResult, Passes, Target
from pysal.values import seeds


def completeness(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    baseline: str | NDArray[np.generic] = "black",
    seed: int | list[int] = 0,
) -> MetricResult:
    """Sum of an attribution minus the difference of the scores of image and baseline.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    maps : ndarray of shape (N, h, w)
        Signed sums over channels, at the method's own resolution: for "integrated_gradients" and
        its kin, made with the reduction "sum".
    target : Target of length N, or 1
        Its `kind` is the space of the score, which must be the one that was explained.
    baseline : str or ndarray
        Where the path began; see `make_baseline`. Give the method's own.
    seed : int, or sequence of N int
        Of the baseline "noise".

    Returns
    -------
    MetricResult
        Values "relative", |r| / |F(x) - F(b)|, "absolute", |r|, and "residual", the signed
        r = sum(map) - (F(x) - F(b)). The relative one is NaN where the difference is 0. A map with
        NaN has NaN in all of them.

    Raises
    ------
    ShapeError
        If there is not one map per image.
    OptionError
        If the baseline is unknown.
    CapabilityError
        If a score is not finite.

    Notes
    -----
    Needs: score. Cost: 2 N forward. It makes sense for methods that promise it: integrated
    gradients and guided integrated gradients with their baseline, IDGI on a straight path, BlurIG
    with its most blurred image, input x gradient on networks without biases. Gradients, activation
    maps, RISE, LIME and masks are in other units, and their residual says nothing. Rectified or
    absolute maps cannot be complete.

    References
    ----------
    .. [1] Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, section 3,
       proposition 1.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    target = clf.check_target(target, len(batch))
    sums = check_maps(maps, len(batch)).sum(axis=(1, 2), dtype=np.float64)
    keys = seeds("completeness", seed, len(batch))
    away = make_baseline(baseline, batch, clf.preprocess, seed=keys)
    rows = np.arange(len(batch))
    scores = []
    for images in (batch, away):
        found = clf.score(images, target.kind)[rows, target.index]
        check_finite(found, rows, "score")
        scores.append(found.astype(np.float64))
    difference = scores[0] - scores[1]
    residual = sums - difference
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(difference != 0, np.abs(residual) / np.abs(difference), np.nan)
    return MetricResult(
        metric="completeness",
        values={"relative": share, "absolute": np.abs(residual), "residual": residual},
        curves={},
        options={
            "baseline": baseline if isinstance(baseline, str) else "given",
            "kind": target.kind,
            "seed": seed,
        },
        passes=Passes(2 * len(batch), 0),
        seconds=time.perf_counter() - begin,
    )
