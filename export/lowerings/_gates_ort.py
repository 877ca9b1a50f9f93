"""Products with one gate per channel, in the blocked layout of ONNX Runtime's CPU provider.

A product of (N, C, H, W) with (N, C, 1, 1) leaves the blocked layout, upsampling the gate and a
product of equal shapes do not; nor does the mean over H and W, where it is a pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import _gates, portable
from .blocked import channels_of

if TYPE_CHECKING:
    from ..graph import Graph


def gate_gradient(
    g: Graph, dy: str, x: str, gate: str, sizes: Sequence[int | None]
) -> tuple[str, str]:
    """As the portable form; the gate's cotangent is summed over H and W already."""
    height, width = sizes[2:]
    if not height or not width or None in map(channels_of, (g, g), (x, gate)):
        return _gates.gate_gradient(g, dy, x, gate, sizes)
    mean = g.op("GlobalAveragePool", g.mul(dy, x))
    dx = g.mul(dy, portable.upsample(g, gate, (height, width)))
    return dx, g.mul(mean, g.scalar(height * width))


def spread(g: Graph, dy: str, sizes: Sequence[int | None]) -> str:
    """By upsampling where `dy`, (N, C, 1, 1), comes from a Conv, and by Expand elsewhere."""
    node = g.appended(dy)
    if node is not None and node.op_type == "Mul":  # with the mean's factor: fused into the Conv
        node = g.appended(node.inputs[0])
    if len(sizes) != 4 or node is None or node.op_type != "Conv" or None in sizes[2:]:
        return _gates.spread(g, dy, sizes)
    return portable.upsample(g, dy, [size or 1 for size in sizes[2:]])


FORMS: dict[str, Callable[..., Any]] = {"gate_gradient": gate_gradient, "spread": spread}
