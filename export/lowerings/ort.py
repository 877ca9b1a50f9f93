"""Forms that ONNX Runtime's CPU provider runs faster, most of them in its blocked layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..graph import Graph

STEEP = float(2.0**100)
"""Slope that turns HardSigmoid into a step; a power of two, so that products with it are exact."""


def relu_mask(g: Graph, y: str) -> str:
    """1 where the output of a ReLU is positive: HardSigmoid stays in the blocked layout."""
    return g.op("HardSigmoid", y, alpha=STEEP, beta=0.0)


def clip_gradient(g: Graph, dy: str, y: str, low: float | None, high: float | None) -> str:
    """Pass `dy` where the clipped value is strictly inside its bounds: two steep HardSigmoids."""
    if low is not None:
        dy = g.mul(dy, g.op("HardSigmoid", y, alpha=STEEP, beta=-STEEP * low))
    if high is not None:
        dy = g.mul(dy, g.op("HardSigmoid", y, alpha=-STEEP, beta=STEEP * high))
    return dy


FORMS: dict[str, Callable[..., Any]] = {"relu_mask": relu_mask, "clip_gradient": clip_gradient}
