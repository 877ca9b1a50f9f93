"""Upsampled activation maps: what one channel of a layer sees, without any class."""

from __future__ import annotations

import numpy as np

from pysal.cams import check_spatial, find_layer, min_max, resize
from pysal.channels import warn_empty
from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.types import Array, Attribution, Target
from pysal.values import is_whole
from pysal.work import Work


def activation_map(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    layer: str | None = None,
    channel: int | None = None,
) -> Attribution:
    """Show the activation of one channel of a layer.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        Kept in the result; the map does not depend on it.
    layer : str, optional
        With channels, height and width. Default: `ModelInfo.cam_layer`.
    channel : int, optional
        Default: in each image the channel whose activation has the largest norm.

    Returns
    -------
    Attribution
        `native` of shape (N, u, v), each map scaled to [0, 1] by its minimum and maximum; `map` is
        resized bilinearly, corners not aligned. `trace`: "channel" (N,).

    Raises
    ------
    OptionError
        If there is no such layer or channel, or the layer has no height and width.
    CapabilityError
        If the engine shows no activations, or one is not finite.

    Warns
    -----
    UserWarning
        If a map is zero everywhere: the channel is off, or the same everywhere.

    Notes
    -----
    Needs: activations. Cost: N forward, and N for the scores. The choice of the channel is ours;
    the comparison shows channels that were selected, see `relevant_features`.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019, the first
       comparison of its Table 1; methods specification 1.8.
    """
    name = "activation_map"
    work = Work(clf, batch, target, name)
    layer = find_layer(clf.info, layer, name)
    if channel is not None and (not is_whole(channel) or channel < 0):
        raise OptionError(f"{name}: channel is {channel!r}; expected a whole number from 0 on")
    activation = check_spatial(name, clf.info, layer, work.activations([layer])[layer])
    if channel is not None and channel >= activation.shape[1]:
        raise OptionError(
            f'{name}: channel is {channel}; layer "{layer}" has 0 to {activation.shape[1] - 1}'
        )
    sizes = np.square(activation, dtype=np.float64).sum(axis=(2, 3))
    chosen = sizes.argmax(axis=1) if channel is None else np.full(len(work), int(channel))
    maps = activation[np.arange(len(work)), chosen]
    native = min_max(maps)
    warn_empty(name, native, "the channel is off, or the same everywhere")
    return work.finish(
        native,
        {"layer": layer, "channel": channel},
        map=min_max(resize(maps, work.size)),
        trace={"channel": chosen},
    )
