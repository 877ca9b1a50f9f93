"""The gradient of a score with respect to the image, and the image times it."""

from __future__ import annotations

from pysal.arrays import AnyArray, to_host
from pysal.channels import REDUCTIONS, reduce_channels, warn_empty
from pysal.classifier import Classifier
from pysal.types import Array, Attribution, Target
from pysal.values import choice, flag
from pysal.work import Work


def gradient(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    reduce: str = "max_abs",
    channels: bool = False,
) -> Attribution:
    """Show which pixels change the score most: A = dF_c/dx.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The logit is the published score. Where a probability is near 1 its gradient is small and
        points elsewhere, because it holds the competing classes too.
    reduce : str
        How channels become one map, a name of `pysal.channels.REDUCTIONS`.
    channels : bool
        Keep A, of shape (N, C, H, W), in the trace.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W); unit: score per unit of model input. `trace`: "channels" if
        asked for.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        If a map is zero everywhere.

    Notes
    -----
    Needs: grad. Cost: N forward, N backward. Differs from [1]_: nothing.

    References
    ----------
    .. [1] Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks: Visualising Image
       Classification Models and Saliency Maps. ICLR Workshop 2014, section 3, with the maximum
       over channels of section 3.1; methods specification 1.1.
    """
    work, options = _begin("gradient", clf, batch, target, reduce, channels)
    _, grads = work.value_and_grad(work.x)
    return _finish(work, "gradient", grads, options)


def input_x_gradient(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    reduce: str = "abs_sum",
    channels: bool = False,
) -> Attribution:
    """Multiply the image by the gradient: A = x * dF_c/dx, with x as the model sees it.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The logit is the published score.
    reduce : str
        How channels become one map, a name of `pysal.channels.REDUCTIONS`; "sum" keeps the sign.
    channels : bool
        Keep A, of shape (N, C, H, W), in the trace.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W); unit: score. `trace`: "channels" if asked for.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        If a map is zero everywhere.

    Notes
    -----
    Needs: grad. Cost: N forward, N backward. The implied baseline is zero in model input space,
    the mean colour for most models, so the normalization decides what a pixel is compared with.

    References
    ----------
    .. [1] Shrikumar, Greenside, Shcherbina, Kundaje: Not Just a Black Box: Learning Important
       Features Through Propagating Activation Differences. arXiv 1605.01713, 2016; methods
       specification 1.2. The reduction is that of the path methods, of which this is one step.
    """
    work, options = _begin("input_x_gradient", clf, batch, target, reduce, channels)
    _, grads = work.value_and_grad(work.x)
    return _finish(work, "input_x_gradient", work.x * grads, options)


def _begin(
    name: str, clf: Classifier, batch: Array, target: Target, reduce: str, channels: bool
) -> tuple[Work, dict[str, object]]:
    """Check what was given."""
    work = Work(clf, batch, target, name)
    choice(name, "reduce", reduce, REDUCTIONS)
    return work, {"reduce": reduce, "channels": flag(name, "channels", channels)}


def _finish(
    work: Work, name: str, attributions: AnyArray, options: dict[str, object]
) -> Attribution:
    """Reduce (N, C, H, W) to maps."""
    native = to_host(reduce_channels(attributions, str(options["reduce"])))
    warn_empty(name, native)
    trace = {"channels": to_host(attributions)} if options["channels"] else {}
    return work.finish(native, options, trace=trace)
