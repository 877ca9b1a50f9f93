"""Gradients of smooth activations in few passes over memory of ONNX Runtime's CPU provider.

Every operator is a pass here. In the blocked layout of Convs (see `lowerings.ort`) a product of
two values stays, a product with a number does not: scales and shifts are depth-wise 1 x 1 Convs,
which take a sum and an activation along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _smooth
from .blocked import channels_of

if TYPE_CHECKING:
    from ..graph import Graph

STEEP = float(2.0**100)
"""Slope that makes a HardSigmoid 0 below, 1 above, and 1/2 where its argument is exactly zero."""
THIRD = round(2**24 / 3) / 2**24
"""1/3 in as many digits as let 3 * THIRD be exact."""


def silu_gradient(g: Graph, dy: str, x: str, s: str, y: str) -> str:
    """dy s (1 + x - y): three passes in the blocked layout."""
    channels = channels_of(g, x)
    if channels is None:
        return g.mul(dy, g.mul(s, g.add(g.sub(x, y), g.scalar(1.0))))
    return g.mul(dy, g.mul(s, g.add(_affine(g, y, channels, -1.0, 1.0), x)))


def hard_swish_gradient(g: Graph, dy: str, x: str) -> str:
    """dy (c / 3 + 1 - e) with c = clip(x, -3, 3) and e = 0, 1/2, 1 where x is below c, c, above.

    That is 0 below, x / 3 + 1/2 between and 1 above. All of it stays blocked: the clip, the
    comparison and the two sums are fused into three depth-wise Convs.
    """
    channels = channels_of(g, x)
    if channels is None:
        return _smooth.hard_swish_gradient(g, dy, x)
    clipped = g.op("Clip", _affine(g, x, channels, 1.0), g.scalar(-3.0), g.scalar(3.0))
    over = g.add(_affine(g, clipped, channels, -1.0), x)
    rest = g.op("HardSigmoid", over, alpha=-STEEP, beta=0.5)  # 1 - e
    slope = g.add(_affine(g, clipped, channels, THIRD, 3 * THIRD - 1.0), rest)
    return g.mul(dy, slope)


def _affine(g: Graph, x: str, channels: int, scale: float, shift: float = 0.0) -> str:
    """Scale * x + shift, by a depth-wise 1 x 1 Conv."""
    inputs = [x, g.const(np.full((channels, 1, 1, 1), scale, np.float32))]
    if shift:
        inputs.append(g.const(np.full(channels, shift, np.float32)))
    return g.op("Conv", *inputs, group=channels, kernel_shape=[1, 1])


FORMS: dict[str, Callable[..., Any]] = {
    "silu_gradient": silu_gradient,
    "hard_swish_gradient": hard_swish_gradient,
}
