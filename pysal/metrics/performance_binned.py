"""AIC and SIC as in the paper on IDGI: all pictures of a set in bins of information."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.classifier import Classifier
from pysal.errors import OptionError, ShapeError
from pysal.metrics.performance_pictures import Judge, Pictures, on_threads, to_pictures
from pysal.ranking import area_under, rank_cells, saliency_cells, tie_orders
from pysal.similarity.entropy import information_level, webp_bytes, webp_version
from pysal.similarity.ms_ssim import SMALLEST, ms_ssim
from pysal.types import Array, MetricResult, Target
from pysal.values import choice, flag, positive, whole

GROUP = 8
"""Images whose pictures exist at once; changes no result."""

OWNER = "aic_sic_binned"

PICTURES = ("level", "accuracy", "ratio")
"""Curves over the pictures of an image."""

Float = NDArray[np.float64]


def aic_sic_binned(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    information: Literal["entropy", "ms_ssim"] = "entropy",
    form: Literal["normalized", "ratio"] = "normalized",
    levels: int = 25,
    bins: int = 100,
    radius: float = 20.0,
    correct_only: bool = True,
    tie: Literal["stable", "reverse"] = "stable",
    workers: int | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Accuracy and probability ratio over the information in pictures that are sharp where salient.

    Picture i shows the most salient pixels of the image on its blurred copy, in evenly spaced
    shares from 0 to 100 %. The pictures of all images go into bins of information: AIC is the mean
    accuracy of a bin, SIC the median of p(picture) / p(image), as curves over the bins.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
        Rounded to 8 bits per channel, which is exact for photos.
    maps : ndarray of shape (N, h, w)
        Saliency, higher = more important; upsampled to H x W. Of maps with channels the absolute
        value of their sum is usual here. A map with NaN counts as a constant map.
    target : Target of length N, or 1
        The labels; the score is the probability whatever its kind.
    information : {"entropy", "ms_ssim"}
        Size as lossless WebP, or multi-scale structural similarity with the image, which needs 161
        pixels along both axes.
    form : {"normalized", "ratio"}
        Of "entropy": between the blurred copy, 0, and the image, 1 (the PAIR library's); or the
        ratio of sizes that the text has.
    levels : int
        Pictures per image, both ends included, from 2 on.
    bins : int
    radius : float
        Of Pillow's Gaussian blur, in pixels.
    correct_only : bool
        Images whose top class is another do not count (paper).
    tie : {"stable", "reverse"}
        Order of equal pixels: by ascending or descending index.
    workers : int, optional
        Threads that make pictures. Default: the cores that the process may use.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    MetricResult
        Values "aic" and "sic" (higher is better): what the set of this image alone gives. Curves
        "fraction" of pixels (levels,), "bin" centres (bins,), and per picture "level" of
        information, "accuracy" 0 or 1, and "ratio", all (N, levels). NaN where an image does not
        count: it is not correct, its blurred copy is not the smaller file ("normalized"), or its
        probability is 0.

    Raises
    ------
    ShapeError
        If the maps do not fit the batch, or images are too small for "ms_ssim".
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If a score is not finite.
    MissingDependencyError
        If Pillow has no WebP.

    Notes
    -----
    Needs: score. Cost: per image `levels` forward; 1 where it is not correct. No step is made
    monotone, no ratio is cut. The figures of a set are not means of these values:
    `aggregate_aic_sic_binned`. Metrics specification 3.3. Ours: rounded numbers of pixels, so
    that ties do not appear together; empty bins are interpolated, and take the nearest value at
    the ends. The area is that over the bins' centres, 0.99 at best for accuracies.

    References
    ----------
    .. [1] Yang, Wang, Bilgic, "IDGI: A Framework to Eliminate Explanation Noise from Integrated
       Gradients", CVPR 2023, section 4.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    classes = clf.check_target(target, len(batch)).index
    options = _check(information, form, levels, bins, radius, correct_only, tie, workers)
    size = (batch.shape[2], batch.shape[3])
    if information == "ms_ssim" and min(size) < SMALLEST:
        raise ShapeError(
            f"images are {size[0]} x {size[1]}; information by ms_ssim takes {SMALLEST} pixels and "
            'more along both axes; use information="entropy"'
        )
    ranks = rank_cells(
        saliency_cells(maps, len(batch), size), next(tie_orders(tie, size[0] * size[1], _NONE))
    )
    shares = np.linspace(0, 1, levels)
    counts = np.rint(shares * size[0] * size[1])
    curves = {name: np.full((len(batch), levels), np.nan) for name in PICTURES}
    judge = Judge(clf)
    for first in range(0, len(batch), GROUP):
        rows = np.arange(first, min(first + GROUP, len(batch)))
        group = _Bokeh(judge, to_pictures(clf, batch[rows]), classes[rows], rows)
        found = group.evaluate(ranks[rows], counts, options, workers)
        for name, values in zip(PICTURES, found, strict=True):
            curves[name][rows] = values
        if progress is not None:
            progress(int(rows[-1]) + 1, len(batch))
    centres = (np.arange(bins) + 0.5) / bins
    alone = [_areas(curves, slice(i, i + 1), centres)[:2] for i in range(len(batch))]
    aic, sic = np.array(alone, np.float64).reshape(-1, 2).T
    return MetricResult(
        metric=OWNER,
        values={"aic": aic, "sic": sic},
        curves={"fraction": shares, "bin": centres, **curves},
        options=options | {"libwebp": webp_version()},
        passes=judge.passes,
        seconds=time.perf_counter() - begin,
    )


def aggregate_aic_sic_binned(result: MetricResult) -> dict[str, float]:
    """Figures of a set of images.

    Returns
    -------
    dict of str to float
        "aic" and "sic", areas under the curves of the whole set; "images", how many count.
    """
    aic, sic, images = _areas(result.curves, slice(None), result.curves["bin"])
    return {"aic": aic, "sic": sic, "images": float(images)}


def binned_curves(level: Float, accuracy: Float, ratio: Float, bins: int) -> tuple[Float, Float]:
    """Mean accuracy and median ratio per bin of [0, 1], both (bins,); NaN if there is no picture.

    The arguments are of any one shape, without NaN. A bin has its lower edge, the last one both;
    levels outside [0, 1] belong to the bins at the ends.
    """
    place = np.searchsorted(np.arange(1, bins) / bins, level.ravel(), side="right")
    order = np.argsort(place, kind="stable")
    filled, starts = np.unique(place[order], return_index=True)
    if not len(filled):
        return np.full(bins, np.nan), np.full(bins, np.nan)
    hits = np.split(accuracy.ravel()[order], starts[1:])
    ratios = np.split(ratio.ravel()[order], starts[1:])
    every = np.arange(bins)
    mean = np.interp(every, filled, [part.mean() for part in hits])
    median = np.interp(every, filled, [np.median(part) for part in ratios])
    return mean, median


def _areas(curves: Mapping[str, Float], rows: slice, centres: Float) -> tuple[float, float, int]:
    """Areas under the curves of some images' pictures, and how many of the images count."""
    level, accuracy, ratio = (curves[name][rows] for name in PICTURES)
    counts = ~np.isnan(level).any(axis=1)
    over = binned_curves(level[counts], accuracy[counts], ratio[counts], len(centres))
    aic, sic = (float(area_under(curve[None], centres)[0]) for curve in over)
    return aic, sic, int(counts.sum())


class _Bokeh:
    """Some images and their pictures."""

    def __init__(
        self,
        judge: Judge,
        pictures: Pictures,
        classes: NDArray[np.int64],
        images: NDArray[np.intp],
    ) -> None:
        self._judge, self._pictures = judge, pictures
        self._classes, self._images = classes, images

    def evaluate(
        self,
        ranks: NDArray[np.int32],
        counts: Float,
        options: dict[str, Any],
        workers: int | None,
    ) -> tuple[Float, Float, Float]:
        """Level, accuracy and ratio of the pictures with so many sharp pixels, (n, levels) each."""
        level, accuracy, ratio = np.full((3, len(ranks), len(counts)), np.nan)
        chance, is_top = self._judge(self._pictures, self._classes, self._images)
        rows = np.flatnonzero((is_top if options["correct_only"] else True) & (chance > 0))

        def sharpen(i: int) -> tuple[Pictures, Float]:
            series = _sharpen(self._pictures[i], ranks[i], counts, options["radius"])
            return series, _levels(series, options)

        made = list(on_threads(sharpen, rows.tolist(), workers))
        if made:
            level[rows] = [levels for _, levels in made]
            # The last picture is the image, whose score is known.
            series = np.stack([pictures[:-1] for pictures, _ in made])
            scores, hits = self._judge.series(series, self._classes[rows], self._images[rows])
            scores = np.append(scores, chance[rows, None], axis=1)
            accuracy[rows] = np.append(hits, is_top[rows, None], axis=1)
            ratio[rows] = scores / chance[rows, None]
        without = np.isnan(level).any(axis=1)
        accuracy[without] = ratio[without] = np.nan
        return level, accuracy, ratio


def _sharpen(
    picture: NDArray[np.uint8], ranks: NDArray[np.int32], counts: Float, radius: float
) -> Pictures:
    """Pictures (levels, H, W, 3): pixels of low rank from the image, the others blurred."""
    from PIL import Image, ImageFilter

    blurred = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius))
    sharp = ranks < counts[:, None, None]
    return np.where(sharp[..., None], picture, np.asarray(blurred))


def _levels(series: Pictures, options: dict[str, Any]) -> Float:
    """Information (levels,) in pictures from the blurred one to the image."""
    if options["information"] == "ms_ssim":
        return ms_ssim(series, series[-1:])
    sizes = [webp_bytes(picture) for picture in series]
    return information_level(sizes, sizes[0], sizes[-1], options["form"])


_NONE = np.zeros(0, np.uint64)


def _check(
    information: Any,
    form: Any,
    levels: Any,
    bins: Any,
    radius: Any,
    correct_only: Any,
    tie: Any,
    workers: Any,
) -> dict[str, Any]:
    """Options as they are reported."""
    choice(OWNER, "form", form, ("normalized", "ratio"))
    if information == "ms_ssim" and form != "normalized":
        raise OptionError(
            f'{OWNER}: form is "{form}", which is one of information="entropy"; leave it out'
        )
    if workers is not None:
        whole(OWNER, "workers", workers)
    return {
        "information": choice(OWNER, "information", information, ("entropy", "ms_ssim")),
        "form": form,
        "levels": whole(OWNER, "levels", levels, 2),
        "bins": whole(OWNER, "bins", bins),
        "radius": positive(OWNER, "radius", radius),
        "correct_only": flag(OWNER, "correct_only", correct_only),
        "tie": choice(OWNER, "tie", tie, ("stable", "reverse")),
    }
