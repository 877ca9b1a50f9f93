"""Box occlusion: how the score falls as patches drawn from the map cover more of the image."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal import values
from pysal.arrays import to_host, to_like
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.compose import Ranked
from pysal.finite import check_finite
from pysal.places import checked_maps, resized
from pysal.types import Array, MetricResult, Passes, Target

GROUP = 16
"""Images that are evaluated together; changes no result."""

OWNER = "box_occlusion"

Float = NDArray[np.float64]
Ints = NDArray[np.int64]


def box_occlusion(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    patch: int | None = None,
    baseline: str | NDArray[np.generic] = "mean",
    draws: int = 20,
    stop: float = 0.3,
    steps: int = 10,
    part: float = 1.0,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Drop of the target's probability as square patches drawn from the map cover the image.

    The map, scaled to sum 1, is the distribution of the patches' centres. Patches are added until
    their union is a given share of the image.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    maps : array_like of shape (N, h, w)
        Saliency, higher = more important; resized to (H, W) bilinearly, pixel centres kept;
        negative values count as 0. A map without positive values, or with NaN, is a uniform
        distribution.
    target : Target of length N, or 1
        Its classes; the score is the probability whatever its kind.
    patch : int, optional
        Side of a patch in pixels; cut at the border. Default: 1/16 of the shorter side.
    baseline : str or ndarray
        What patches show: a kind of `make_baseline`, or images.
    draws : int
        Sets of patches per image; the result is their mean.
    stop : float in (0, 1]
        Share that is covered at the end.
    steps : int
        Shares at which the score is taken: stop / steps, 2 stop / steps, ..., stop.
    part : float in (0, 1]
        Shares are those of the most salient pixels, as many as this share of the image; 1 takes
        the whole image.
    seed : int or sequence of N int
        Draws depend on the seed of the image and the number of the draw only, so maps of
        different methods meet the same random numbers; one number gives every image the same.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    MetricResult
        Values, higher is better: "drop", p_c of the image minus p_c of the occluded ones, mean over
        draws and shares above 0; "last_drop", at the share `stop`. Curves "share" (steps + 1,),
        "drop" and "covered" (N, steps + 1): the share that was covered in fact, which exceeds the
        nominal one by less than a patch.

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
    Needs: score. Cost: 1 + draws * steps forward per image (201). Draws are without repetition,
    which gives the same growing sets of patches as draws with repetition: a centre that is drawn
    again covers nothing new. The order is that of E / map with exponential numbers E per pixel
    [2]_. Where the positive part of the map is used up, the rest is drawn uniformly. Patch, filler,
    number of draws and stop are ours; the paper names none but 30 %.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, Visual Explanation by Interpretation, ICLR 2019: box-occlusion
       study.
    .. [2] Efraimidis, Spirakis, Weighted random sampling with a reservoir, 2006.
    """
    began = time.perf_counter()
    batch = clf.check_batch(batch)
    num, size = len(batch), (batch.shape[2], batch.shape[3])
    target = Target(clf.check_target(target, num).index, "probability")
    side = max(1, round(min(size) / 16)) if patch is None else patch
    side, draws, steps = (
        values.whole(OWNER, name, value)
        for name, value in (("patch", side), ("draws", draws), ("steps", steps))
    )
    for name, value in (("stop", stop), ("part", part)):
        values.number(OWNER, name, value, lambda v: 0 < v <= 1, "a number in (0, 1]")
    seeds, saliency = values.seeds(OWNER, seed, num), checked_maps(OWNER, maps, num)
    share = np.linspace(0, stop, steps + 1)
    fill = make_baseline(baseline, batch, clf.preprocess, seed=seeds)
    drop, covered = np.zeros((num, steps + 1)), np.zeros((num, steps + 1))
    for first in range(0, num, GROUP):
        rows = slice(first, min(first + GROUP, num))
        plan = _Plan(saliency[rows], size, seeds[rows], side, part, share[1:])
        found = _drops(clf, batch[rows], fill[rows], target[rows], plan, draws, first)
        drop[rows, 1:], covered[rows, 1:] = found
        if progress is not None:
            progress(rows.stop, num)
    return MetricResult(
        metric=OWNER,
        values={"drop": drop[:, 1:].mean(axis=1), "last_drop": drop[:, -1].copy()},
        curves={"share": share, "drop": drop, "covered": covered},
        options={
            "patch": side,
            "baseline": baseline if isinstance(baseline, str) else "given",
            "draws": draws,
            "stop": stop,
            "steps": steps,
            "part": part,
            "seed": seed,
        },
        passes=Passes(num * (1 + draws * steps), 0),
        seconds=time.perf_counter() - began,
    )


class _Plan:
    """Where the patches of some images lie, draw by draw.

    Attributes
    ----------
    weights : ndarray of shape (n, H, W), float64
        Not negative; zeros are drawn last.
    parts : ndarray of shape (n, H, W), bool
        Pixels of which shares are taken.
    shares : ndarray of shape (T,), float64
    """

    def __init__(
        self,
        saliency: Float,
        size: tuple[int, int],
        seeds: NDArray[np.uint64],
        side: int,
        part: float,
        shares: Float,
    ) -> None:
        maps = np.array([resized(native, size) for native in saliency]).reshape(-1, *size)
        self.weights = np.maximum(maps, 0)
        self.parts = np.array([_top(level, part) for level in maps], bool).reshape(-1, *size)
        self._seeds, self._side, self.shares = seeds.tolist(), side, shares

    def levels(self, draw: int) -> tuple[NDArray[np.int32], Float]:
        """First share at which each pixel is covered (n, H, W), and what is covered then (n, T)."""
        levels = np.empty(self.weights.shape, np.int32)
        covered = np.empty((len(levels), len(self.shares)))
        for row, (weight, known) in enumerate(zip(self.weights, self.parts, strict=True)):
            when = cover_times(centre_order(weight, self._seeds[row], draw), self._side)
            inside = np.sort(when[known])
            needed = np.ceil(self.shares * len(inside) - 1e-9).astype(np.int64)
            patches = inside[np.maximum(needed, 1) - 1] + 1
            levels[row] = np.searchsorted(patches, when, side="right")
            covered[row] = np.searchsorted(inside, patches) / len(inside)
        return levels, covered


def _drops(
    clf: Classifier,
    batch: Array,
    fill: Array,
    target: Target,
    plan: _Plan,
    draws: int,
    first: int,
) -> tuple[Float, Float]:
    """Mean drops and covered shares of some images, both (n, T)."""
    numbers = np.arange(first, first + len(batch))
    whole = to_host(clf.score(batch, "probability"))[np.arange(len(batch)), target.index]
    check_finite(whole, numbers, "score")
    x, away = clf.to_device(batch), clf.to_device(fill)
    count = plan.shares.size
    scores, covered = np.zeros((2, len(batch), count))
    ends = to_like(np.arange(1, count + 1, dtype=np.int32), x)
    for draw in range(draws):
        levels, part = plan.levels(draw)
        shown = Ranked(x, away, to_like(levels, x), ends)
        found = to_host(clf.score_composed(shown, len(batch), count, target))
        check_finite(found, numbers, "score under patches")
        scores += found.astype(np.float64) / draws
        covered += part / draws
    return whole.astype(np.float64)[:, None] - scores, covered


def centre_order(weight: Float, seed: int, draw: int) -> Ints:
    """Rank of every pixel as a centre, 0 = drawn first, (H, W); weights that are 0 come last."""
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, draw], np.uint64)))
    waits = -np.log1p(-rng.random(weight.shape)).ravel()
    flat = weight.ravel()
    some = flat > 0
    waits[some] /= flat[some] / flat.max()
    order = np.argsort(waits, kind="stable")
    order = np.concatenate([order[some[order]], order[~some[order]]])
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks.reshape(weight.shape)


def cover_times(ranks: Ints, side: int) -> Ints:
    """Rank of the first centre whose patch covers a pixel, (H, W).

    The patch of a centre begins side // 2 pixels before it, so the minimum runs over as many pixels
    behind; ranks beyond the border are none.
    """
    before, behind = side - 1 - side // 2, side // 2
    never: Any = ranks.size
    for axis in (0, 1):
        pad = [(before, behind) if axis == other else (0, 0) for other in (0, 1)]
        padded = np.pad(ranks, pad, constant_values=never)
        ranks = np.lib.stride_tricks.sliding_window_view(padded, side, axis).min(axis=-1)
    return ranks


def _top(level: Float, part: float) -> NDArray[np.bool_]:
    """The most salient pixels, as many as a share of all; equal ones by index."""
    chosen = np.zeros(level.size, bool)
    chosen[np.argsort(-level.ravel(), kind="stable")[: max(1, round(part * level.size))]] = True
    return chosen.reshape(level.shape)
