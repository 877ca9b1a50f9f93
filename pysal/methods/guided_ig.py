"""Guided IG: gradients integrated on a path that avoids large ones as long as it can."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.paths import explain, guided_path, wanted
from pysal.types import Array, Attribution, Target
from pysal.values import seeds
from pysal.work import Work

NAMES = (
    *("baseline", "steps", "fraction", "max_dist"),
    *("idgi", "both", "reduce", "channels", "seed"),
)
"""Every option, in the order in which results list them."""


def guided_ig(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    baseline: str | NDArray[np.generic] = "black",
    steps: int = 200,
    fraction: float = 0.25,
    max_dist: float = 0.02,
    idgi: bool = False,
    both: bool = False,
    reduce: str = "abs_sum",
    channels: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Integrate on a path that moves first the features with the smallest gradients.

    Each of `steps` steps covers the same share of the L1 distance from baseline to image. It is
    spent on the features (pixels of a channel) whose gradient is smallest, `fraction` of them at a
    time, none further than `max_dist` from the straight line; so noise that large gradients off the
    object's pixels would add is left for late.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    baseline : str or ndarray
        Where the path starts, as `make_baseline` takes it; black is published.
    steps : int
        Gradients per image, one after the other.
    fraction : float in (0, 1]
        Share of all features that one pass inside a step selects. Small ones mean many passes.
    max_dist : float in [0, 1]
        Largest distance of a feature from the straight line, as a share of its way: 0 is
        integrated gradients with left-hand points, 1 does not bind the path.
    idgi : bool
        Give the IDGI map of the same path instead; see `idgi_guided_ig`.
    both : bool
        Keep both maps in the trace; they share all gradients.
    reduce : str
        How channels become one map, a name of `pysal.channels.REDUCTIONS`; "sum" keeps the sign.
    channels : bool
        Keep the attribution of shape (N, C, H, W) in the trace.
    seed : int or sequence of N int
        Of the baseline "noise".
    progress : callable, optional
        Called as progress(done, total), in gradients.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W); unit: score. `trace`: "score" (N, P) along the path, the
        baseline's first; "residual" (N,), |sum(A) - change| / |change| of the change of score from
        baseline to image; "riemann" and "idgi" (N, H, W) with `both`; "channels" if asked for.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, a residual above 10 %, or a map zero everywhere.

    Notes
    -----
    Needs: grad. Cost: N * (steps + 1) forward, N * steps backward, sequential in the steps: the
    images of a batch advance together. The path is kept in float64. Differs from [1]_ with its
    code: a step also ends where rounding leaves nothing to select. Distances and gradients are
    those of the model's input, after normalization. The path turns at every step while one gradient
    serves all of it, so on photos the residual can be above 1 at 200 steps; it falls with more.

    References
    ----------
    .. [1] Kapishnikov, Venugopalan, Avci, Wedin, Terry, Bolukbasi: Guided Integrated Gradients: an
       Adaptive Path Method for Removing Noise. CVPR 2021, Algorithm 1. Defaults: reference code
       github.com/PAIR-code/saliency at 7b72b673, core/guided_ig.py; methods specification 2.2.
    """
    return _explain("guided_ig", locals(), idgi)


def idgi_guided_ig(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    baseline: str | NDArray[np.generic] = "black",
    steps: int = 200,
    fraction: float = 0.25,
    max_dist: float = 0.02,
    both: bool = False,
    reduce: str = "abs_sum",
    channels: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Share every change of the score on the path of Guided IG along the gradient there.

    A = sum_j g_j * g_j (f_{j+1} - f_j) / ||g_j||^2, one term per step: all moves inside a step use
    its one gradient. The last score is that of the path's end, which is the image.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    baseline, steps, fraction, max_dist, both, reduce, channels, seed, progress
        As for `guided_ig`.

    Returns
    -------
    Attribution
        As for `guided_ig`. The residual is what steps of zero gradient have lost.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        As for `guided_ig`.

    Notes
    -----
    Needs: grad. Cost: N * (steps + 2) forward, N * steps backward. Differs from [1]_: steps whose
    gradient is zero are left out instead of divided by zero; the end of the path, which the
    published function leaves to the caller, counts.

    References
    ----------
    .. [1] Yang, Wang, Bilgic: IDGI: A Framework to Eliminate Explanation Noise from Integrated
       Gradients. CVPR 2023, Algorithm 1; code github.com/yangruo1226/IDGI; methods specification
       2.4.
    """
    return _explain("idgi_guided_ig", locals(), True)


def _explain(name: str, given: Mapping[str, Any], idgi: bool) -> Attribution:
    """Integrate on guided paths."""
    work = Work(given["clf"], given["batch"], given["target"], name)
    options = {key: given[key] for key in NAMES if key in given}
    asked = wanted(name, options, idgi)
    path = guided_path(name, **{k: options[k] for k in ("steps", "fraction", "max_dist")})
    seed_of = seeds(name, options["seed"], len(work))
    fill = make_baseline(options["baseline"], work.batch, work.clf.preprocess, seed=seed_of)
    if not isinstance(options["baseline"], str):
        options["baseline"] = "given"
    return explain(work, name, path, fill, asked, options, given["progress"])
