"""Rules of operators that normalize over a group of elements, and of local response normalization.

With m and v the mean and variance of a group of K elements, h = (x - m) r, r = (v + eps)^(-1/2) and
y = h * scale + bias:

    dx = r (dh - mean(dh) - h mean(dh h)),   dh = dy * scale,

and without the centring (root mean square) the middle term is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from ._places import along, view
from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("LayerNormalization", "RMSNormalization")(layer_normalization)
    table.rule("InstanceNormalization")(instance_normalization)
    table.rule("GroupNormalization")(group_normalization)
    table.rule("LRN")(local_response)


def layer_normalization(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Over all axes from `axis` on."""
    if any(dy is not None for dy in dys[1:]):
        raise UnsupportedOpError(f"{node.label()}: its mean and deviation outputs have no rule")
    x, scale = node.inputs[:2]
    if g.constant(scale) is None:
        raise UnsupportedOpError(f"{node.label()}: its scale is computed; it must be constant")
    shape = g.sizes(x, node)
    axes = list(range(node.attrs.get("axis", -1) % len(shape), len(shape)))
    if None in shape[axes[0] :]:
        raise UnsupportedOpError(f"{node.label()}: a mean over the images of a batch has no rule")
    centred = node.op_type == "LayerNormalization"
    core = _Core(g, x, axes, [shape[a] or 1 for a in axes], _eps(node), centred)
    return [core.back(g.mul(str(dys[0]), scale))] + [None] * (len(node.inputs) - 1)


def instance_normalization(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Over the spatial axes of every channel; scale and bias per channel are constants."""
    x, scale, _ = node.inputs
    shape = g.static_shape(x, node)
    axes = list(range(2, len(shape)))
    dh = _scaled(g, node, str(dys[0]), scale, shape)
    core = _Core(g, x, axes, [shape[a] or 1 for a in axes], _eps(node))
    return core.back(dh), None, None


def group_normalization(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Over groups of channels; scale and bias per channel are constants."""
    x, scale, _ = node.inputs
    shape = g.static_shape(x, node)
    groups = node.attrs["num_groups"]
    each = (shape[1] or 1) // groups
    dh = _scaled(g, node, str(dys[0]), scale, shape)
    grouped = (shape[0], groups, each * int(np.prod([s or 1 for s in shape[2:]])))
    core = _Core(g, view(g, x, grouped), [2], [grouped[2]], _eps(node))
    return g.reshape_like(core.back(view(g, dh, grouped)), x), None, None


def local_response(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = x s^-beta with s = bias + alpha / size * W x^2, W the sum over a window of channels.

    dx = s^-beta dy - 2 alpha beta / size * x * W^T (dy x s^(-beta - 1)).
    """
    x, dy, size = node.inputs[0], str(dys[0]), node.attrs["size"]
    shape = g.static_shape(x, node)
    beta = node.attrs.get("beta", 0.75)
    factor = node.attrs.get("alpha", 1e-4) / size
    channel = np.arange(shape[1] or 1)
    distance = channel[:, None] - channel[None]  # of the element that is read from the output
    band = ((-((size - 1) // 2) <= distance) & (distance <= size // 2)).astype(np.float32)
    squares = along(g, g.mul(x, x), 1, band, len(shape))
    total = g.add(g.mul(squares, g.scalar(factor)), g.scalar(node.attrs.get("bias", 1.0)))
    direct = g.mul(dy, g.op("Pow", total, g.scalar(-beta)))
    inner = g.div(g.mul(direct, x), total)
    spread = along(g, inner, 1, band.T, len(shape))
    return (g.sub(direct, g.mul(g.mul(x, spread), g.scalar(2 * factor * beta))),)


class _Core:
    """The normalized value of a group, computed again, and the cotangent through it."""

    def __init__(
        self,
        g: Graph,
        x: str,
        axes: Sequence[int],
        sizes: Sequence[int],
        eps: float,
        centred: bool = True,
    ) -> None:
        self.g, self.axes, self.centred = g, list(axes), centred
        self.share = g.scalar(1.0 / float(np.prod(sizes)))
        middle = g.sub(x, self._mean(x)) if centred else x
        spread = g.add(self._mean(g.mul(middle, middle)), g.scalar(eps))
        self.rate = g.op("Reciprocal", g.op("Sqrt", spread))
        self.normal = g.mul(middle, self.rate)

    def back(self, dh: str) -> str:
        """Cotangent of x from that of the normalized value."""
        g = self.g
        rest = g.mul(self.normal, self._mean(g.mul(dh, self.normal)))
        dh = g.sub(dh, self._mean(dh)) if self.centred else dh
        return g.mul(self.rate, g.sub(dh, rest))

    def _mean(self, x: str) -> str:
        return self.g.mul(self.g.sum(x, self.axes), self.share)


def _eps(node: Node) -> float:
    return float(node.attrs.get("epsilon", 1e-5))


def _scaled(
    g: Graph,
    node: Node,
    dy: str,
    scale: str,
    shape: Sequence[int | None],
) -> str:
    """Dy times the scale of its channel."""
    factor = g.constant(scale)
    if factor is None:
        raise UnsupportedOpError(f"{node.label()}: its scale is computed; it must be constant")
    return g.lower("channel_scale", dy, factor, len(shape))
