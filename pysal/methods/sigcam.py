"""SIGCAM: I-GOS from a WGradCAM map, which marks where to begin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.maskopt.integrated import Problem, optimize_integrated
from pysal.maskopt.options import resolve
from pysal.maskopt.start import base_maps, check_base, from_maps
from pysal.maskopt.warmup import baseline_phases, check_map_options
from pysal.types import Array, Attribution, Target
from pysal.values import seeds
from pysal.work import Work


def sigcam(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    layer: str | None = None,
    theta: float = 0.7,
    lam: float = 0.15,
    warmup: int = 5,
    weak: str | NDArray[np.generic] = "weak_blur",
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
    """Find the smallest smooth mask that takes the score, from an activation map as a hint.

    The WGradCAM map B in [0, 1] is set to 0 below theta and scaled by lam; I-GOS starts from the
    keep mask 1 - B, and sees a weaker blur in its first iterations.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    layer : str, optional
        Layer of the activation map, behind its ReLU. Default: `ModelInfo.cam_layer`.
    theta : float in [0, 1]
        Where the map is below it, the mask starts at 1; published 0.7, on COCO 0.6.
    lam : float in [0, 1]
        What the first mask removes at the most; published 0.15, on COCO 0.25.
    warmup : int
        Iterations with the weaker baseline, part of `iterations`; published 5.
    weak : str or ndarray
        That baseline, as `baseline`. It is not given in [1]_; the default is a Gaussian of sigma 5
        in 11 x 11, made as the published one.
    size, baseline, preset, iterations, steps, nodes, noise, noise_std, l1, l2, l1_schedule
        As for `igos`.
    search, step_max, step_min, shrink, slope, chunk, warm_start, step_size, momentum
        As for `igos`.
    seed : int or sequence of N int
        Of the noise.
    progress : callable, optional
        Called as progress(done, total), in iterations.

    Returns
    -------
    Attribution
        `native` = 1 - M of shape (N, h, w), in [0, 1]; `map` is its bilinear upsampling. `trace`:
        "base" (N, u, v), the activation map; "loss" (N, iterations + 1), "score" of the same
        shape and "step" (N, iterations), each under the baseline of its iteration.

    Raises
    ------
    OptionError
        If an option is outside its allowed values, or the layer unknown or without height and
        width.
    CapabilityError
        If the engine has no gradient or shows no activations, or a number is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, or an activation map has one value everywhere.

    Notes
    -----
    Needs: grad, activations. Cost: that of `igos`, and 3 forward and 1 backward per image: the
    layer, and the objective at the first mask under both baselines. WGradCAM is of the logit, the
    optimizer's score that of the target. The optimizer may remove any cell, also where the map is
    below theta. With momentum, the first direction under the second baseline still knows the
    first.

    References
    ----------
    .. [1] Zhang, Rao, Yang, "A Novel Visual Interpretability for Deep Neural Networks by Optimizing
       Activation Maps with Perturbation", AAAI 2021, section "SIGCAM"; methods specification 7.2.
    """
    given = dict(locals())
    work = Work(clf, batch, target, "sigcam")
    options = resolve(given, work.size, "sigcam", prefers_batches=clf.prefers_batches)
    hint = check_map_options("sigcam", given, options["iterations"])
    check_base(work, "wgradcam", layer, "sigcam")
    seed_of = seeds("sigcam", seed, len(work))
    fill, mild = (
        make_baseline(kind, work.batch, clf.preprocess, seed=seed_of) for kind in (baseline, weak)
    )
    work.score()
    base, used = base_maps(work, "wgradcam", layer, "sigcam")
    problem = Problem(
        work,
        baseline_phases(fill, mild, warmup, options["iterations"]),
        seed_of,
        from_maps(base, theta, lam, options["size"]),
    )
    found = optimize_integrated("igos", problem, options, progress)
    return work.finish(
        1 - found.mask,
        {"layer": used, **hint, **options, "seed": seed},
        trace={"base": base, **found.trace},
    )
