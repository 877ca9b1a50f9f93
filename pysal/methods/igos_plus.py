"""iGOS+: one mask that removes the score from the image and brings it to the baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.maskopt.integrated import Problem, optimize_integrated
from pysal.maskopt.options import resolve
from pysal.types import Array, Attribution, Target
from pysal.values import seeds
from pysal.work import Work


def igos_plus(
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
    sigma: float = 0.01,
    objective: Literal["end", "path"] = "end",
    search: Literal["armijo", "fixed"] = "armijo",
    step_max: float = 1000.0,
    step_min: float | None = None,
    shrink: float = 0.2,
    slope: float = 1e-4,
    chunk: int | None = None,
    warm_start: bool | None = None,
    step_size: float = 40.0,
    momentum: float | None = None,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Find what removes the score when it is blurred away and brings it when it alone is shown.

    Minimizes `f_del(M) - f_ins(M) + l1 * mean |1 - M| + l2 * BTV(M)` over keep masks M: f_del(M) is
    the score where M removes the image, f_ins(M) where M removes the baseline and so shows the
    image. Both along integrated gradients.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    size, baseline, preset, iterations, steps, nodes, noise, noise_std
        As for `igos`, with its published values.
    l1, l2 : float, optional
        Weights of mask size and bilateral total variation. Default: by resolution, 1 and 20 up to
        28, 10 and 20 from 224 on; between these l1 is linear in log(size), which is ours.
    sigma : float
        Of the bilateral weights, see `pysal.optim.BilateralTV`.
    objective : {"end", "path"}
        What the line search compares: scores at the masks without noise, or their average over
        the path with noise, as published, for `steps` times the cost.
    search, step_max, step_min, shrink, slope, chunk, warm_start, step_size, momentum
        As for `igos`.
    seed : int or sequence of N int
        Of the noise.
    progress : callable, optional
        Called as progress(done, total), in iterations.

    Returns
    -------
    Attribution
        `native` = 1 - M of shape (N, h, w), in [0, 1]; `map` is its bilinear upsampling.
        `trace`: "loss" (N, iterations + 1), "score" of the same shape, the difference of the two
        scores, "step" (N, iterations).

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
    Needs: grad. Cost per image: iterations * 2 * steps forward and backward, 2 forward per
    candidate of the line search (2 * steps for objective="path"), and 3 forward. This is the
    variant of one mask in the published code of iGOS++, from which it differs as `igos_pp` does.

    References
    ----------
    .. [1] Khorram, Lawson, Li, "iGOS++: Integrated Gradient Optimized Saliency by Bilateral
       Perturbations", CHIL 2021, arXiv 2012.15783; one mask and defaults:
       github.com/khorrams/IGOS_pp at b0820a2f; methods specification 6.6.
    """
    given = dict(locals())
    work = Work(clf, batch, target, "igos_plus")
    options = resolve(
        given, work.size, "igos_plus", "igos_plus", prefers_batches=clf.prefers_batches
    )
    seed_of = seeds("igos_plus", seed, len(work))
    fill = make_baseline(baseline, work.batch, clf.preprocess, seed=seed_of)
    work.score()
    problem = Problem(work, ((0, fill),), seed_of)
    found = optimize_integrated("igos_plus", problem, options, progress)
    return work.finish(1 - found.mask, {**options, "seed": seed}, trace=found.trace)
