"""Average drop and increase in confidence: the score when only what the map marks is shown."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.again import check_maps
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.masking import MaskedScore
from pysal.similarity.maps import prepare_maps
from pysal.types import Array, MetricResult, Target
from pysal.values import seeds


def average_drop(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    baseline: str | NDArray[np.generic] = "black",
    seed: int | list[int] = 0,
) -> MetricResult:
    """Change of the probability when the image is multiplied by its map.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    maps : ndarray of shape (N, h, w)
        Saliency, higher = more important; resized bilinearly to H x W, cells taken as squares, then
        moved and stretched to [0, 1] per image.
    target : Target of length N, or 1
        Its classes; the score is the probability whatever its kind.
    baseline : str or ndarray
        What shows where the map is 0; see `make_baseline`. "black" multiplies the image as the
        paper has it, "zero" the normalized input, as packages do.
    seed : int, or sequence of N int
        Of the baseline "noise".

    Returns
    -------
    MetricResult
        With Y the probability on the image and O on the product: "drop" = 100 max(0, Y - O) / Y
        (lower is better), "increase" = 100 where O > Y, else 0 (higher), and "gain" =
        100 max(0, O - Y) / (1 - Y) (higher), 0 where Y is 1. Their means over the images are the
        published figures, in percent. "masked_score" is O. NaN where a map is constant or has NaN,
        and for the drop where Y is 0.

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
    Needs: score. Cost: 2 N forward.

    References
    ----------
    .. [1] Chattopadhay, Sarkar, Howlader, Balasubramanian, "Grad-CAM++", WACV 2018, section 4.1:
       average drop, increase in confidence.
    .. [2] Zhang, Fu, Kang, Zhang, "Opti-CAM: Optimizing saliency maps for interpretability", CVIU
       2024, equation of the average gain.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    target = Target(clf.check_target(target, len(batch)).index, "probability")
    size = (batch.shape[2], batch.shape[3])
    masks = prepare_maps(check_maps(maps, len(batch)), size, "min_max").astype(np.float32)
    missing = np.isnan(masks).any(axis=(1, 2)) | (masks.max(axis=(1, 2)) <= 0)
    masks = np.where(missing[:, None, None], 0, masks)
    away = make_baseline(
        baseline, batch, clf.preprocess, seed=seeds("average_drop", seed, len(batch))
    )
    masked = MaskedScore(clf, batch, away, target)
    both = np.stack([np.ones_like(masks), masks], axis=1)
    score, shown = masked.score(both).T.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        drop = np.where(score > 0, np.maximum(score - shown, 0) / score, np.nan)
        gain = np.where(score < 1, np.maximum(shown - score, 0) / (1 - score), 0.0)
    found = {
        "drop": 100 * drop,
        "increase": 100.0 * (shown > score),
        "gain": 100 * gain,
        "masked_score": shown,
    }
    return MetricResult(
        metric="average_drop",
        values={name: np.where(missing, np.nan, row) for name, row in found.items()},
        curves={},
        options={
            "baseline": baseline if isinstance(baseline, str) else "given",
            "seed": seed,
        },
        passes=masked.passes,
        seconds=time.perf_counter() - begin,
    )
