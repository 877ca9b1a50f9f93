"""SmoothGrad, SmoothGrad-squared, VarGrad: attributions of noisy copies of an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pysal.classifier import Classifier
from pysal.methods.smoothgrad_samples import explain
from pysal.types import Array, Attribution, Target
from pysal.work import Work

Base = Literal["gradient", "input_x_gradient", "integrated_gradients", "guided_ig", "blur_ig"]


def smoothgrad(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    samples: int = 25,
    noise_level: float = 0.15,
    base: Base = "gradient",
    base_options: Mapping[str, Any] | None = None,
    rules: str = "gradient",
    reduce: str = "max_abs",
    channels: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Average the attributions of noisy copies of the image: A = mean_i A(x + e_i).

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The logit is the published score for base="gradient", the probability for paths.
    samples : int
        n, noisy copies per image.
    noise_level : float
        r: the noise is normal with deviation r * (max(x) - min(x)) on every channel, the range
        being that of the image as the model sees it.
    base : str
        What is averaged: the gradient, the (noisy) image times it, or the attribution of a path.
    base_options : mapping, optional
        Options of a path: "steps", "baseline" (default: black) and those of its own, as for the
        method of that name.
    rules : str
        Rule table of the backward pass, for base="gradient" and "input_x_gradient": also
        "guided_backprop" and "deconvnet", where the engine has them.
    reduce : str
        How channels of the result become one map, a name of `pysal.channels.REDUCTIONS`.
    channels : bool
        Keep the result of shape (N, C, H, W) in the trace.
    seed : int or sequence of N int
        Of the noise. One number gives every image the same noise, hence the same map whatever the
        batch it is in.
    progress : callable, optional
        Called as progress(done, total), in gradients.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W); unit: that of the base. `trace`: "standard_error" (N,), that
        of an element of A, the mean over all elements; "noise_std" (N,); "channels" if asked for.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, or a map is zero everywhere.

    Notes
    -----
    Needs: grad. Cost: N * (samples + 1) forward, N * samples backward; for a path, what it costs
    per sample. Differs from [1]_: nothing but the defaults, 50 samples and 10 % to 20 % there.

    References
    ----------
    .. [1] Smilkov, Thorat, Kim, Viegas, Wattenberg: SmoothGrad: Removing Noise by Adding Noise.
       arXiv 1706.03825, 2017, equation 1. Defaults: github.com/PAIR-code/saliency at 7b72b673,
       core/base.py, but there squares are averaged; methods specification 1.3.
    """
    return explain(Work(clf, batch, target, "smoothgrad"), "smoothgrad", locals())


def smoothgrad_squared(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    samples: int = 25,
    noise_level: float = 0.15,
    base: Base = "gradient",
    base_options: Mapping[str, Any] | None = None,
    rules: str = "gradient",
    reduce: str = "max_abs",
    channels: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Average the squared attributions of noisy copies of the image: A = mean_i A(x + e_i)^2.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    samples, noise_level, base, base_options, rules, reduce, channels, seed, progress
        As for `smoothgrad`.

    Returns
    -------
    Attribution
        As for `smoothgrad`; unit: that of the base, squared. No value is below 0.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        As for `smoothgrad`.

    Notes
    -----
    Needs: grad. Cost: N * (samples + 1) forward, N * samples backward.

    References
    ----------
    .. [1] Hooker, Erhan, Kindermans, Kim: A Benchmark for Interpretability Methods in Deep Neural
       Networks. NeurIPS 2019, section 2.2; methods specification 1.3.
    """
    return explain(Work(clf, batch, target, "smoothgrad_squared"), "smoothgrad_squared", locals())


def vargrad(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    samples: int = 25,
    noise_level: float = 0.15,
    base: Base = "gradient",
    base_options: Mapping[str, Any] | None = None,
    rules: str = "gradient",
    reduce: str = "max_abs",
    channels: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Variance of the attributions of noisy copies of the image.

    A = mean_i A_i^2 - (mean_i A_i)^2 with A_i = A(x + e_i), computed about the first of them.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    samples, noise_level, base, base_options, rules, reduce, channels, seed, progress
        As for `smoothgrad`; at least 2 samples.

    Returns
    -------
    Attribution
        As for `smoothgrad`; unit: that of the base, squared. No value is below 0.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        As for `smoothgrad`.

    Notes
    -----
    Needs: grad. Cost: N * (samples + 1) forward, N * samples backward. The variance is divided by
    n, as in captum, and not by n - 1; its standard error is the asymptotic one, from the fourth
    moment.

    References
    ----------
    .. [1] Adebayo, Gilmer, Goodfellow, Kim: Local Explanation Methods for Deep Neural Networks Lack
       Sensitivity to Parameter Values. ICLR Workshop 2018, section 2; methods specification 1.3.
    """
    return explain(Work(clf, batch, target, "vargrad"), "vargrad", locals())
