"""Pointing game: whether the highest point of a map is on an object of its class."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal import values
from pysal.arrays import to_host
from pysal.classifier import Classifier
from pysal.finite import check_finite
from pysal.places import USES, check_truth, checked_maps, known_pixels, resized, warn_left_out
from pysal.truth import Mask, Truth
from pysal.types import Array, MetricResult, Passes, Target

OWNER = "pointing_game"

Float = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Rules:
    """What a variant of the game says; every field is an option of its own."""

    use: str
    tolerance: float
    difficult: str
    score_threshold: float


VARIANTS: Mapping[str, Rules] = {
    "A": Rules("boxes", 0, "keep", 0),
    "B": Rules("either", 15, "skip", 0),
    "C": Rules("mask", 0, "keep", 0.5),
}
"""I-GOS; TorchRay, which takes boxes of VOC and masks of COCO; SIGCAM."""


def pointing_game(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    truth: Sequence[Truth],
    variant: Literal["A", "B", "C"] = "A",
    use: Literal["boxes", "mask", "either"] | None = None,
    tolerance: float | None = None,
    difficult: Literal["keep", "skip"] | None = None,
    score_threshold: float | None = None,
    smooth: float = 0.0,
    small_share: float = 0.25,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Whether the highest point of every map hits an object of the map's class.

    A row is a pair of an image and a class that it shows: an image with three classes takes three
    rows, each with its own map, target and the same truth.

    Parameters
    ----------
    clf : Classifier
        Evaluated only where `score_threshold` is above 0.
    batch : ndarray of shape (N, C, H, W), float32
    maps : array_like of shape (N, h, w)
        Saliency, higher = more important; resized to the truth's frame bilinearly (pixel centres
        kept). The point is the first one of the highest value, row by row.
    target : Target of length N, or 1
    truth : sequence of N Truth
        A row without a place for its class has NaN, with a warning.
    variant : {"A", "B", "C"}
        Values of the four options below where they are None: A of [1]_: boxes, 0, keep, 0; B of
        [2]_: either, 15, skip, 0; C of [3]_: mask, 0, keep, 0.5. Never compare across variants.
    use : {"boxes", "mask", "either"}, optional
        See `pysal.places.USES`.
    tolerance : float, optional
        A hit is also a point that is nearer than this to a pixel of the class, in pixels of the
        truth's frame.
    difficult : {"keep", "skip"}, optional
        What to do where all objects of the class are marked as difficult; "skip" gives NaN.
    score_threshold : float, optional
        Rows count only where the model's score of the class is above it: the softmax for models
        that end in one, else the sigmoid of the logit. 0 takes all rows.
    smooth : float
        Standard deviation of a Gaussian over the map before the point is sought, as a share of
        the map's longer side, border repeated; 0.02 for gradient-type maps in [2]_.
    small_share : float
        A row is in the subset "small" where the pixels of the class are a smaller share of the
        frame than this, and the image shows another class too. [2]_ publishes lists made so.
    progress : callable, optional
        Called as progress(done, total), in rows.

    Returns
    -------
    MetricResult
        Values "hit", 1 or 0; "center", the same for the middle of the frame, the baseline that
        knows nothing; "class", the target; "small", 1 in the subset. NaN in all but "class" where
        a row does not count. The accuracy of a set is the mean over classes: see
        `aggregate_pointing_game`.

    Raises
    ------
    ShapeError
        If the maps do not fit the batch.
    OptionError
        If an option is outside its allowed values, or there is not one truth per row.
    CapabilityError
        If a score is not finite.

    Notes
    -----
    Needs: score for variant C. Cost: no network passes; with a score threshold N forward.

    References
    ----------
    .. [1] Zhang, Bargal, Lin, Brandt, Shen, Sclaroff, Top-down neural attention by excitation
       backprop, ECCV 2016; as in Qi, Khorram, Li, I-GOS, AAAI 2020, Table 6.
    .. [2] Fong, Patrick, Vedaldi, Understanding deep networks via extremal perturbations and
       smooth masks, ICCV 2019; package TorchRay.
    .. [3] Zhang, Rao, Yang, A novel visual interpretability for deep neural networks by optimizing
       activation maps with perturbation, AAAI 2021: SIGCAM, Table 3.
    """
    began = time.perf_counter()
    batch = clf.check_batch(batch)
    num = len(batch)
    target = clf.check_target(target, num)
    rules = _rules(variant, use, tolerance, difficult, score_threshold)
    smooth = values.number(OWNER, "smooth", smooth, lambda v: v >= 0, "a number from 0 on")
    small_share = values.share(OWNER, "small_share", small_share)
    saliency, truth = checked_maps(OWNER, maps, num), check_truth(OWNER, truth, num)
    asked = rules.score_threshold > 0 and num > 0
    seen = _scores(clf, batch, target) > rules.score_threshold if asked else np.ones(num, bool)
    found, unknown = np.full((3, num), np.nan), []
    for row, (known, wanted) in enumerate(zip(truth, target.index.tolist(), strict=True)):
        region = known.region(wanted)
        pixels = known_pixels(region, known.size, rules.use)
        if pixels is None or region is None:
            unknown.append(row)
        elif seen[row] and not (region.difficult and rules.difficult == "skip"):
            level = smoothed(saliency[row], smooth)
            found[:2, row] = _hits(level, pixels, rules.tolerance)
            found[2, row] = pixels.mean() < small_share and len(known.regions) > 1
        if progress is not None:
            progress(row + 1, num)
    warn_left_out(OWNER, unknown, num, f'place of their class (use "{rules.use}")')
    hit, center, small_set = found
    return MetricResult(
        metric=OWNER,
        values={
            "hit": hit,
            "center": center,
            "class": target.index.astype(np.float64),
            "small": small_set,
        },
        curves={},
        options={
            "variant": variant,
            **dataclasses.asdict(rules),
            "smooth": smooth,
            "small_share": small_share,
        },
        passes=Passes(num if asked else 0, 0),
        seconds=time.perf_counter() - began,
    )


def aggregate_pointing_game(result: MetricResult) -> dict[str, float]:
    """Accuracies of a set: mean over classes of hits / (hits + misses).

    Returns
    -------
    dict of str to float
        "hit" and "center" over all rows that count, "hit_small" and "center_small" over the subset,
        "hit_pairs", the mean over rows instead of classes, and "pairs", how many rows count. NaN
        where there are none.
    """
    hit, center = result.values["hit"], result.values["center"]
    index, counts = result.values["class"], ~np.isnan(hit)
    small = counts & (result.values["small"] == 1)
    return {
        "hit": _class_mean(hit, index, counts),
        "center": _class_mean(center, index, counts),
        "hit_small": _class_mean(hit, index, small),
        "center_small": _class_mean(center, index, small),
        "hit_pairs": float(hit[counts].mean()) if counts.any() else float("nan"),
        "pairs": float(counts.sum()),
    }


def _hits(saliency: Float, pixels: Mask, tolerance: float) -> tuple[bool, bool]:
    """Whether the map's highest point hits, and whether the middle of the frame does."""
    height, width = pixels.shape
    point = divmod(int(resized(saliency, (height, width)).argmax()), width)
    middle = height // 2, width // 2
    return is_hit(point, pixels, tolerance), is_hit(middle, pixels, tolerance)


def is_hit(point: tuple[int, int], pixels: Mask, tolerance: float) -> bool:
    """Whether a pixel is set at (row, column), or at a distance strictly below the tolerance."""
    reach = int(np.ceil(tolerance))
    first = [max(at - reach, 0) for at in point]
    near = pixels[first[0] : point[0] + reach + 1, first[1] : point[1] + reach + 1]
    rows, columns = (
        (np.arange(length) + start - at) ** 2
        for length, start, at in zip(near.shape, first, point, strict=True)
    )
    distance = rows[:, None] + columns
    return bool((near & ((distance < tolerance**2) | (distance == 0))).any())


def smoothed(saliency: Float, share: float) -> Float:
    """A map (h, w) under a Gaussian of `share` times its longer side, cut at 4 sigma."""
    sigma = share * max(saliency.shape)
    if sigma == 0:
        return saliency
    reach = int(np.ceil(4 * sigma))
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        pad = [(reach, reach) if axis == side else (0, 0) for side in (0, 1)]
        padded = np.pad(saliency, pad, mode="edge")
        saliency = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis) @ weights
    return saliency


def _class_mean(hit: Float, index: Float, rows: NDArray[np.bool_]) -> float:
    """Mean over classes of the mean over their rows."""
    if not rows.any():
        return float("nan")
    _, member = np.unique(index[rows], return_inverse=True)
    return float((np.bincount(member, hit[rows]) / np.bincount(member)).mean())


def _scores(clf: Classifier, batch: Array, target: Target) -> Float:
    """Score of every row's class, as variant C means it, (N,)."""
    kind: Literal["probability", "logit"]
    kind = "probability" if clf.info.output_kind == "softmax" else "logit"
    scores = to_host(clf.score(batch, kind))[np.arange(len(batch)), target.index]
    check_finite(scores, np.arange(len(batch)), "score")
    known: Float = scores.astype(np.float64)
    return known if kind == "probability" else 0.5 * (1 + np.tanh(known / 2))


def _rules(
    variant: str,
    use: str | None,
    tolerance: float | None,
    difficult: str | None,
    score_threshold: float | None,
) -> Rules:
    """The variant, with what the caller says otherwise."""
    usual = VARIANTS[values.choice(OWNER, "variant", variant, VARIANTS)]
    far = usual.tolerance if tolerance is None else tolerance
    least = usual.score_threshold if score_threshold is None else score_threshold
    return Rules(
        values.choice(OWNER, "use", use or usual.use, USES),
        values.number(OWNER, "tolerance", far, lambda v: v >= 0, "a number from 0 on"),
        values.choice(OWNER, "difficult", difficult or usual.difficult, ("keep", "skip")),
        values.share(OWNER, "score_threshold", least),
    )
