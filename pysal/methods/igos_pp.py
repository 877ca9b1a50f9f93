"""iGOS++: two masks, one that removes the score and one that keeps it, and their product."""

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


def igos_pp(
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
    product: Literal["image", "mask"] = "image",
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

    Minimizes `f_del(Mx) - f_ins(My) + f_del(Mx My) - f_ins(Mx My) + l1 * mean |1 - Mx My| + l2 *
    BTV(Mx My)` over keep masks Mx and My: f_del(M) is the score where M removes the image, f_ins(M)
    where M removes the baseline and so shows the image. All four along integrated gradients.

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
    product : {"image", "mask"}
        Whether the two masks are multiplied at the size of the image, as the published code does,
        or cell by cell. The map is the cells' product in both cases.
    objective : {"end", "path"}
        What the line search compares: scores at the masks without noise, or their average over
        the path with noise, as published, for `steps` times the cost.
    search, step_max, step_min, shrink, slope, chunk, warm_start, step_size, momentum
        As for `igos`; one step for both masks.
    seed : int or sequence of N int
        Of the noise.
    progress : callable, optional
        Called as progress(done, total), in iterations.

    Returns
    -------
    Attribution
        `native` = 1 - Mx My of shape (N, h, w), in [0, 1]; `map` is its bilinear upsampling.
        `trace`: "loss" (N, iterations + 1), "score" of the same shape, the signed sum of the four
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
    Needs: grad. Cost per image: iterations * 4 * steps forward and backward, 4 forward per
    candidate of the line search (4 * steps for objective="path"), and 5 forward. The data gradient
    of each mask is halved against the regularizers, as the published code has it. Differs from
    it: bilateral weights are made alike in both directions; with objective="path" all candidates
    of a search see the same noise; the default objective has none, which gave better maps of real
    photos for an eighth of the evaluations.

    References
    ----------
    .. [1] Khorram, Lawson, Li, "iGOS++: Integrated Gradient Optimized Saliency by Bilateral
       Perturbations", CHIL 2021, arXiv 2012.15783, objective and bilateral total variation.
       Defaults: github.com/khorrams/IGOS_pp at b0820a2f; methods specification 6.6.
    """
    given = dict(locals())
    work = Work(clf, batch, target, "igos_pp")
    options = resolve(given, work.size, "igos_pp", "igos_pp", prefers_batches=clf.prefers_batches)
    seed_of = seeds("igos_pp", seed, len(work))
    fill = make_baseline(baseline, work.batch, clf.preprocess, seed=seed_of)
    work.score()
    problem = Problem(work, ((0, fill),), seed_of)
    found = optimize_integrated("igos_pp", problem, options, progress)
    return work.finish(1 - found.mask, {**options, "seed": seed}, trace=found.trace)
