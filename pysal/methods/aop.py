"""AOP: an activation map says where a mask optimizer starts; any map, any optimizer."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.maskopt import options as integrated
from pysal.maskopt import perturb_options as perturbing
from pysal.maskopt.integrated import Found, Problem, optimize_integrated
from pysal.maskopt.jitter import Baseline
from pysal.maskopt.perturb import Perturbed, display, optimize_perturbation
from pysal.maskopt.start import base_maps, check_base, from_maps
from pysal.maskopt.warmup import baseline_phases, check_map_options
from pysal.types import Array, Attribution, Target
from pysal.values import choice, seeds
from pysal.work import Work

OPTIMIZERS: Mapping[str, Mapping[str, Any]] = {
    **integrated.DEFAULTS,
    "mp": {
        **{k: v for k, v in perturbing.DEFAULTS.items() if k != "init"},
        "variant": "gildenblat",
    },
}
"""Optimizer -> its options with their defaults; those of its method, but for what starts it."""


def aop(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    base: Literal["gradcam", "gradcam_pp", "wgradcam"] | NDArray[np.floating] = "gradcam",
    layer: str | None = None,
    optimizer: Literal["igos", "igos_plus", "igos_pp", "mp"] = "igos",
    theta: float = 0.7,
    lam: float = 0.15,
    warmup: int | None = None,
    weak: str | NDArray[np.generic] = "weak_blur",
    settings: Mapping[str, Any] | None = None,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Optimize a mask from an activation map as a hint: any map with any optimizer.

    The map B in [0, 1] is set to 0 below theta and scaled by lam; the optimizer starts from the
    keep mask 1 - B. WGradCAM with I-GOS is `sigcam`.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    base : {"gradcam", "gradcam_pp", "wgradcam"} or ndarray of shape (N, u, v)
        Map of the logit; or maps of another method, higher = more important, scaled to [0, 1].
    layer : str, optional
        Layer of the map, behind its ReLU. Default: `ModelInfo.cam_layer`.
    optimizer : {"igos", "igos_plus", "igos_pp", "mp"}
        "mp" in its variant "gildenblat" where `settings` name no other.
    theta : float in [0, 1]
        Where the map is below it, the mask starts at 1.
    lam : float in [0, 1]
        What the first mask removes at the most.
    warmup : int, optional
        Iterations with the weaker baseline. Default: 5; 0 for "mp", which has one baseline.
    weak : str or ndarray
        That baseline.
    settings : mapping, optional
        Options of the optimizer by their names in its method, for instance {"size": 14}; not
        "seed", and not "init" of `mp`.
    seed : int or sequence of N int
        Of all that the optimizer draws.
    progress : callable, optional
        Called as progress(done, total), in iterations.

    Returns
    -------
    Attribution
        As that of the optimizer's method; `trace` has "base" (N, u, v), the map, in addition.

    Raises
    ------
    OptionError
        If an option or setting is unknown or outside its allowed values, or the layer is unknown
        or has no height and width.
    ShapeError
        If given maps do not fit the images.
    CapabilityError
        If the engine has no gradient or shows no activations, or a number is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, or a map has one value everywhere.

    Notes
    -----
    Needs: grad, activations. Cost: that of the optimizer without what its own start costs; 1
    forward and 1 backward per image for the map, and for optimizers with a line search the
    objective at the first mask, once per baseline. theta, lam and the warm-up are those of
    SIGCAM; [1]_ states no others.

    References
    ----------
    .. [1] Zhang, Rao, Yang, "A Novel Visual Interpretability for Deep Neural Networks by Optimizing
       Activation Maps with Perturbation", AAAI 2021: Table 1 has GradCAM with the optimizer of MP
       and with I-GOS. Methods specification 7.1.
    """
    work = Work(clf, batch, target, "aop")
    choice("aop", "optimizer", optimizer, OPTIMIZERS)
    kind, options = _resolve(work, optimizer, settings or {})
    if warmup is None:
        warmup = 0 if optimizer == "mp" else min(5, options["iterations"])
    hint = {"theta": theta, "lam": lam, "warmup": warmup, "weak": weak}
    hint = check_map_options("aop", hint, 0 if optimizer == "mp" else options["iterations"])
    check_base(work, base, layer, "aop")
    seed_of = seeds("aop", seed, len(work))
    fill, mild = (
        make_baseline(name, work.batch, clf.preprocess, seed=seed_of) for name in (kind, weak)
    )
    work.score()
    maps, used = base_maps(work, base, layer, "aop")
    start = from_maps(maps, hint["theta"], hint["lam"], options["size"])
    found: Perturbed | Found
    if optimizer == "mp":
        jitter = options["jitter"]
        found = optimize_perturbation(
            work,
            start,
            lambda rows: Baseline(fill[rows], jitter, work.x),
            seed_of,
            options,
            progress,
        )
    else:
        phases = baseline_phases(fill, mild, warmup, options["iterations"])
        problem = Problem(work, phases, seed_of, start)
        found = optimize_integrated(optimizer, problem, options, progress)
    chosen = {"base": base if isinstance(base, str) else "given", "layer": used}
    return work.finish(
        1 - found.mask,
        {**chosen, "optimizer": optimizer, **hint, "settings": options, "seed": seed},
        map=display(found.mask, work.size, options) if optimizer == "mp" else None,
        trace={"base": maps, **found.trace},
    )


def _resolve(
    work: Work, optimizer: str, settings: Mapping[str, Any]
) -> tuple[str | NDArray[np.generic], dict[str, Any]]:
    """The baseline, and all options of the optimizer, checked."""
    known = OPTIMIZERS[optimizer]
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5) or sorted(known)
            raise OptionError(
                f'aop: {optimizer} has no setting "{name}"; did you mean {", ".join(near)}?'
            )
    values = {**known, **settings}
    if optimizer != "mp":
        prefers = work.clf.prefers_batches
        options = integrated.resolve(values, work.size, "aop", optimizer, prefers_batches=prefers)
        return values["baseline"], options
    values["init"] = "ones"
    classes = work.clf.info.num_classes
    options = perturbing.resolve_perturb(values, work.size, "aop", classes)
    del options["init"]
    given = values["baseline"]
    return options["baseline"] if given is None else given, options
