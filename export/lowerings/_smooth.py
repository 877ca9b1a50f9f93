"""Gradients of smooth activations, in operators that every engine reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..graph import Graph


def silu_gradient(g: Graph, dy: str, x: str, s: str, y: str) -> str:
    """dy s (1 + x (1 - s)): of x alone, so that an engine may forget the product y = x s.

    In bfloat16 the shorter form of `lowerings._smooth_ort`, with x - y, loses digits.
    """
    one = g.scalar(1.0)
    return g.mul(dy, g.mul(s, g.add(g.mul(x, g.sub(one, s)), one)))


def hard_swish_gradient(g: Graph, dy: str, x: str) -> str:
    """dy (h + x / 6 [0 < h < 1]) with h = clip(x / 6 + 1/2, 0, 1)."""
    h = g.op("HardSigmoid", x, alpha=1.0 / 6.0, beta=0.5)
    inner = g.lower("clip_gradient", g.mul(x, g.scalar(1.0 / 6.0)), h, 0.0, 1.0)
    return g.mul(dy, g.add(h, inner))


FORMS: dict[str, Callable[..., Any]] = {
    "silu_gradient": silu_gradient,
    "hard_swish_gradient": hard_swish_gradient,
}
