"""Insertion and deletion: how fast the score comes and goes with the most salient cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.arrays import AnyArray, to_like
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.compose import Composer, Joined, Ranked
from pysal.finite import check_finite
from pysal.metrics.insertion_protocols import settle
from pysal.ranking import area_under, rank_cells, saliency_cells, tie_orders
from pysal.types import Array, MetricResult, Passes, Target
from pysal.values import seeds

GROUP = 16
"""Images that are evaluated together; changes no result."""

Float = NDArray[np.float64]


def insertion_deletion(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    protocol: Literal["igos", "rise", "aop", "g"] = "igos",
    cells: Literal["map", "image"] | None = None,
    deletion_baseline: str | None = None,
    insertion_baseline: str | None = None,
    step: int | None = None,
    legacy_igos_pp: bool = False,
    tie: Literal["stable", "reverse", "random"] = "stable",
    orders: int = 5,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Areas under the probability of the target as its most salient cells are deleted or inserted.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    maps : ndarray of shape (N, h, w)
        Saliency, higher = more important. A map with NaN counts as a constant map.
    target : Target of length N, or 1
        Its classes; the score is the probability whatever its kind.
    protocol : {"igos", "rise", "aop", "g"}
        Defaults of the options below: of I-GOS [2]_; of RISE [1]_; of AOP and SIGCAM [3]_, whose
        "over-all" score is the value "difference"; of MP2 and the -G methods [4]_, which report
        deletion only (insertion into the mean colour is ours).
    cells : {"map", "image"}, optional
        Rank the cells of the map at its own resolution and upsample binary masks bilinearly, hence
        with soft borders; or rank pixels, of maps upsampled to H x W. Default: "map" ("igos"), else
        "image".
    deletion_baseline, insertion_baseline : str, optional
        Kinds of `make_baseline`. Default: blurred image for both ("igos", "aop"); mean colour, and
        the 11 x 11 blur ("rise"); mean colour for both ("g"). Later code of the authors of [3]_ has
        "mean" and "blur".
    step : int, optional
        Cells changed per step. Default: max(1, cells // 50) ("igos"), 8 * W ("rise", "g"), 2 * W
        ("aop", from later code: the paper states none).
    legacy_igos_pp : bool
        Sum as the published code of iGOS++: without the point k = 0, and with the last step counted
        as if its probability were 1.
    tie : {"stable", "reverse", "random"}
        Order of equal cells: ascending index; descending index (the code of RISE); or the mean over
        `orders` random orders.
    orders : int
        For tie="random".
    seed : int or sequence of N int
        For tie="random"; one number gives every image the same orders.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    MetricResult
        Values "insertion" (higher is better), "deletion" (lower) and "difference", the first minus
        the second; curves "fraction" (T + 1,), "insertion" and "deletion" (N, T + 1).

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
    Needs: score. Cost: per image 2 * T forward for T = ceil(cells / step) steps if both baselines
    are one, else 2 * T + 1: the curves share the image and the baseline at their ends. No mask is
    stored: memory grows with the images and not with the steps. The area is the trapezoid rule on
    the true fractions, so a last step that is shorter counts less (ours; the RISE code treats all
    steps as equal). Metrics specification 1.

    References
    ----------
    .. [1] Petsiuk, Das, Saenko, "RISE", BMVC 2018, section 4.2; code github.com/eclique/RISE at
       d91ea006.
    .. [2] Qi, Khorram, Li, "Visualizing Deep Networks by Optimizing with Integrated Gradients",
       AAAI 2020, evaluation at heatmap resolution; code of the sum github.com/khorrams/IGOS_pp at
       b0820a2f.
    .. [3] Zhang, Rao, Yang, "A Novel Visual Interpretability for Deep Neural Networks by Optimizing
       Activation Maps with Perturbation", AAAI 2021, tables 1 and 2.
    .. [4] Agarwal, Nguyen, "Explaining Image Classifiers by Removing Input Features Using
       Generative Models", ACCV 2020, deletion metric.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    target = Target(clf.check_target(target, len(batch)).index, "probability")
    given = deletion_baseline, insertion_baseline
    chosen = settle(protocol, cells, given, step, legacy_igos_pp, tie, orders)
    seed_of = seeds("insertion_deletion", seed, len(batch))
    size = (batch.shape[2], batch.shape[3]) if chosen.cells == "image" else None
    ranked = saliency_cells(maps, len(batch), size)
    count = int(np.prod(ranked.shape[1:]))
    step = chosen.step_of(count, batch.shape[3])
    ends = np.append(np.arange(0, count, step), count)
    curves, passes = np.zeros((2, len(batch), len(ends))), Passes()
    for first in range(0, len(batch), GROUP):
        rows = slice(first, first + GROUP)
        taken = tie_orders(tie, count, seed_of[rows], orders)
        ranks = (rank_cells(ranked[rows], order) for order in taken)
        curves[:, rows], cost = _curves(
            clf, batch[rows], target[rows], chosen.baselines, ranks, ends, first
        )
        passes += cost
        if progress is not None:
            progress(min(rows.stop, len(batch)), len(batch))
    fraction = ends / count
    deletion, insertion = (_area(curve, fraction, chosen.legacy) for curve in curves)
    return MetricResult(
        metric="insertion_deletion",
        values={"insertion": insertion, "deletion": deletion, "difference": insertion - deletion},
        curves={"fraction": fraction, "insertion": curves[1], "deletion": curves[0]},
        options={
            "protocol": protocol,
            "cells": chosen.cells,
            "deletion_baseline": chosen.baselines[0],
            "insertion_baseline": chosen.baselines[1],
            "step": step,
            "legacy_igos_pp": legacy_igos_pp,
            "tie": tie,
            "orders": orders if tie == "random" else 1,
            "seed": seed,
        },
        passes=passes,
        seconds=time.perf_counter() - begin,
    )


def _curves(
    clf: Classifier,
    batch: Array,
    target: Target,
    kinds: tuple[str, str],
    ranks: Iterable[NDArray[np.int32]],
    ends: NDArray[np.intp],
    first: int,
) -> tuple[Float, Passes]:
    """Deletion and insertion curves (2, n, T + 1), means over the ranks of each tie order.

    One call of the engine scores all of it; the ends, which every curve shares, are scored once.
    """
    fills = {kind: make_baseline(kind, batch, clf.preprocess) for kind in dict.fromkeys(kinds)}
    fills = {kind: clf.to_device(fill) for kind, fill in fills.items()}
    away, back = (fills[kind] for kind in kinds)
    image = clf.to_device(batch)
    parts = _ends(image, away, back)
    inner = to_like(ends[1:-1].astype(np.int32), image)
    steps, shared = len(ends) - 2, len(parts)
    for order in ranks:
        placed = to_like(order, image)
        parts += [(Ranked(image, away, placed, inner), steps)]
        parts += [(Ranked(back, image, placed, inner), steps)]
    total = sum(count for _, count in parts)
    scores = clf.score_composed(Joined(parts), len(batch), total, target)
    check_finite(scores, first + np.arange(len(batch)), "score of a perturbed image")
    out = np.empty((2, len(batch), len(ends)))
    gone, start = scores[:, 1], scores[:, 2 if shared == 2 else 1]
    out[0, :, 0], out[0, :, -1] = scores[:, 0], gone
    out[1, :, 0], out[1, :, -1] = start, scores[:, 0]
    orders = (len(parts) - shared) // 2
    inside = scores[:, total - 2 * steps * orders :].astype(np.float64) / orders
    out[:, :, 1:-1] = inside.reshape(len(batch), orders, 2, steps).sum(axis=1).swapaxes(0, 1)
    return out, Passes(scores.size, 0)


def _ends(image: AnyArray, away: AnyArray, back: AnyArray) -> list[tuple[Composer, int]]:
    """The image, the image with everything deleted, and what insertion starts from if another."""
    host = np.zeros((len(image), 1, 1), np.int32)
    whole = to_like(host, image)
    both, one = (to_like(np.array(at, np.int32), image) for at in ([0, 1], [1]))
    parts: list[tuple[Composer, int]] = [(Ranked(image, away, whole, both), 2)]
    if back is not away:
        parts.append((Ranked(image, back, whole, one), 1))
    return parts


def _area(curve: Float, fraction: Float, legacy: bool) -> Float:
    """Area under curves (N, T + 1), (N,)."""
    if not legacy:
        return area_under(curve, fraction)
    heights = curve[:, 1:].copy()
    heights[:, -1] = 1
    area: Float = np.einsum("nt,t->n", heights, np.diff(fraction))
    return area
