"""Nearest resizing of a signal, aligned at pixel centres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..graph import Graph

CLEAR = 1e-3
"""Distance to a tie, in pixels, at which the rounding of every engine is harmless."""


def nearest_exact(g: Graph, x: str, have: Sequence[int], want: Sequence[int]) -> str:
    """Resize the spatial axes of (N, C, ...) from `have` to `want` elements.

    Element i shows floor((i + 1/2) * have / want), the "nearest-exact" of torch and the nearest of
    MATLAB's imresize. Resize is the fast form, but engines compute that number in float32: an axis
    where it comes close to an integer is gathered instead.
    """
    scales = [1.0, 1.0]
    for axis, (size, new) in enumerate(zip(have, want, strict=True), start=2):
        double = (2 * np.arange(new) + 1) * size
        nearest, rest = double // (2 * new), (double % (2 * new)) / (2 * new)
        if size == new:
            scales.append(1.0)
        elif min(rest.min(), 1.0 - rest.max()) < CLEAR:
            x = g.op("Gather", x, g.const(nearest.astype(np.int64)), axis=axis)
            scales.append(1.0)
        else:
            scales.append(_scale(size, new))
    if set(scales) == {1.0}:
        return x
    return g.op(
        "Resize",
        x,
        "",
        g.const(scales, np.float32),
        mode="nearest",
        nearest_mode="round_prefer_ceil",
        coordinate_transformation_mode="half_pixel",
    )


def _scale(size: int, new: int) -> float:
    """Float32 factor that takes `size` to `new`, and not to one less, when rounded down."""
    scale = np.float32(new / size)
    while np.float32(size) * scale < new or size * float(scale) < new:
        scale = np.nextafter(scale, np.float32(np.inf))
    return float(scale)
