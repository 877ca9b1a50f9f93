"""Infidelity: whether a map foretells what the score does when the image is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.again import check_maps
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.finite import check_finite
from pysal.perturb.additive import Moved, Squares, products
from pysal.perturb.counted import counted
from pysal.similarity.spread import spread_maps
from pysal.types import Array, MetricResult, Passes, Target
from pysal.values import choice, positive, seeds, whole

OWNER = "infidelity"
Noise = Literal["square", "gaussian", "uniform"]
Float = NDArray[np.float64]


def infidelity(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    noise: Noise = "square",
    samples: int = 100,
    radius: float = 0.2,
    side: int | None = None,
    baseline: str | NDArray[np.generic] = "black",
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Mean squared error of the score changes that a map foretells.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    maps : ndarray of shape (N, h, w)
        Signed sums over channels. A cell's value is shared out equally among its pixels, so that
        sums over regions stay what they are.
    target : Target of length N, or 1
        Its `kind` is the space of the score.
    noise : {"square", "gaussian", "uniform"}
        The change I of the image. "square": a square of the baseline at a random place, I = 1 in it
        and 0 elsewhere, for maps in units of the score (attributions, as integrated gradients give
        them). The others: random numbers, the same in all channels, for maps in units of score per
        input (gradients).
    samples : int
        Changes per image.
    radius : float
        Standard deviation of "gaussian", largest magnitude of "uniform", in values of the model's
        input.
    side : int, optional
        Of the square, in pixels. Default: an eighth of the shorter side of the image (ours).
    baseline : str or ndarray
        Of "square"; see `make_baseline`.
    seed : int, or sequence of N int
    progress : callable, optional
        Called as progress(done, total), in changed images.

    Returns
    -------
    MetricResult
        With d = F(x) - F(x - I) and a = sum(I * map): "scaled", mean (b a - d)^2 with the b that
        makes it smallest, which compares maps of any unit; "infidelity", mean (a - d)^2; and
        "scale", b. All but the last lower is better. NaN where a map has NaN; b is 0 where a is.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    ShapeError
        If there is not one map per image.
    CapabilityError
        If a score is not finite.

    Notes
    -----
    Needs: score. Cost: (samples + 1) N forward. The paper's noisy baseline changes every channel by
    itself, which a map without channels cannot foretell; it is left out.

    References
    ----------
    .. [1] Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (In)fidelity and Sensitivity of
       Explanations", NeurIPS 2019, definition 1; square removal in section 2.2; optimal scale in
       appendix.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    target = clf.check_target(target, len(batch))
    choice(OWNER, "noise", noise, get_args(Noise))
    whole(OWNER, "samples", samples)
    positive(OWNER, "radius", radius)
    size = (batch.shape[2], batch.shape[3])
    side = _side(side, size)
    keys = seeds(OWNER, seed, len(batch))
    spread = spread_maps(check_maps(maps, len(batch)), size)
    x = clf.to_device(batch)
    moves: Moved | Squares
    if noise == "square":
        away = make_baseline(baseline, batch, clf.preprocess, seed=keys)
        moves = Squares(x, clf.to_device(away), side, keys)
    else:
        moves = Moved(x, noise, radius, keys)
    rows = np.arange(len(batch))
    whole_score = clf.score(batch, target.kind)[rows, target.index].astype(np.float64)
    compose = counted(moves, len(batch), samples, progress)
    scores = clf.score_composed(compose, len(batch), samples, target).astype(np.float64)
    check_finite(whole_score, rows, "score")
    check_finite(scores, rows, "score of a changed version")
    return MetricResult(
        metric=OWNER,
        values=_errors(products(moves, spread, samples), whole_score[:, None] - scores),
        curves={},
        options={
            "noise": noise,
            "samples": samples,
            "radius": radius,
            "side": side,
            "baseline": baseline if isinstance(baseline, str) else "given",
            "kind": target.kind,
            "seed": seed,
        },
        passes=Passes(len(batch) * (samples + 1), 0),
        seconds=time.perf_counter() - begin,
    )


def _errors(foretold: Float, found: Float) -> dict[str, Float]:
    """Mean squared errors of (N, samples) foretold changes, as they are and at the best scale."""
    squared = np.square(foretold).mean(axis=1)
    both = (foretold * found).mean(axis=1)
    scale = np.where(squared == 0, 0, both / np.where(squared == 0, 1, squared))
    return {
        "scaled": np.square(scale[:, None] * foretold - found).mean(axis=1),
        "infidelity": np.square(foretold - found).mean(axis=1),
        "scale": scale,
    }


def _side(side: int | None, size: tuple[int, int]) -> int:
    """Side of the square."""
    if side is None:
        return max(1, min(size) // 8)
    if whole(OWNER, "side", side) > min(size):
        raise OptionError(
            f"{OWNER}: side is {side}; expected a whole number from 1 to the image's {min(size)}"
        )
    return side
