"""Integrated gradients: gradients averaged on the straight line from a baseline to the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.optim import quadrature
from pysal.paths import Straight, endpoints, explain, wanted
from pysal.types import Array, Attribution, Target
from pysal.values import choice, seeds, whole
from pysal.work import Work

Nodes = Literal["endpoints", "right", "gauss-legendre"]

NAMES = ("baseline", "steps", "nodes", "idgi", "both", "reduce", "channels", "seed")
"""Every option, in the order in which results list them."""


def integrated_gradients(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    baseline: str | NDArray[np.generic] = "black",
    steps: int = 200,
    nodes: Nodes = "endpoints",
    idgi: bool = False,
    both: bool = False,
    reduce: str = "abs_sum",
    channels: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Share the score that an image has over a baseline among its pixels.

    A = (x - x') * sum_j w_j g(x' + t_j (x - x')), with g the gradient of the score.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    baseline : str or ndarray
        x', as `make_baseline` takes it; black is published, the mean colour is common.
    steps : int
        Points of the path.
    nodes : {"endpoints", "right", "gauss-legendre"}
        t from 0 to 1, both included, of weight 1 / steps (published numbers, at least 2 steps);
        j / steps for j = 1 ... steps (I-GOS's text); or the quadrature that needs fewer points.
    idgi : bool
        Give the IDGI map of the same path instead; see `idgi`.
    both : bool
        Keep both maps in the trace; they share all gradients.
    reduce : str
        How channels become one map, a name of `pysal.channels.REDUCTIONS`; "sum" keeps the sign.
    channels : bool
        Keep the attribution of shape (N, C, H, W) in the trace.
    seed : int or sequence of N int
        Of the baseline "noise".
    progress : callable, optional
        Called as progress(done, total), in points.

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
    Needs: grad. Cost: N * (steps + 1) forward, N * steps backward; N forward more where the
    baseline is not a point. Differs from [1]_: points and their weights are those of [2]_, whose
    sum falls short of the change of score by about 1 / steps.

    References
    ----------
    .. [1] Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks. ICML 2017, section 3
       and "Computing Integrated Gradients" in section 5; methods specification 2.1.
    .. [2] github.com/PAIR-code/saliency at 7b72b673, core/integrated_gradients.py. 200 steps and
       the black baseline: Yang, Wang, Bilgic, IDGI, CVPR 2023, section 5.
    """
    return _explain("integrated_gradients", locals(), idgi)


def idgi(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    baseline: str | NDArray[np.generic] = "black",
    steps: int = 200,
    nodes: Literal["endpoints", "right"] = "endpoints",
    both: bool = False,
    reduce: str = "abs_sum",
    channels: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Share every change of the score on the straight line along the gradient there.

    A = sum_j g_j * g_j (f_{j+1} - f_j) / ||g_j||^2 over the points j of integrated gradients: what
    of a step runs along the level sets of the score takes no part.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    baseline, steps, both, reduce, channels, seed, progress
        As for `integrated_gradients`.
    nodes : {"endpoints", "right"}
        Points from 0 to 1, both included (published), where the last gradient, at the image, takes
        no part; or j / steps for j = 1 ... steps, where f_j - f_{j-1} belongs to point j.

    Returns
    -------
    Attribution
        As for `integrated_gradients`. The residual is what steps of zero gradient have lost.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        As for `integrated_gradients`.

    Notes
    -----
    Needs: grad. Cost: N * (steps + 1) forward, N * steps backward. Differs from [1]_: steps whose
    gradient is zero are left out instead of divided by zero. The direction of a gradient depends
    on the space it is taken in; here it is the model's input, after normalization.

    References
    ----------
    .. [1] Yang, Wang, Bilgic: IDGI: A Framework to Eliminate Explanation Noise from Integrated
       Gradients. CVPR 2023, Algorithm 1; code github.com/yangruo1226/IDGI; methods specification
       2.4.
    """
    return _explain("idgi", locals(), True)


def _explain(name: str, given: Mapping[str, Any], idgi: bool) -> Attribution:
    """Integrate on the straight line."""
    work = Work(given["clf"], given["batch"], given["target"], name)
    options = {key: given[key] for key in NAMES if key in given}
    asked = wanted(name, options, idgi)
    path = _path(name, options["steps"], options["nodes"], asked.with_idgi)
    seed_of = seeds(name, options["seed"], len(work))
    fill = make_baseline(options["baseline"], work.batch, work.clf.preprocess, seed=seed_of)
    if not isinstance(options["baseline"], str):
        options["baseline"] = "given"
    return explain(work, name, path, fill, asked, options, given["progress"])


def _path(name: str, steps: int, nodes: str, with_idgi: bool) -> Straight:
    """Points and weights, checked."""
    choice(name, "nodes", nodes, ("endpoints", "right", "gauss-legendre"))
    if with_idgi and nodes == "gauss-legendre":
        raise OptionError(
            f'{name}: nodes is "gauss-legendre", whose points do not reach the image as IDGI '
            'needs; use "endpoints" or "right"'
        )
    if nodes == "endpoints":
        return Straight(*endpoints(whole(name, "steps", steps, 2)))
    return Straight(*quadrature(nodes, whole(name, "steps", steps)))
