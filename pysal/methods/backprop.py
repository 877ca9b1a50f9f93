"""Guided backpropagation, deconvnet, and the stride-1 resampled form of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pysal.arrays import to_host
from pysal.channels import REDUCTIONS, reduce_channels, warn_empty
from pysal.classifier import Classifier
from pysal.features.feedback import scale_feedback
from pysal.types import Array, Attribution, Target
from pysal.values import choice, flag
from pysal.work import Work


def guided_backprop(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    reduce: str = "max_abs",
    channels: bool = False,
) -> Attribution:
    """Carry the class logit back, letting ReLUs pass positive signals to active units only.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        Its classes; the signal starts at the logit whatever its kind.
    reduce : str
        How channels become one map, a name of `pysal.channels.REDUCTIONS`.
    channels : bool
        Keep the signal, of shape (N, C, H, W), in the trace.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W).

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError, UnsupportedOpError
        If the engine has no rule tables, or an operator no rule; or a number is not finite.

    Warns
    -----
    UserWarning
        If a map is zero everywhere.

    Notes
    -----
    Needs: grad. Cost: N forward, N backward. For activations that are no ReLU the positive part of
    the signal is taken behind the true derivative.

    References
    ----------
    .. [1] Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for Simplicity: The All
       Convolutional Net. ICLR Workshop 2015, section 3.4; methods specification 1.4.
    """
    return _to_image("guided_backprop", clf, batch, target, reduce, channels)


def deconvnet(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    reduce: str = "max_abs",
    channels: bool = False,
) -> Attribution:
    """Carry the class logit back, letting ReLUs pass positive signals, whatever they saw.

    Parameters, returns, errors, warnings and cost are those of `guided_backprop`.

    References
    ----------
    .. [1] Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014, section
       2.1; methods specification 1.5.
    """
    return _to_image("deconvnet", clf, batch, target, reduce, channels)


def stride1_deconv(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    resample_pool: bool = False,
    channels: bool = False,
) -> Attribution:
    """Guided backpropagation that undoes strides by resampling, so that maps have no grid in them.

    Where a convolution has a stride, the signal is resized to what the output would be at stride 1,
    and carried back at stride 1.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        Its classes; the signal starts at the logit whatever its kind.
    resample_pool : bool
        Treat pooling so, too; the published code does it for convolutions only.
    channels : bool
        Keep the signal, of shape (N, C, H, W), in the trace.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W): the root of the summed squares of the positive channels,
        scaled to [0, 1].

    Raises
    ------
    OptionError, CapabilityError, UnsupportedOpError
        As for `guided_backprop`.

    Warns
    -----
    UserWarning
        If a map is zero everywhere.

    Notes
    -----
    Needs: grad. Cost: N forward, N backward. The published method explains selected features and
    not classes: that is `relevant_features`; the start at the class is ours.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars: Visual Explanation by Interpretation. ICLR 2019, section 3.3;
       scaling as in the authors' code; methods specification 1.6.
    """
    name = "stride1_deconv"
    work = Work(clf, batch, target, name)
    resample_pool = flag(name, "resample_pool", resample_pool)
    keep = flag(name, "channels", channels)
    rules = "stride1_deconv_pool" if resample_pool else name
    _, raw = work.value_and_grad(work.x, kind="logit", rules=rules)
    native = scale_feedback(to_host(raw))
    warn_empty(name, native, "all units on the way are off")
    options = {"resample_pool": resample_pool, "channels": keep}
    return work.finish(native, options, trace=_trace(raw, keep))


def _to_image(
    name: str, clf: Classifier, batch: Array, target: Target, reduce: str, channels: bool
) -> Attribution:
    """Run the rule table called like the method."""
    work = Work(clf, batch, target, name)
    choice(name, "reduce", reduce, REDUCTIONS)
    keep = flag(name, "channels", channels)
    _, signal = work.value_and_grad(work.x, kind="logit", rules=name)
    native = to_host(reduce_channels(signal, reduce))
    warn_empty(name, native, "all units on the way are off")
    options = {"reduce": reduce, "channels": keep}
    return work.finish(native, options, trace=_trace(signal, keep))


def _trace(signal: Any, keep: bool) -> Mapping[str, Array]:
    return {"channels": to_host(signal)} if keep else {}
