"""Visual feedback: the activation of one channel, carried back to the image, as a map in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pysal.types import Array


def channel_signal(
    activations: Sequence[Array], channels: Sequence[int], shape: tuple[int, ...]
) -> Array:
    """Signals that are zero except in one channel each, which has its own activation.

    Parameters
    ----------
    activations : sequence of n ndarray of shape (h, w), or ()
    channels : sequence of n int
    shape : tuple of int
        (Q, h, w) or (Q,) of the layer.

    Returns
    -------
    ndarray of shape (n, *shape), float32
    """
    signal = np.zeros((len(channels), *shape), np.float32)
    for row, (channel, activation) in enumerate(zip(channels, activations, strict=True)):
        signal[row, channel] = activation
    return signal


def scale_feedback(raw: NDArray[np.floating]) -> Array:
    """Maps in [0, 1] from what came back to the image: (n, C, H, W) -> (n, H, W).

    Notes
    -----
    The norm over channels of what is positive; zero where the channels sum to zero; then from 0 to
    1 map by map. The published code [1]_ first stretches by the range of `raw`, which the last step
    undoes. A map of one value everywhere becomes zero.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019, its code
       (methods specification 1.6, step 5).
    """
    raw = np.asarray(raw, np.float64)
    size = np.sqrt(np.square(np.maximum(raw, 0)).sum(axis=1))
    size[raw.sum(axis=1) == 0] = 0
    low, high = (f(size, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    span = np.where(high > low, high - low, 1)
    return ((size - low) / span).astype(np.float32)
