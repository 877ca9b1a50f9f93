"""Blur IG: gradients integrated from a blurred image to the sharp one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.paths import blur_path, explain, wanted
from pysal.types import Array, Attribution, Target
from pysal.work import Work

Spacing = Literal["linear", "sqrt"]

NAMES = (
    *("steps", "sigma_max", "spacing", "epsilon"),
    *("idgi", "both", "reduce", "channels"),
)
"""Every option, in the order in which results list them."""


def blur_ig(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    steps: int = 200,
    sigma_max: float = 50.0,
    spacing: Spacing = "linear",
    epsilon: float = 0.01,
    idgi: bool = False,
    both: bool = False,
    reduce: str = "abs_sum",
    channels: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Integrate gradients while a Gaussian blur of the image goes from `sigma_max` to nothing.

    A = - sum_i g(L(s_i)) * (L(s_i + e) - L(s_i)) / e * (s_{i+1} - s_i), L(s) the image blurred with
    standard deviation s: no baseline colour enters, only scales.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    steps : int
        N of the sum; gradients per image.
    sigma_max : float
        Largest standard deviation, in pixels.
    spacing : {"linear", "sqrt"}
        s_i = i sigma_max / steps, or the square roots of these.
    epsilon : float
        e, step of the difference quotient, in pixels.
    idgi : bool
        Give the IDGI map of the same path instead; see `idgi_blur_ig`.
    both : bool
        Keep both maps in the trace; they share all gradients.
    reduce : str
        How channels become one map, a name of `pysal.channels.REDUCTIONS`; "sum" keeps the sign.
    channels : bool
        Keep the attribution of shape (N, C, H, W) in the trace.
    progress : callable, optional
        Called as progress(done, total), in points.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W); unit: score. `trace`: "score" (N, steps + 1) along the path,
        that of the most blurred image first; "residual" (N,), |sum(A) - change| / |change| of the
        change of score from there to the image; "riemann" and "idgi" (N, H, W) with `both`;
        "channels" if asked for.

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
    Needs: grad. Cost: N * (steps + 2) forward, N * steps backward. The image is black outside, as
    on pictures that are not normalized yet; kernels end at 4 standard deviations. Differs from
    [2]_: with spacing="sqrt" every step has its own width in any batch; difference quotients are
    those of the kernels, so that no nearly equal images are subtracted.

    References
    ----------
    .. [1] Xu, Venugopalan, Sundararajan: Attribution in Scale and Space. CVPR 2020, section 3.
    .. [2] github.com/PAIR-code/saliency at 7b72b673, core/blur_ig.py, for all defaults but the 200
       steps of Yang, Wang, Bilgic, IDGI, CVPR 2023; methods specification 2.3.
    """
    return _explain("blur_ig", locals(), idgi)


def idgi_blur_ig(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    steps: int = 200,
    sigma_max: float = 50.0,
    spacing: Spacing = "linear",
    epsilon: float = 0.01,
    both: bool = False,
    reduce: str = "abs_sum",
    channels: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Share every change of the score on the path of Blur IG along the gradient there.

    A = sum_i g_i * g_i (F(L(s_i)) - F(L(s_{i+1}))) / ||g_i||^2: the path is taken from blurred to
    sharp, and a gradient belongs to the interval on its blurred side, as in Blur IG's own sum.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    steps, sigma_max, spacing, epsilon, both, reduce, channels, progress
        As for `blur_ig`; `epsilon` matters for the map of Blur IG itself only.

    Returns
    -------
    Attribution
        As for `blur_ig`. The residual is what steps of zero gradient have lost.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        As for `blur_ig`.

    Notes
    -----
    Needs: grad. Cost: N * (steps + 2) forward, N * steps backward. Differs from [1]_: the published
    function is given two lists; in the order of Blur IG's loop they run from sharp to blurred and
    give every attribution the wrong sign, which is set right here. Steps whose gradient is zero are
    left out instead of divided by zero.

    References
    ----------
    .. [1] Yang, Wang, Bilgic: IDGI: A Framework to Eliminate Explanation Noise from Integrated
       Gradients. CVPR 2023, Algorithm 1; code github.com/yangruo1226/IDGI; methods specification
       2.4.
    """
    return _explain("idgi_blur_ig", locals(), True)


def _explain(name: str, given: Mapping[str, Any], idgi: bool) -> Attribution:
    """Integrate over scales."""
    work = Work(given["clf"], given["batch"], given["target"], name)
    options = {key: given[key] for key in NAMES if key in given}
    asked = wanted(name, options, idgi)
    path = blur_path(name, **{k: options[k] for k in ("steps", "sigma_max", "spacing", "epsilon")})
    black = make_baseline("black", work.batch, work.clf.preprocess)
    return explain(work, name, path, black, asked, options, given["progress"])
