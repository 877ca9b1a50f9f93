"""Rules of QuantizeLinear and DequantizeLinear: the straight-through estimator.

The cotangent of an integer value is that of the real value it stands for, so a pair of the two is
the identity where nothing is clipped, and rounding is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from ..lowerings import portable
from ..quantized import DEQUANTIZE, QUANTIZE, Quantizer, bounds, rectifies, source_of
from ._recompute import recompute
from .table import Cotangents, Rule, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule(QUANTIZE)(quantize)
    table.rule(DEQUANTIZE)(dequantize)


def quantize(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy where round(x / scale) + zero_point is a number of the type, else 0.

    Where the node is an absorbed ReLU too (`rectifies`), x must also be positive, as for the ReLU
    itself: a model has the same gradient whether its quantizer dropped the ReLU or not. Values that
    cannot leave the range need no mask. Logits get none: a class whose own score is beyond the
    range would have no explanation at all.
    """
    if any(y in g.kept for y in _dequantized(g, node)):
        return quantize_unclipped(g, node, dys)
    return _inside(g, node, str(dys[0]), zero=rectifies(g, node)), *_none(node)


def quantize_unclipped(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy; behind an absorbed ReLU only where the quantized value is not zero."""
    dy = str(dys[0])
    if rectifies(g, node):
        ys = _dequantized(g, node)
        if ys:
            dy = str(g.lower("clip_gradient", dy, ys[0], 0.0, None))
        else:
            dy = portable.clip_gradient(g, dy, node.inputs[0], 0.0, None)
    return dy, *_none(node)


def dequantize(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy, in units of the real value that the QuantizeLinear in front saw."""
    first = source_of(g, node.inputs[0])
    if first is None:
        raise UnsupportedOpError(
            f"{node.label()}: dequantizes what no single QuantizeLinear made; export the model in "
            "the QDQ format, with float operators between pairs of both"
        )
    ratio = Quantizer.of(g, node).scale / Quantizer.of(g, first).scale
    dy = str(dys[0])
    if (ratio != 1).any():
        dy = g.mul(dy, g.const(ratio, np.float32))
    return dy, *_none(node)


def guided(inherited: Rule) -> Rule:
    """Guided backpropagation: what is an activation too clamps the signal first."""

    def rule(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
        if rectifies(g, node):
            dys = (g.op("Relu", str(dys[0])),)
        return inherited(g, node, dys)

    return rule


def rectified(inherited: Rule) -> Rule:
    """DeconvNet: what is an activation too clamps the signal, whatever was active."""

    def rule(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
        if not rectifies(g, node):
            return inherited(g, node, dys)
        return _inside(g, node, g.op("Relu", str(dys[0])), zero=None), *_none(node)

    return rule


def _inside(g: Graph, node: Node, dy: str, *, zero: bool | None) -> str:
    """`dy` where a value was not clipped; `zero` asks that it be positive, None nothing below."""
    form, x = Quantizer.of(g, node), node.inputs[0]
    least, greatest = bounds(g, x)
    low, high = form.low - form.scale / 2, form.high + form.scale / 2
    low = np.zeros(()) if zero else low
    below = zero is not None and bool((low > least).any())
    above = bool((high < greatest).any())
    if not below and not above:
        return dy
    x = recompute(g, x)
    if low.size == high.size == 1:
        ends = (float(low) if below else None, float(high) if above else None)
        return str(g.lower("clip_gradient", dy, x, *ends))
    for operator, end, needed in (("Greater", low, below), ("Less", high, above)):
        if needed:
            inside = g.op(operator, x, g.const(end, np.float32))
            dy = g.op("Where", inside, dy, g.scalar(0.0))
    return dy


def _none(node: Node) -> list[None]:
    """Scale and zero point get no cotangent."""
    return [None] * (len(node.inputs) - 1)


def _dequantized(g: Graph, node: Node) -> list[str]:
    """Real values that DequantizeLinear nodes make of a quantized one."""
    (q,) = node.outputs
    return [n.outputs[0] for n in g.nodes if n.op_type == DEQUANTIZE and n.inputs[0] == q]
