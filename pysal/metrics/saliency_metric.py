"""Saliency metric: size of the crop that a map asks for, against the score of the class in it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal import values
from pysal.arrays import AnyArray, to_host, to_like
from pysal.classifier import Classifier
from pysal.finite import check_finite
from pysal.perturb.counted import counted
from pysal.places import (
    ALPHAS,
    HALVES,
    checked_maps,
    held_out,
    random_maps,
    resized,
    threshold_boxes,
    threshold_grid,
)
from pysal.preprocess import Preprocess
from pysal.types import Array, MetricResult, Passes, Target

LEAST_AREA, LEAST_SCORE = 0.05, 1e-12
"""Crops below this share of the image, and probabilities below this, count as it."""

OWNER = "saliency_metric"

Float = NDArray[np.float64]
Ints = NDArray[np.int64]


def saliency_metric(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    alpha: float | None = None,
    alphas: Sequence[float] = ALPHAS,
    negatives: Literal["zero", "keep"] = "zero",
    pixels: Literal["uint8", "float"] = "uint8",
    random: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Size of the box around a map's upper part against the score of the crop.

    s = log(max(a, 0.05)) - log(p_c(crop)), natural logarithms, lower is better. The crop is the
    tightest box around all pixels with S >= alpha * max(S), enlarged to the model's input; a is
    its share of the image.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    maps : array_like of shape (N, h, w)
        Saliency, higher = more important; resized to (H, W) bilinearly, pixel centres kept. A map
        with NaN counts as a constant map, whose crop is the whole image.
    target : Target of length N, or 1
        Its classes; the score is the probability whatever its kind.
    alpha : float, optional
        The threshold where it is known, for instance from other images. Default: `summarize`
        chooses it on held-out images of the set.
    alphas : sequence of float
        Grid of thresholds of the curve.
    negatives : {"zero", "keep"}
        Whether negative values of the map count as 0.
    pixels : {"uint8", "float"}
        Whether crops are enlarged (bicubic) in 8 bits, as reference code does, or in floating
        point and cut to [0, 1].
    random : bool
        Evaluate a random map of the same resolution, too, uniform in [0, 1): the baseline.
    seed : int or sequence of N int
        Of the random map; one number gives every image the same one.
    progress : callable, optional
        Called as progress(done, total), in crops.

    Returns
    -------
    MetricResult
        Values, lower is better: "best_s", the lowest over the grid; "whole_image_s", that of the
        image itself, -log p_c; and "s" where `alpha` is given. Curves "alpha" (T,), "s" (N, T), and
        with `random` "random_s" (N, T). Without `alpha`, "s" is a figure of the set only: see
        `aggregate_saliency_metric`.

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
    Needs: score. Cost: one forward per different crop of an image, at most T + 1 (21); twice that
    with `random`. Crops are made where the engine takes them, never all at once. The crop changes
    the aspect ratio; the papers do not say that they keep it.

    References
    ----------
    .. [1] Dabkowski, Gal, Real time image saliency for black box classifiers, NeurIPS 2017:
       the metric s(a, p); metrics specification 7.
    .. [2] Agarwal, Nguyen, Explaining image classifiers by removing input features using
       generative models, ACCV 2020: 20 values of alpha, chosen on 1,000 held-out images.
    """
    began = time.perf_counter()
    batch = clf.check_batch(batch)
    num, size = len(batch), (batch.shape[2], batch.shape[3])
    target = Target(clf.check_target(target, num).index, "probability")
    values.choice(OWNER, "negatives", negatives, ("zero", "keep"))
    values.choice(OWNER, "pixels", pixels, ("uint8", "float"))
    values.flag(OWNER, "random", random)
    seeds, grid = values.seeds(OWNER, seed, num), threshold_grid(OWNER, alphas, alpha, 1)
    sets = [checked_maps(OWNER, maps, num)]
    if random:
        sets.append(random_maps(seeds, sets[0].shape[1:]).astype(np.float64))
    boxes = np.stack([_boxes(group, grid, size, negatives) for group in sets], axis=1)
    pictures = _pictures(batch, clf.preprocess, pixels)
    scores, passes = _scores(clf, pictures, boxes, target, progress)
    s, count = _measure(boxes, scores, size), len(alphas)
    found = {"s": s[:, 0, count]} if alpha is not None else {}
    found |= {"best_s": s[:, 0, :count].min(axis=1), "whole_image_s": s[:, 0, -1]}
    curves = {"alpha": grid[:count], "s": s[:, 0, :count].copy()}
    return MetricResult(
        metric=OWNER,
        values={name: column.copy() for name, column in found.items()},
        curves=curves | ({"random_s": s[:, 1, :count].copy()} if random else {}),
        options={
            "alpha": alpha,
            "alphas": list(map(float, alphas)),
            "negatives": negatives,
            "pixels": pixels,
            "random": random,
            "seed": seed,
            "held_out": HALVES,
        },
        passes=passes,
        seconds=time.perf_counter() - began,
    )


def aggregate_saliency_metric(result: MetricResult, first: int | None = None) -> dict[str, float]:
    """Mean of s over a set at the alpha that is best on other images of the set.

    Parameters
    ----------
    result : MetricResult
    first : int, optional
        The images before this number choose alpha and the others are reported. Default: by halves,
        images of even number choose for those of odd number and the other way round.

    Returns
    -------
    dict of str to float
        "s", and "alpha", or by halves "alpha_even" and "alpha_odd", what these images chose; where
        the baseline was evaluated, "random_s" at alphas of its own. Where the result was made at a
        given alpha, and `first` is None, only "random_s", at the alpha of the grid that is best.
    """
    figures: dict[str, float] = {}
    if "s" not in result.values or first is not None:
        mean, chosen = held_out(result.curves["s"], result.curves["alpha"], first)
        names = ("alpha_even", "alpha_odd") if first is None else ("alpha",)
        figures = {"s": mean, **dict(zip(names, chosen.tolist(), strict=True))}
    if "random_s" in result.curves:
        figures["random_s"] = held_out(result.curves["random_s"], result.curves["alpha"], first)[0]
    return figures


@dataclasses.dataclass(frozen=True)
class Crops:
    """Crops of pictures, enlarged to the model's input; a composer with one version per crop.

    Attributes
    ----------
    pictures : ndarray of shape (N, H, W, 3), uint8 or float32
        RGB; float in [0, 1].
    owners : ndarray of shape (P,), int
        Picture of every crop.
    boxes : ndarray of shape (P, 4), int
        Left, top, right, bottom.
    preprocess : Preprocess
    """

    pictures: NDArray[Any]
    owners: NDArray[np.intp]
    boxes: Ints
    preprocess: Preprocess

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Write crop number `image`."""
        left, top, right, bottom = self.boxes[image].tolist()
        picture = self.pictures[self.owners[image]]
        rgb = enlarged(picture[top:bottom, left:right], picture.shape[:2])
        out[...] = to_like(self.preprocess.normalize(rgb[None]), out)


def enlarged(picture: NDArray[Any], size: tuple[int, int]) -> Array:
    """A picture (h, w, 3), uint8 or float in [0, 1], resized (bicubic) to RGB in [0, 1]."""
    from PIL import Image

    wide = size[::-1]
    if picture.dtype == np.uint8:
        large = Image.fromarray(picture).resize(wide, Image.Resampling.BICUBIC)
        return np.asarray(large, np.float32) / np.float32(255)
    planes = [
        np.asarray(Image.fromarray(plane).resize(wide, Image.Resampling.BICUBIC), np.float32)
        for plane in np.ascontiguousarray(np.moveaxis(picture, 2, 0), np.float32)
    ]
    return np.clip(np.stack(planes, axis=2), 0, 1)


def _pictures(batch: Array, preprocess: Preprocess, pixels: str) -> NDArray[Any]:
    """What the model sees, RGB (N, H, W, 3): in 8 bits, or floats in [0, 1]."""
    rgb = preprocess.denormalize(batch)
    return np.rint(255 * rgb).astype(np.uint8) if pixels == "uint8" else rgb


def _boxes(saliency: Float, grid: Float, size: tuple[int, int], negatives: str) -> Ints:
    """Boxes at every threshold, and the whole image: (N, T + 1, 4)."""
    boxes = np.empty((len(saliency), len(grid) + 1, 4), np.int64)
    boxes[:, -1] = 0, 0, size[1], size[0]
    for row, native in enumerate(saliency):
        level = resized(native, size)
        level = np.maximum(level, 0) if negatives == "zero" else level
        boxes[row, :-1] = threshold_boxes(level, grid * level.max())[0]
    return boxes


def _scores(
    clf: Classifier,
    pictures: NDArray[Any],
    boxes: Ints,
    target: Target,
    progress: Callable[[float, float], None] | None,
) -> tuple[Float, Passes]:
    """Scores of crops, boxes (N, ..., 4) -> (N, ...); equal ones of an image are evaluated once."""
    shape = boxes.shape[:-1]
    if not len(boxes):
        return np.empty(shape), Passes()
    found = [np.unique(rows.reshape(-1, 4), axis=0, return_inverse=True) for rows in boxes]
    unique, places = zip(*found, strict=True)
    owners = np.repeat(np.arange(len(boxes)), [len(rows) for rows in unique])
    crops = Crops(pictures, owners, np.concatenate(unique), clf.preprocess)
    compose = counted(crops, len(owners), 1, progress)
    scores = to_host(clf.score_composed(compose, len(owners), 1, target[owners]))[:, 0]
    check_finite(scores, owners, "score of a crop")
    starts = np.searchsorted(owners, np.arange(len(boxes)))
    rows = [scores[start + place.ravel()] for start, place in zip(starts, places, strict=True)]
    return np.array(rows, np.float64).reshape(shape), Passes(len(owners), 0)


def _measure(boxes: Ints, scores: Float, size: tuple[int, int]) -> Float:
    """Log of the area of boxes (..., 4) minus log of their scores (...)."""
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]) / (size[0] * size[1])
    found: Float = np.log(np.maximum(area, LEAST_AREA)) - np.log(np.maximum(scores, LEAST_SCORE))
    return found
