"""Products with one gate per channel, in operators that every engine reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..graph import Graph


def gate_gradient(
    g: Graph, dy: str, x: str, gate: str, sizes: Sequence[int | None]
) -> tuple[str, str]:
    """Cotangents of x (N, C, H, W) and of its gate (N, C, 1, 1); the walk sums the second."""
    return g.mul(dy, gate), g.mul(dy, x)


def spread(g: Graph, dy: str, sizes: Sequence[int | None]) -> str:
    """Repeat a value of size one along some axes up to `sizes`; None leaves an axis alone."""
    return g.op("Expand", dy, g.ints(size or 1 for size in sizes))


FORMS: dict[str, Callable[..., Any]] = {"gate_gradient": gate_gradient, "spread": spread}
