"""The resampled transposed convolution in numpy: its definition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.types import Array


def nearest(size: int, resized: int) -> NDArray[np.int64]:
    """Element of `size` in which the centre of each of `resized` elements lies."""
    return (2 * np.arange(resized) + 1) * size // (2 * resized)


def resampled_deconv(
    signal: Array,
    weight: Array,
    resized: tuple[int, int],
    pads: tuple[int, int],
    dilations: tuple[int, int],
    groups: int,
    out: Array,
    threads: int,
) -> Array:
    """Resample, convolve, cut; see `pysal.kernels.resampled_deconv`. `pads` are top and left."""
    down, right = (nearest(n, m) for n, m in zip(signal.shape[2:], resized, strict=True))
    source = signal[:, :, down][:, :, :, right]
    depth, per_group = weight.shape[1], weight.shape[0] // groups
    reach = [(m - 1) * d for m, d in zip(weight.shape[2:], dilations, strict=True)]
    rows, columns = (slice(p, p + n) for p, n in zip(pads, out.shape[2:], strict=True))
    for n, group in np.ndindex(len(signal), groups):
        part = slice(group * per_group, (group + 1) * per_group)
        full = np.zeros((depth, resized[0] + reach[0], resized[1] + reach[1]), np.float32)
        for u, v in np.ndindex(*weight.shape[2:]):
            top, left = u * dilations[0], v * dilations[1]
            full[:, top : top + resized[0], left : left + resized[1]] += np.tensordot(
                weight[part, :, u, v].T, source[n, part], 1
            )
        out[n, group * depth : (group + 1) * depth] = full[:, rows, columns]
    return out
