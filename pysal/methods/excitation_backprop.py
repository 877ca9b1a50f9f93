"""Excitation backpropagation, and its contrastive form."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np

from pysal.arrays import to_host
from pysal.cams import check_spatial, find_layer, min_max, resize
from pysal.channels import warn_empty
from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.types import Array, Attribution, ModelInfo, Target
from pysal.values import choice, flag
from pysal.work import Work

NAME = "excitation_backprop"
RULES = {"share": NAME, "main": "excitation_backprop_main"}


def excitation_backprop(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    layer: str | None = None,
    contrastive: bool = False,
    contrast_layer: str | None = None,
    skip: Literal["share", "main"] = "share",
    normalize: bool = True,
) -> Attribution:
    """Share the class's signal among the units that excite it, layer by layer.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        Its classes; the signal is one-hot at the logits whatever its kind.
    layer : str, optional
        Where the walk ends; its values must not be negative. Default: the last layer of twice the
        resolution of `ModelInfo.cam_layer`, where the graph tells, as in the published choices
        (pool4 of VGG16, layer3 of ResNet50); else that layer.
    contrastive : bool
        Subtract, at `contrast_layer`, what excites the negated class.
    contrast_layer : str, optional
        Default: the input of the last linear layer.
    skip : {"share", "main"}
        Residual sums: share in proportion to both values, or all into the main branch.
    normalize : bool
        Scale each map to [0, 1] by its minimum and maximum; False keeps the signal, whose sum
        would be 1 if all of it arrived.

    Returns
    -------
    Attribution
        `native` of shape (N, u, v), the layer's size: the sum over channels, at least 0; `map` is
        resized bilinearly, corners not aligned. `trace`: "signal" (N,), the share that arrived
        (of both signs before clamping, for the contrastive form).

    Raises
    ------
    OptionError
        If there is no such layer, or it has no height and width.
    CapabilityError, UnsupportedOpError
        If the engine has no rule tables, or an operator no rule; or a number is not finite.

    Warns
    -----
    UserWarning
        If a map is zero everywhere, or much of the signal is lost or made on the way: inputs of
        some layers are negative then, as behind linear bottlenecks, and shares are not defined.

    Notes
    -----
    Needs: grad. Cost: N forward, N backward; the contrastive form 3 N of both.

    References
    ----------
    .. [1] Zhang, Lin, Brandt, Shen, Sclaroff, "Top-down Neural Attention by Excitation Backprop",
       ECCV 2016, equations 5 and 8; rules and layers as in TorchRay; methods specification 4.
    """
    work = Work(clf, batch, target, NAME)
    rules = RULES[choice(NAME, "skip", skip, RULES)]
    layer = find_layer(clf.info, layer or default_layer(clf.info), NAME)
    contrastive, normalize = (
        flag(NAME, "contrastive", contrastive),
        flag(NAME, "normalize", normalize),
    )
    if contrastive:
        contrast_layer = _contrast(clf.info, contrast_layer)
        _, excited = work.value_and_grad(work.x, kind="logit", rules=rules, wrt=contrast_layer)
        negated = "excitation_negated"
        _, against = work.value_and_grad(work.x, kind="logit", rules=negated, wrt=contrast_layer)
        start = to_host(excited) - to_host(against)
        signal = work.backward(contrast_layer, start, wrt=layer, rules=rules)
    else:
        _, found = work.value_and_grad(work.x, kind="logit", rules=rules, wrt=layer)
        signal = to_host(found)
    total = check_spatial(NAME, clf.info, layer, signal).sum(axis=1)
    native = total.clip(0, None)
    warn_empty(NAME, native, "nothing excites the class there")
    if not contrastive:
        _warn_lost(total.sum(axis=(1, 2)))
    large = resize(native, work.size)
    if normalize:
        native, large = min_max(native), min_max(large)
    options = {
        "layer": layer,
        "contrastive": contrastive,
        "contrast_layer": contrast_layer,
        "skip": skip,
        "normalize": normalize,
    }
    trace = {"signal": total.sum(axis=(1, 2))}
    return work.finish(native, options, map=large, trace=trace)


def default_layer(info: ModelInfo) -> str | None:
    """The last activation, pool or sum of half the step of the default layer of CAMs, if known."""
    fields = info.receptive_fields
    if info.cam_layer not in fields:
        return None
    step = fields[info.cam_layer][0][1]
    ends = ("activation", "pool", "merge")
    fits = [
        name
        for name in info.feature_layers
        if info.layer_kinds.get(name) in ends and name in fields and 2 * fields[name][0][1] == step
    ]
    return fits[-1] if fits else None


def _warn_lost(arrived: Array) -> None:
    """Say in how many images the signal is not what started."""
    lost = np.abs(arrived - 1) > 0.5
    if lost.any():
        warnings.warn(
            f"{NAME}: {arrived[lost][0]:.2f} of the signal arrived in {lost.sum()} of {len(lost)} "
            "images where 1 started; layers with negative inputs have no shares: choose a layer "
            "behind the last of them, or another method",
            stacklevel=3,
        )


def _contrast(info: ModelInfo, layer: str | None) -> str:
    """The layer where both signals meet."""
    layer = layer or info.contrast_layer
    if not layer:
        raise OptionError(
            f"{NAME}: {info.name} shows no last linear layer; name the contrast layer with "
            "contrast_layer="
        )
    return find_layer(info, layer, NAME)
