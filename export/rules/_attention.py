"""The rule of the Attention operator: softmax(scale Q K^T + mask) V, heads side by side."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node

MASKED = -1e30
"""Added where a mask forbids; its softmax is exactly zero in float32."""


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("Attention")(attention)


@dataclasses.dataclass(frozen=True)
class _Heads:
    """Layout of one operand: (N, T, heads * D) where `packed`, else (N, heads, T, D)."""

    packed: bool
    count: int
    tokens: int
    width: int

    @classmethod
    def of(cls, g: Graph, node: Node, value: str, count: int) -> _Heads:
        shape = [size or 0 for size in g.static_shape(value, node)]
        if len(shape) == 3:
            return cls(True, count, shape[1], shape[2] // count)
        return cls(False, *shape[1:])

    def split(self, g: Graph, x: str) -> str:
        """To (N, heads, T, D)."""
        if not self.packed:
            return x
        x = g.op("Reshape", x, g.ints([0, self.tokens, self.count, self.width]))
        return g.op("Transpose", x, perm=[0, 2, 1, 3])

    def join(self, g: Graph, x: str) -> str:
        """Back from (N, heads, T, D)."""
        if not self.packed:
            return x
        x = g.op("Transpose", x, perm=[0, 2, 1, 3])
        return g.op("Reshape", x, g.ints([0, self.tokens, self.count * self.width]))

    def repeat(self, g: Graph, x: str, times: int) -> str:
        """Every head `times` in a row, for queries that share keys."""
        if times == 1:
            return x
        return g.op("Gather", x, g.ints(np.repeat(np.arange(self.count), times)), axis=1)

    def fold(self, g: Graph, x: str, times: int) -> str:
        """Adjoint of `repeat`."""
        if times == 1:
            return x
        x = g.op("Reshape", x, g.ints([0, self.count, times, self.tokens, self.width]))
        return g.sum(x, [2], keepdims=False)


def attention(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """With P = softmax(S): dV = P^T dy, dS = P (dP - sum(P dP)), dP = dy V^T, then Q and K."""
    _refuse(g, node, dys)
    q, k, v, mask = (*node.inputs, "", "")[:4]
    kv_heads = node.attrs.get("kv_num_heads", 1)
    of = [_Heads.of(g, node, q, node.attrs.get("q_num_heads", 1))]
    of += [_Heads.of(g, node, x, kv_heads) for x in (k, v)]
    times = of[0].count // of[1].count
    scale = float(node.attrs.get("scale", 0.0)) or 1.0 / np.sqrt(of[0].width)
    qh = of[0].split(g, q)
    kh, vh = (of[i].repeat(g, of[i].split(g, x), times) for i, x in ((1, k), (2, v)))
    scores = g.mul(g.op("MatMul", qh, _turn(g, kh)), g.scalar(scale))
    scores = _masked(g, node, scores, mask, of[0].tokens, of[1].tokens)
    p = g.op("Softmax", scores, axis=-1)
    result = _Heads(of[0].packed, of[0].count, of[0].tokens, of[2].width)
    dy = result.split(g, str(dys[0]))
    dv = of[2].join(g, of[2].fold(g, g.op("MatMul", _turn(g, p), dy), times))
    dp = g.op("MatMul", dy, _turn(g, vh))
    ds = g.mul(p, g.sub(dp, g.sum(g.mul(p, dp), [-1])))
    ds = g.mul(ds, g.scalar(scale))
    dq = of[0].join(g, g.op("MatMul", ds, kh))
    dk = of[1].join(g, of[1].fold(g, g.op("MatMul", _turn(g, ds), qh), times))
    return [dq, dk, dv] + [None] * (len(node.inputs) - 3)


def _refuse(g: Graph, node: Node, dys: Cotangents) -> None:
    """Raise an UnsupportedOpError for uses that a classifier has no need of."""
    special = any(node.inputs[4:]) or node.attrs.get("softcap", 0.0)
    if special or any(dy is not None for dy in dys[1:]):
        raise UnsupportedOpError(f"{node.label()}: caches, softcap and other outputs have no rule")
    if len(node.inputs) > 3 and node.inputs[3] and g.is_float(node.inputs[3]):
        if g.producer(node.inputs[3]) is not None and not g.is_constant(node.inputs[3]):
            raise UnsupportedOpError(
                f"{node.label()}: its mask is computed; only constant ones have a rule"
            )


def _turn(g: Graph, x: str) -> str:
    return g.op("Transpose", x, perm=[0, 1, 3, 2])


def _masked(g: Graph, node: Node, scores: str, mask: str, queries: int, keys: int) -> str:
    """Add a float mask, forbid where a boolean one is false, and what is to come where causal."""
    if mask:
        if not g.is_float(mask):
            mask = g.op("Where", mask, g.scalar(0.0), g.scalar(MASKED))
        scores = g.add(scores, mask)
    if node.attrs.get("is_causal", 0):
        later = np.triu(np.full((queries, keys), MASKED, np.float32), 1)
        scores = g.add(scores, g.const(later))
    return scores
