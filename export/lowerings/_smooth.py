"""Gradients of smooth activations, in operators that every engine reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..graph import Graph


def silu_gradient(g: Graph, dy: str, x: str, s: str, y: str) -> str:
    """dy s (1 + x (1 - s)): of x alone, so that an engine may forget the product y = x s."""
    one = g.scalar(1.0)
    return g.mul(dy, g.mul(s, g.add(g.mul(x, g.sub(one, s)), one)))


def hard_swish_gradient(g: Graph, dy: str, x: str) -> str:
    """dy (x / 3 + 1/2) between -3 and 3, 0 below and dy above.

    By comparisons, which OpenVINO fuses; it computes HardSigmoid by a plain loop.
    """
    slope = g.add(g.mul(x, g.scalar(1.0 / 3.0)), g.scalar(0.5))
    low = g.op("Where", g.op("Less", x, g.scalar(3.0)), g.mul(dy, slope), dy)
    return g.op("Where", g.op("Greater", x, g.scalar(-3.0)), low, g.scalar(0.0))


FORMS: dict[str, Callable[..., Any]] = {
    "silu_gradient": silu_gradient,
    "hard_swish_gradient": hard_swish_gradient,
}
