"""Score-CAM: a layer's channels weighted by the score of the image under each of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np

from pysal.arrays import AnyArray, to_like
from pysal.cams import check_spatial, find_layer, min_max, resize
from pysal.channels import warn_empty
from pysal.classifier import Classifier
from pysal.finite import check_finite
from pysal.types import Array, Attribution, Passes, Target
from pysal.values import choice, flag
from pysal.work import Work

WEIGHTS = ("score", "softmax", "increase")


def scorecam(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    layer: str | None = None,
    weights: Literal["score", "softmax", "increase"] = "score",
    normalize: bool = True,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Weight the channels of a layer by the score of the image seen through them.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    layer : str, optional
        With channels, height and width, behind its ReLU. Default: `ModelInfo.cam_layer`, the last.
    weights : {"score", "softmax", "increase"}
        The scores themselves, as in the authors' code; their softmax over the channels, as in
        another code; or their increase over an image of zeros in model space, as in the paper.
    normalize : bool
        Scale each map to [0, 1] by its minimum and maximum.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    Attribution
        `native` of shape (N, u, v), the layer's size; `map` is resized bilinearly, corners not
        aligned. Channels that are constant get no weight and cost no pass.

    Raises
    ------
    OptionError
        If there is no such layer, or it has no height and width.
    CapabilityError
        If the engine shows no activations, or a score is not finite.

    Warns
    -----
    UserWarning
        If a map is zero everywhere.

    Notes
    -----
    Needs: activations. Cost: N forward, and per image one for each channel that is not constant,
    some hundreds to 2048; "increase" one more. Removed is what zero in model space is, the mean
    colour for most models.

    References
    ----------
    .. [1] Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural
       Networks", CVPR Workshops 2020, equations 5 to 8; "score" as in
       github.com/haofanwang/Score-CAM, "softmax" as in github.com/jacobgil/pytorch-grad-cam;
       methods specification 3.4.
    """
    work = Work(clf, batch, target, "scorecam")
    layer = find_layer(clf.info, layer, "scorecam")
    choice("scorecam", "weights", weights, WEIGHTS)
    normalize = flag("scorecam", "normalize", normalize)
    activation = check_spatial("scorecam", clf.info, layer, work.activations([layer])[layer])
    check_finite(activation, np.arange(len(work)), f"activation of {layer}")
    native = np.zeros((len(work), *activation.shape[2:]), np.float32)
    large = np.zeros((len(work), *work.size), np.float32)
    for image in range(len(work)):
        channels = activation[image]
        channels = channels[np.ptp(channels, axis=(1, 2)) > 0]
        factors = _factors(work, image, channels, weights)
        total = np.tensordot(factors, channels.astype(np.float64), 1).astype(np.float32)
        native[image] = np.maximum(total, 0)
        large[image] = np.maximum(resize(total[None], work.size)[0], 0)
        if progress is not None:
            progress(image + 1, len(work))
    warn_empty("scorecam", native, "no channel of the layer speaks for the class")
    if normalize:
        native, large = min_max(native), min_max(large)
    options = {"layer": layer, "weights": weights, "normalize": normalize}
    return work.finish(native, options, map=large)


@dataclasses.dataclass(frozen=True)
class _Seen:
    """One image through each channel, scaled to [0, 1]; behind the last channel, through none."""

    batch: AnyArray
    channels: Array

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        size = (out.shape[2], out.shape[3])
        masks = np.zeros((len(out), *size), np.float32)
        part = self.channels[first : first + len(out)]
        if len(part):
            masks[: len(part)] = min_max(resize(part, size))
        out[...] = self.batch[image] * to_like(masks[:, None], self.batch)


def _factors(work: Work, image: int, channels: Array, weights: str) -> Array:
    """Weight of every channel of one image, (K,), float64."""
    count = len(channels) + (weights == "increase")
    target = work.target[image : image + 1]
    seen = _Seen(work.x[image : image + 1], channels)
    scores = work.clf.score_composed(seen, 1, count, target)[0].astype(np.float64)
    work.passes += Passes(count, 0)
    check_finite(scores[None], np.array([image]), "score under a channel")
    if weights == "increase":
        return scores[:-1] - scores[-1]
    if weights == "softmax" and count:
        shifted = np.exp(scores - scores.max())
        return shifted / shifted.sum()
    return scores
