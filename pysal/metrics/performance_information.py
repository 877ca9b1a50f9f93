"""AIC and SIC as the PAIR library computes them: a curve of performance over information each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from pysal.classifier import Classifier
from pysal.errors import OptionError, ShapeError
from pysal.metrics.performance_pictures import Judge, to_pictures
from pysal.metrics.performance_reveal import load_delaunay
from pysal.metrics.performance_series import KNOWN, Revealed
from pysal.ranking import area_under, saliency_cells
from pysal.similarity.entropy import webp_version
from pysal.types import Array, MetricResult, Target
from pysal.values import flag, seeds, share, whole

THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.13, 0.21, 0.34, 0.5, 0.75)
"""Shares of pixels that the examples of the PAIR library reveal."""

GROUP = 8
"""Images whose pictures exist at once; changes no result."""

CURVES = ("sic", "aic")


def aic_sic(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    fraction: float = 0.01,
    min_score: float = 0.8,
    keep_monotonous: bool = True,
    points: int = 1000,
    seed: int | Sequence[int] = 0,
    workers: int | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Accuracy and probability against the information in pictures that reveal salient pixels.

    A picture knows a random 1 % of the pixels and the salient ones, and interpolates the rest.
    Information is its size as lossless WebP, performance the probability of the target (SIC) or
    whether it is the top class (AIC); both run from the picture of the random pixels, 0, to the
    image, 1.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
        Rounded to 8 bits per channel, which is exact for photos.
    maps : ndarray of shape (N, h, w)
        Saliency, higher = more important; upsampled to H x W. A map with NaN counts as a constant
        map. Equal pixels are revealed together, so a constant map reveals everything at once.
    target : Target of length N, or 1
        Give the labels for an accuracy; the score is the probability whatever its kind.
    thresholds : sequence of float in (0, 1), rising
        Shares of the pixels that are revealed: saliency from the quantile 1 - t on.
    fraction : float in [0, 1]
        Share of random pixels.
    min_score : float in [0, 1]
        Images on which the performance is lower do not count: the library's default; its notebook
        has 0.5. For AIC the performance is 1 or 0.
    keep_monotonous : bool
        Performance at a threshold is the best so far.
    points : int
        The curve is sampled at 0, 1 / points, ..., 1.
    seed : int or sequence of N int
        Of the random pixels, which depend on the image's content too: each image has its own.
    workers : int, optional
        Threads that make pictures. Default: the cores that the process may use.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    MetricResult
        Values "sic" and "aic" (higher is better), areas under the curves; "probability" and
        "probability_blurred" of the target on the image and on the picture of the random pixels,
        "bytes" and "bytes_blurred" of both. Curves "information" (points + 1,), "sic" and "aic"
        (N, points + 1). NaN where an image does not count: its performance is below `min_score`, or
        not above that of the blurred picture, or its information is not; values that were not
        needed to find this out are NaN too.

    Raises
    ------
    ShapeError
        If the maps do not fit the batch, or images are one pixel wide or high.
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If a score is not finite.
    MissingDependencyError
        If SciPy, or WebP in Pillow, is absent.

    Notes
    -----
    Needs: score. Cost: per image 2 + T forward for T thresholds; 1 or 2 where it does not count.
    Where pictures have equal information, the best performance holds (ours: the library's curve
    depends on the order there). Sizes depend on the version of libwebp, which is in the options.
    Figures of a set: `aggregate_aic_sic`. Metrics specification 3.2.

    References
    ----------
    .. [1] Kapishnikov, Bolukbasi, Viegas, Terry, "XRAI: Better Attributions Through Regions", ICCV
       2019, section 4.2.
    .. [2] Code github.com/PAIR-code/saliency, metrics/pic.py.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    classes = clf.check_target(target, len(batch)).index
    chosen = _check(thresholds, workers, min(batch.shape[2:]))
    least = share("aic_sic", "min_score", min_score)
    part = share("aic_sic", "fraction", fraction)
    monotone = flag("aic_sic", "keep_monotonous", keep_monotonous)
    samples = whole("aic_sic", "points", points) + 1
    seed_of = seeds("aic_sic", seed, len(batch))
    saliency = saliency_cells(maps, len(batch), (batch.shape[2], batch.shape[3]))
    values = {name: np.full(len(batch), np.nan) for name in (*CURVES, *KNOWN)}
    curves = {name: np.full((len(batch), samples), np.nan) for name in CURVES}
    judge = Judge(clf)
    for first in range(0, len(batch), GROUP):
        rows = np.arange(first, min(first + GROUP, len(batch)))
        group = Revealed(judge, to_pictures(clf, batch[rows]), classes[rows], rows, workers)
        group.begin(part, seed_of[rows], least)
        group.reveal(saliency[rows], chosen)
        for name, found in group.known.items():
            values[name][rows] = found
        for name in CURVES:
            curves[name][rows] = group.curves(name, monotone, samples)
        if progress is not None:
            progress(int(rows[-1]) + 1, len(batch))
    information = np.append(np.arange(samples - 1) / (samples - 1), 1.0)
    for name, curve in curves.items():
        values[name] = area_under(curve, information)
    return MetricResult(
        metric="aic_sic",
        values=values,
        curves={"information": information, **curves},
        options={
            "thresholds": chosen,
            "fraction": part,
            "min_score": least,
            "keep_monotonous": monotone,
            "points": points,
            "seed": seed,
            "libwebp": webp_version(),
        },
        passes=judge.passes,
        seconds=time.perf_counter() - begin,
    )


def aggregate_aic_sic(result: MetricResult) -> dict[str, float]:
    """Figures of a set of images.

    Returns
    -------
    dict of str to float
        "sic_median" and "aic_median", areas under the median of the curves (the library's default,
        used for SIC); "sic_images" and "aic_images", how many count. The area under the mean curve
        (used for AIC) is the mean of the areas, hence "sic" and "aic" of `pysal.summarize`.
    """
    figures = {}
    for name in CURVES:
        curves = result.curves[name]
        counts = curves[~np.isnan(curves).any(axis=1)]
        figures[f"{name}_median"] = float("nan")
        if len(counts):
            middle = np.median(counts, axis=0)[None]
            figures[f"{name}_median"] = float(area_under(middle, result.curves["information"])[0])
        figures[f"{name}_images"] = float(len(counts))
    return figures


def _check(thresholds: Sequence[float], workers: int | None, shortest: int) -> tuple[float, ...]:
    """Thresholds that rise within (0, 1); packages and images that the metric can work with."""
    load_delaunay()
    webp_version()
    if workers is not None:
        whole("aic_sic", "workers", workers)
    if shortest < 2:
        raise ShapeError(
            f"images are {shortest} pixel wide or high; aic_sic interpolates between corners, from "
            "2 pixels on"
        )
    values = np.asarray(thresholds)
    rising = values.ndim == 1 and values.size and values.dtype.kind in "fiu"
    if not rising or not (np.diff(values, prepend=0, append=1) > 0).all():
        raise OptionError(
            f"aic_sic: thresholds are {thresholds!r}; expected rising numbers between 0 and 1"
        )
    return tuple(map(float, values))
