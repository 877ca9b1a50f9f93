"""Rules of reductions and of the softmax family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("ReduceSum", "ReduceMean")(reduce_linear)
    table.rule("ReduceMax", "ReduceMin")(reduce_extremum)
    table.rule("ReduceL1", "ReduceL2")(reduce_norm)
    table.rule("ReduceSumSquare")(reduce_sum_square)
    table.rule("ReduceLogSum", "ReduceLogSumExp")(reduce_log_sum)
    table.rule("Softmax")(softmax)
    table.rule("LogSoftmax")(log_softmax)


def reduce_linear(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Sum: dy everywhere. Mean: dy / count everywhere."""
    dy, axes, shape = _keep_axes(g, node, str(dys[0]))
    if node.op_type == "ReduceMean":
        count = np.prod([shape[a] or 0 for a in axes])
        if not count:
            raise UnsupportedOpError(
                f"{node.label()}: a mean over an axis of unknown size has no rule"
            )
        dy = g.mul(dy, g.scalar(1.0 / count))
    return [_expand(g, dy, node)] + [None] * (len(node.inputs) - 1)


def reduce_extremum(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dy is shared evenly by the elements that attain the extremum."""
    dy, axes, _ = _keep_axes(g, node, str(dys[0]))
    y, _, _ = _keep_axes(g, node, node.outputs[0])
    hit = g.op("Cast", g.op("Equal", node.inputs[0], y), to=1)
    dx = g.mul(hit, g.div(dy, g.sum(hit, axes)))
    return [dx] + [None] * (len(node.inputs) - 1)


def reduce_norm(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """L1: dx = dy sign(x). L2: dx = dy x / y, and 0 where y is."""
    dy, _, _ = _keep_axes(g, node, str(dys[0]))
    x = node.inputs[0]
    if node.op_type == "ReduceL1":
        return [g.mul(g.op("Sign", x), dy)] + [None] * (len(node.inputs) - 1)
    y, _, _ = _keep_axes(g, node, node.outputs[0])
    zero = g.scalar(0.0)
    share = g.op("Where", g.op("Equal", y, zero), zero, g.div(dy, y))
    return [g.mul(x, share)] + [None] * (len(node.inputs) - 1)


def reduce_sum_square(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = 2 dy x."""
    dy, _, _ = _keep_axes(g, node, str(dys[0]))
    return [g.mul(node.inputs[0], g.mul(dy, g.scalar(2.0)))] + [None] * (len(node.inputs) - 1)


def reduce_log_sum(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Of x: dx = dy exp(-y). Of exp(x): dx = dy exp(x - y)."""
    dy, _, _ = _keep_axes(g, node, str(dys[0]))
    y, _, _ = _keep_axes(g, node, node.outputs[0])
    if node.op_type == "ReduceLogSumExp":
        dx = g.mul(g.op("Exp", g.sub(node.inputs[0], y)), dy)
    else:
        dx = _expand(g, g.mul(dy, g.op("Exp", g.op("Neg", y))), node)
    return [dx] + [None] * (len(node.inputs) - 1)


def softmax(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = y * (dy - sum(y * dy))."""
    y, dy = node.outputs[0], str(dys[0])
    total = g.sum(g.mul(y, dy), [node.attrs.get("axis", -1)])
    return (g.mul(y, g.sub(dy, total)),)


def log_softmax(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """dx = dy - exp(y) * sum(dy)."""
    y, dy = node.outputs[0], str(dys[0])
    total = g.sum(dy, [node.attrs.get("axis", -1)])
    return (g.sub(dy, g.mul(g.op("Exp", y), total)),)


def _keep_axes(g: Graph, node: Node, reduced: str) -> tuple[str, list[int], tuple[int | None, ...]]:
    """Give a value of the output's shape its reduced axes back, as ones."""
    shape = g.shape(node.inputs[0])
    if shape is None:
        raise UnsupportedOpError(
            f"{node.label()}: the rank of its input is not known before the run"
        )
    axes = _axes(g, node, len(shape))
    if not node.attrs.get("keepdims", 1) and axes:
        reduced = g.op("Unsqueeze", reduced, g.ints(axes))
    return reduced, axes, shape


def _axes(g: Graph, node: Node, rank: int) -> list[int]:
    """Reduced axes, from the attribute or the input, non-negative."""
    axes = node.attrs.get("axes")
    if axes is None and len(node.inputs) > 1 and node.inputs[1]:
        constant = g.constant(node.inputs[1])
        if constant is None:
            raise UnsupportedOpError(
                f"{node.label()}: its axes are computed; they must be constant"
            )
        axes = constant.tolist()
    if not axes:
        return [] if node.attrs.get("noop_with_empty_axes", 0) else list(range(rank))
    return sorted(axis % rank for axis in axes)


def _expand(g: Graph, dy: str, node: Node) -> str:
    """Repeat dy along axes of size one up to the shape of the node's input."""
    shape = g.shape(node.inputs[0]) or ()
    axes = _axes(g, node, len(shape))
    if any(shape[a] is None for a in axes):
        return g.op("Expand", dy, g.op("Shape", node.inputs[0]))
    return str(g.lower("spread", dy, shape))
