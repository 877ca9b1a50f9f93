"""XRAI: regions of the image, ranked by how much attribution they hold per pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pysal.classifier import Classifier
from pysal.methods.xrai_base import given_base, integrate, make_baselines, warn_constant
from pysal.methods.xrai_greedy import Ranked, rank_regions
from pysal.methods.xrai_options import label_maps, resolve
from pysal.segments import Regions
from pysal.types import Array, Attribution, Target
from pysal.work import Work


def xrai(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    base: Literal["ig"] | NDArray[np.floating] = "ig",
    steps: int = 100,
    baselines: Literal["extremes"] | Sequence[str | NDArray[np.generic]] = "extremes",
    segments: Literal["felzenszwalb", "slic"] | NDArray[np.integer] = "felzenszwalb",
    scales: float | Sequence[float] = (50, 100, 150, 250, 500, 1200),
    num_segments: int | Sequence[int] = (50, 100, 150, 250, 500),
    sigma: float | None = None,
    min_size: int = 150,
    resize: int | tuple[int, int] | None = 224,
    compactness: float = 10.0,
    dilation: int = 5,
    mode: Literal["full", "fast"] = "full",
    min_area: int = 50,
    area_threshold: float = 1.0,
    ties: Literal["region", "base"] = "region",
    ranks: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Rank regions of the image by the mean attribution of what each of them adds.

    The image is cut into segments at several scales. Starting from nothing, the segment whose new
    pixels have the largest mean attribution is added, again and again; its pixels get that mean.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    base : "ig" or ndarray of shape (N, H, W) or (N, C, H, W)
        Attribution of every pixel: integrated gradients, or what another method gave; of several
        channels the largest counts.
    steps : int
        Points on each path of integrated gradients, both ends included, from 2 on.
    baselines : "extremes" or sequence
        Where the paths start; their attributions are averaged. "extremes" are two constant images,
        the minimum and the maximum of the input array [2]_; the paper [1]_ has ("black", "white").
    segments : {"felzenszwalb", "slic"} or ndarray of int, (N, H, W) or (N, S, H, W)
        How images are cut, or label maps.
    scales : number or sequence of numbers
        Of Felzenszwalb's method; all maps together give the regions.
    num_segments : int or sequence of int
        Of SLIC; the default is that of the AOP paper [3]_.
    sigma : float, optional
        Smoothing before the segmentation, in pixels. Default: 0.8; 0 for SLIC.
    min_size : int
        Smallest segment of Felzenszwalb's method, in pixels after `resize`.
    resize : int or (height, width), optional
        Size at which Felzenszwalb's method works; None for the image's own.
    compactness : float
        Of SLIC.
    dilation : int
        Radius of the disc by which regions grow; 0 for none. It makes them overlap.
    mode : {"full", "fast"}
        "fast" orders the regions once, by the mean over all their pixels.
    min_area : int
        Regions that would add fewer pixels are dropped.
    area_threshold : float in [0, 1]
        Stop once more than this share of the image is covered.
    ties : {"region", "base"}
        Pixels of a region have one value; "base" lowers them by less than half the distance to the
        next value, in the order of the base attribution, so that metrics can rank pixels.
    ranks : bool
        Return the rank of every pixel's region in `trace["rank"]`.
    progress : callable, optional
        Called as progress(done, total), in gradients.

    Returns
    -------
    Attribution
        `native` and `map` of shape (N, H, W): the mean attribution of the region that brought the
        pixel, and of the rest where no region did; their sum is that of the base attribution.
        `trace`: "gain" and "area" (N, R), the means and the covered share in the order of
        addition, NaN after the last; with `ranks` "rank" (N, H, W), int32, 1 for the largest gain.

    Raises
    ------
    OptionError, ShapeError
        If an option is outside its allowed values, or a given array does not fit the images.
    MissingDependencyError
        If scikit-image is not installed (extra "regions").
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, or a base attribution is the same everywhere.

    Notes
    -----
    Needs: grad (nothing with a given base). Cost: N * (steps * B + 1) forward and N * steps * B
    backward, with B baselines. Differs from [2]_: segments are those of the RGB image, whatever
    the model's normalization; sums are exact, so that gains that are equal in exact arithmetic are
    ties, and the first region wins; "fast" heeds `area_threshold` as well.

    References
    ----------
    .. [1] Kapishnikov, Bolukbasi, Viegas, Terry, "XRAI: Better Attributions Through Regions", ICCV
       2019, Algorithm 1.
    .. [2] Its code, github.com/PAIR-code/saliency: baselines, scales, dilation, areas, "fast".
    .. [3] Zhang, Rao, Yang, "A Novel Visual Interpretability for Deep Neural Networks by Optimizing
       Activation Maps with Perturbation", AAAI 2021: SLIC and its numbers of segments.
    """
    given = dict(locals())
    options = resolve({name: given[name] for name in NAMES})
    work = Work(clf, batch, target, "xrai")
    starts = make_baselines(clf, work.batch, baselines) if options["base"] == "ig" else []
    attribution = None if isinstance(base, str) else given_base(base, work.batch)
    labels = label_maps(clf, work.batch, segments, options)
    work.score()
    if attribution is None:
        attribution = integrate(work, starts, steps, progress)
    warn_constant(attribution)
    ranked = [
        rank_regions(
            image,
            Regions.from_labels(maps, dilation),
            fast=mode == "fast",
            min_area=min_area,
            area_threshold=area_threshold,
        )
        for image, maps in zip(attribution, labels, strict=True)
    ]
    maps = [found.value for found in ranked]
    if ties == "base":
        maps = [break_ties(v, image) for v, image in zip(maps, attribution, strict=True)]
    native = np.array(maps, np.float32).reshape(attribution.shape)
    return work.finish(native, options, trace=_trace(ranked, ranks, attribution.shape))


NAMES = (
    *("base", "steps", "baselines", "segments", "scales", "num_segments", "sigma", "min_size"),
    *("resize", "compactness", "dilation", "mode", "min_area", "area_threshold", "ties", "ranks"),
)
"""Every option, in the order in which results list them."""


def break_ties(value: NDArray[np.float64], base: NDArray[np.floating]) -> NDArray[np.float64]:
    """Order pixels of the same value by `base`: lower them by less than half the gap below it.

    The lowest value has no gap below it and takes the mean of the others, or its own size.
    """
    flat = value.ravel()
    order = np.lexsort((-np.asarray(base, np.float64).ravel(), -flat))
    levels, sizes = np.unique(-flat, return_counts=True)
    gaps = np.diff(levels)
    last = gaps.mean() if gaps.size else abs(levels[0]) or 1.0
    first = np.cumsum(sizes) - sizes
    place = np.arange(flat.size) - np.repeat(first, sizes)
    drop = np.repeat(np.append(gaps, last) / (2 * sizes), sizes) * place
    out = np.empty_like(flat)
    out[order] = flat[order] - drop
    return out.reshape(value.shape)


def _trace(ranked: list[Ranked], ranks: bool, shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """Gains and areas as arrays, padded with NaN; ranks where they are asked for."""
    length = max((len(found.gain) for found in ranked), default=0)
    trace: dict[str, NDArray[Any]] = {
        name: np.full((len(ranked), length), np.nan) for name in ("gain", "area")
    }
    for row, found in enumerate(ranked):
        for name in ("gain", "area"):
            trace[name][row, : len(found.gain)] = getattr(found, name)
    if ranks:
        trace["rank"] = np.array([found.rank for found in ranked], np.int32).reshape(shape)
    return trace
