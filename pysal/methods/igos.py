"""I-GOS: optimize a mask that removes much of the score and little of the image."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.errors import CapabilityError
from pysal.heatmap import upsample
from pysal.masking import MaskedScore
from pysal.methods.igos_options import noise_deviation, resolve, seeds
from pysal.optim import (
    L1,
    TV,
    Armijo,
    Fixed,
    Momentum,
    Penalty,
    Result,
    Steepest,
    Sum,
    minimize,
    quadrature,
)
from pysal.types import Array, Attribution, Noise, Passes, Target

GROUP = 32
"""Images that are optimized together; bounds the memory and changes no result."""


def igos(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    size: int | tuple[int, int] = 28,
    baseline: str | NDArray[np.generic] = "blur",
    preset: Literal["published", "fast"] | None = None,
    iterations: int | None = None,
    steps: int | None = None,
    nodes: Literal["right", "gauss-legendre"] | None = None,
    noise: Literal["gaussian", "legacy", "off"] = "gaussian",
    noise_std: float | None = None,
    l1: float | None = None,
    l2: float | None = None,
    l1_schedule: bool = False,
    search: Literal["armijo", "fixed"] = "armijo",
    step_max: float = 200.0,
    step_min: float | None = None,
    shrink: float = 0.2,
    slope: float = 1e-4,
    chunk: int = 4,
    warm_start: bool | None = None,
    step_size: float = 40.0,
    momentum: float | None = None,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Find the smallest smooth mask that, blurred away, takes the target's score.

    Minimizes `f(Phi(x, x~, M)) + l1 * mean |1 - M| + l2 * TV(M)` over keep masks M in [0, 1], from
    M = 1, along gradients integrated on the path from the baseline x~ to the composed image.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    size : int or (h, w)
        Resolution of the mask, from 1 to the image's.
    baseline : str or ndarray
        What shows where the mask is 0, as `make_baseline` takes it; "blur" is the published one.
    preset : {"published", "fast"}, optional
        Values of the options that are not given: None is "published"; "fast" is ours, 4
        Gauss-Legendre nodes, 6 iterations, momentum, a warm and shorter line search, half the
        noise.
    iterations : int
        Steps of the optimizer; published 15.
    steps : int
        Nodes of the path; published 20.
    nodes : {"right", "gauss-legendre"}
        Right-hand points s / steps (published), or the quadrature that needs fewer nodes.
    noise : {"gaussian", "legacy", "off"}
        Added to composed images on the path: N(0, noise_std^2) on all channels; or, as the first
        published code in effect did, with twice the deviation and on red only; or none.
    noise_std : float
        In ImageNet-normalized units, converted by the preprocessing record; published 0.2.
    l1, l2 : float, optional
        Weights of mask size and total variation. Default: by resolution, 1 and 20 up to 28, 3 and
        60 at 112, 10 and 20 from 224 on; between these linear in log(size), which is ours.
    l1_schedule : bool
        Divide l1 by 10 half-way where the score moved by at most 1e-3 since the start, and by 5 at
        80 % of the iterations where by at most 1e-2, as the first published code does.
    search : {"armijo", "fixed"}
        Line search per image, or always `step_size`.
    step_max, step_min, shrink, slope : float
        Ladder of the line search and its condition; see `pysal.optim.Armijo`. `step_min` is
        published as 1e-5.
    chunk : int
        Candidate steps evaluated in one batch; changes the cost, not the result.
    warm_start : bool
        Begin the line search one rung above the step accepted before (not published).
    step_size : float
        For search="fixed".
    momentum : float in [0, 1)
        Heavy-ball factor; published 0.
    seed : int or sequence of N int
        Of the noise. One number gives every image the same noise, hence the same map whatever the
        batch it is in.
    progress : callable, optional
        Called as progress(done, total), in iterations.

    Returns
    -------
    Attribution
        `native` = 1 - M of shape (N, h, w), in [0, 1]; `map` is its bilinear upsampling. `trace`:
        "loss" (N, iterations + 1), "score" of the same shape, "step" (N, iterations).

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01: the optimum is not meaningful then.

    Notes
    -----
    Needs: grad. Cost: N * (iterations * steps + 1) forward, N * iterations * steps backward, and
    the candidates of the line search, 1 to 12 forward per image and iteration (about 10 in real
    photos; about 3 for "fast"). Differs from [1]_
    with its code: images run as one batch, candidate steps as one batch per round. The objective in
    the line search has no noise, so its value at M is the number known from the step before.

    References
    ----------
    .. [1] Qi, Khorram, Li, "Visualizing Deep Networks by Optimizing with Integrated Gradients",
       AAAI 2020, objective, integrated gradient and revised Armijo condition. Defaults: reference
       code github.com/zhongangqi/IGOS at 541e4403, noise on all channels as in
       github.com/khorrams/IGOS_pp at b0820a2f; methods specification 6.5.
    """
    given = dict(locals())
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    target = clf.check_target(target, len(batch))
    options = resolve(given, clf.info.input_shape[1:])
    seed_of = seeds(seed, len(batch))
    score = _target_score(clf, batch, target)
    nodes_at, weights = quadrature(options["nodes"], options["steps"])
    std = noise_deviation(options, clf.preprocess)
    fill = make_baseline(baseline, batch, clf.preprocess, seed=seed_of)
    passes, results = Passes(len(batch), 0), []
    for first in range(0, len(batch), GROUP):
        rows = slice(first, first + GROUP)
        masked = MaskedScore(clf, batch[rows], fill[rows], target[rows], first)
        term = _PathTerm(masked, nodes_at, weights, std, seed_of[rows])
        report = _report(progress, first, len(batch[rows]), len(batch), options["iterations"])
        results.append(_optimize(term, score[rows], options, report))
        passes += masked.passes
    native = _join([1 - r.mask for r in results], options["size"])
    return Attribution(
        map=upsample(native, batch.shape[2:]),
        native=native,
        target=target,
        score=score,
        method="igos",
        options=options,
        passes=passes,
        seconds=time.perf_counter() - begin,
        trace={
            "loss": _join([r.loss for r in results], (options["iterations"] + 1,)),
            "score": _join([r.data for r in results], (options["iterations"] + 1,)),
            "step": _join([r.step for r in results], (options["iterations"],)),
        },
        model=clf.info,
    )


@dataclasses.dataclass(frozen=True)
class _PathTerm:
    """Score under a mask; its descent information is the gradient integrated over the path."""

    masked: MaskedScore
    nodes: Array
    weights: Array
    noise_std: Array | None
    seed: NDArray[np.uint64]

    def value(self, masks: Array, rows: NDArray[np.intp]) -> Array:
        return self.masked.score(masks, rows)

    def grad(self, masks: Array, step: int) -> Array:
        noise = None if self.noise_std is None else Noise(self.noise_std, self.seed, step)
        return self.masked.path_grad(masks, nodes=self.nodes, weights=self.weights, noise=noise)


def _optimize(
    term: _PathTerm,
    score: Array,
    options: dict[str, Any],
    report: Callable[[int], None] | None,
) -> Result:
    """Optimize the masks of one group of images, from all ones."""
    ladder = {key: options[key] for key in ("slope", "shrink", "chunk")}
    search = (
        Fixed(options["step_size"])
        if options["search"] == "fixed"
        else Armijo(options["step_max"], options["step_min"], warm=options["warm_start"], **ladder)
    )
    terms: list[Penalty] = [L1(options["l1"])]
    if options["l2"]:
        terms.append(TV(options["l2"]))
    return minimize(
        term,
        np.ones((len(score), *options["size"]), np.float32),
        search=search,
        steps=options["iterations"],
        penalty=Sum(tuple(terms)),
        descent=Momentum(options["momentum"]) if options["momentum"] else Steepest(),
        start=score,
        schedule=_l1_schedule(options["iterations"]) if options["l1_schedule"] else None,
        progress=report,
    )


def _l1_schedule(
    iterations: int,
) -> Callable[[int, Penalty, NDArray[np.float64]], Penalty]:
    """Weaken l1 in the images whose score has hardly moved, as the first published code does."""
    looks = {iterations // 2: (1e-3, 10.0), int(iterations / 1.25): (1e-2, 5.0)}

    def schedule(step: int, penalty: Penalty, change: NDArray[np.float64]) -> Penalty:
        if step not in looks or not isinstance(penalty, Sum):
            return penalty
        least, divisor = looks[step]
        factor = np.where(np.abs(change) <= least, 1 / divisor, 1.0)
        return Sum(tuple(L1(t.weight * factor) if isinstance(t, L1) else t for t in penalty.terms))

    return schedule


def _target_score(clf: Classifier, batch: Array, target: Target) -> Array:
    """Score of the target on the images themselves, (N,); warns where its probability is tiny."""
    scores = clf.score(batch, target.kind)
    rows = np.arange(len(batch))
    score = scores[rows, target.index]
    if not np.isfinite(score).all():
        image = np.flatnonzero(~np.isfinite(score))[0]
        raise CapabilityError(
            f"the score of image {image} is NaN or infinite; expected a finite number: check the "
            "preprocessing record and the precision of the engine"
        )
    low = score < 0.01
    if target.kind == "logit" and clf.info.output_kind == "sigmoid":
        low = score < np.log(0.01 / 0.99)
    elif target.kind == "logit":
        low = score < np.log(0.01) + np.logaddexp.reduce(scores, axis=1)
    if low.any():
        shown = ", ".join(map(str, np.flatnonzero(low)[:5]))
        warnings.warn(
            f"{low.sum()} of {len(low)} images (number {shown}) have a target probability below "
            "0.01; their maps are not meaningful: choose a class that the model sees there",
            stacklevel=3,
        )
    return score


def _report(
    progress: Callable[[float, float], None] | None, first: int, size: int, total: int, steps: int
) -> Callable[[int], None] | None:
    """Progress of one group, in iterations over all images."""
    if progress is None:
        return None
    return lambda step: progress(first * steps + size * step, total * steps)


def _join(parts: list[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    """Rows of all groups; no images give an empty array with rows of this shape."""
    return np.concatenate(parts) if parts else np.empty((0, *shape), np.float32)
