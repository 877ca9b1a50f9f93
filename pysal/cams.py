"""Class activation maps: weights of a layer's channels, their weighted sum, and its scaling.

Maps are what a layer's activation and the gradient of a class score there give; the score is the
logit. A method asks the network for both, with `Work.layer_grad(layer, kind="logit")`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from pysal.errors import OptionError
from pysal.resample import Resample
from pysal.types import Array, ModelInfo

Float = NDArray[np.float64]


def gradcam(activation: Array, grad: Array) -> Array:
    """GradCAM: channels weighted by the mean of their gradient.

    Parameters
    ----------
    activation, grad : ndarray of shape (N, K, u, v)
        Of one layer; the gradient of the class score with respect to it.

    Returns
    -------
    ndarray of shape (N, u, v), float32
        ReLU of the weighted sum of the channels; its unit is that of the score.

    Raises
    ------
    OptionError
        If the layer has no height and width.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and 2; methods specification 3.1.
    """
    values, slopes = _checked(activation, grad)
    return _weighted(values, slopes.mean(axis=(2, 3)))


def gradcam_pp(activation: Array, grad: Array, *, eps: float = 1e-6) -> Array:
    """GradCAM++: channels weighted by their positive gradients, each with a coefficient.

    The coefficient of a pixel is g^2 / (2 g^2 + s g^3 + eps), where g is its gradient and s the sum
    of its channel; 0 where g is 0, and where the denominator is, which nothing prevents.

    Parameters
    ----------
    activation, grad, returns
        As for `gradcam`.
    eps : float
        Of the denominator.

    References
    ----------
    .. [1] Chattopadhay et al., "Grad-CAM++", WACV 2018, equation 19, exponential output; s times
       the local g^3 and eps as in github.com/jacobgil/pytorch-grad-cam; methods specification 3.2.
    """
    values, slopes = _checked(activation, grad)
    total = values.sum(axis=(2, 3), keepdims=True)
    below = 2 * slopes**2 + total * slopes**3 + eps
    fits = (slopes != 0) & (below != 0)
    share = np.divide(slopes**2, below, out=np.zeros_like(slopes), where=fits)
    return _weighted(values, (share * np.maximum(slopes, 0)).sum(axis=(2, 3)))


def wgradcam(activation: Array, grad: Array) -> Array:
    """WGradCAM: channels weighted by the mean of gradient times activation.

    Parameters
    ----------
    activation, grad, returns
        As for `gradcam`.

    References
    ----------
    .. [1] Zhang, Rao, Yang, "A Novel Visual Interpretability for Deep Neural Networks by Optimizing
       Activation Maps with Perturbation", AAAI 2021, equations 2 to 4; methods specification 3.3.
    """
    values, slopes = _checked(activation, grad)
    return _weighted(values, (slopes * values).mean(axis=(2, 3)))


CAMS: Mapping[str, Callable[[Array, Array], Array]] = {
    "gradcam": gradcam,
    "gradcam_pp": gradcam_pp,
    "wgradcam": wgradcam,
}
"""Name -> function of activation and gradient."""


def min_max(maps: Array) -> Array:
    """Each map of (N, u, v) scaled to [0, 1], float32; zeros where it has one value everywhere."""
    values = np.asarray(maps, np.float64)
    low, high = values.min(axis=(1, 2), keepdims=True), values.max(axis=(1, 2), keepdims=True)
    span = high - low
    return ((values - low) / np.where(span > 0, span, 1)).astype(np.float32)


def resize(maps: Array, size: tuple[int, int]) -> Array:
    """Maps (N, u, v) resized bilinearly to (N, h, w), corners not aligned, as for CAMs."""
    maps = np.ascontiguousarray(maps, np.float32)
    return Resample("centred", (maps.shape[1], maps.shape[2]), size, maps)(maps)


def find_layer(info: ModelInfo, layer: str | None, owner: str) -> str:
    """Layer to look at: the one named, or the model's own default.

    Raises
    ------
    OptionError
        If there is no such layer, or none was named and the model has no default; the line lists
        near names, or the last layers.
    """
    if layer is None:
        if info.cam_layer:
            return info.cam_layer
        shown = ", ".join(info.layers[-5:]) or "none"
        raise OptionError(
            f"{owner}: {info.name} has no default layer for activation maps; name one with layer=, "
            f"the last are {shown}"
        )
    if layer not in info.layers:
        near = difflib.get_close_matches(str(layer), info.layers, n=3, cutoff=0.4)
        shown = ", ".join(near or info.layers[-5:]) or "it has none"
        raise OptionError(f'{owner}: layer "{layer}" is not in {info.name}; did you mean {shown}?')
    return layer


def check_spatial(owner: str, info: ModelInfo, layer: str, values: Array) -> Array:
    """Bring an activation, or a gradient there, to (N, K, u, v).

    Layers with channels last, tokens (N, T, D) or (N, h, w, D), are turned where the graph told
    where their rows and columns are; class tokens are left out.

    Raises
    ------
    OptionError
        If the layer has no height and width.
    """
    grid = info.grids.get(layer)
    if grid is not None:
        first, height, width = grid
        if values.ndim == 3:
            values = values[:, first : first + height * width]
        turned = values.reshape(len(values), height, width, -1).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(turned)
    if values.ndim != 4:
        raise OptionError(
            f'{owner}: layer "{layer}" has shape {values.shape[1:]}; expected channels, height '
            "and width: choose one before the pooling"
        )
    return values


def _checked(activation: Array, grad: Array) -> tuple[Float, Float]:
    """Both in float64; squares and cubes of small gradients need its range."""
    if activation.ndim != 4 or activation.shape != grad.shape:
        raise OptionError(
            f"activation has shape {activation.shape} and gradient {grad.shape}; expected "
            "(N, K, u, v) for both"
        )
    return activation.astype(np.float64), grad.astype(np.float64)


def _weighted(activation: Float, weight: Float) -> Array:
    """ReLU of the channels' weighted sum; image by image, so that rows do not depend on a batch."""
    maps = np.zeros((len(activation), *activation.shape[2:]), np.float32)
    for image, (channels, factors) in enumerate(zip(activation, weight, strict=True)):
        maps[image] = np.maximum(np.tensordot(factors, channels, 1), 0)
    return maps
