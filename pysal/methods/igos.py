"""I-GOS: optimize a mask that removes much of the score and little of the image."""

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
    chunk: int | None = None,
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
    chunk : int, optional
        Candidate steps evaluated in one batch; changes the cost, not the result. Default: 4, and
        all of them where a batch takes little longer than one image, as on a GPU.
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
    work = Work(clf, batch, target, "igos")
    options = resolve(given, work.size, "igos", prefers_batches=clf.prefers_batches)
    seed_of = seeds("igos", seed, len(work))
    fill = make_baseline(baseline, work.batch, clf.preprocess, seed=seed_of)
    problem = Problem(work, ((0, fill),), seed_of)
    found = optimize_integrated("igos", problem, options, progress)
    return work.finish(1 - found.mask, {**options, "seed": seed}, trace=found.trace)
