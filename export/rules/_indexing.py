"""Rules of operators that take elements by index, and of others that are such a selection."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from ._places import scatter_add, view
from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("Gather")(gather)
    table.rule("GatherND")(gather_nd)
    table.rule("GatherElements")(gather_elements)
    table.rule("ScatterElements", "ScatterND")(scatter)
    table.rule("Tile")(tile)
    table.rule("Trilu")(trilu)
    table.rule("CumSum")(cumsum)
    table.rule("Col2Im")(col2im)


def gather(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Constant indices of any rank: every element of dy is added where it was taken."""
    indices = g.constant(node.inputs[1])
    shape = g.sizes(node.inputs[0], node)
    axis = node.attrs.get("axis", 0) % len(shape)
    size = shape[axis]
    if indices is None or size is None:
        raise UnsupportedOpError(
            f"{node.label()}: its indices are computed, or take images; constants have a rule"
        )
    dx = str(dys[0])
    if indices.ndim == 0:
        dx = g.op("Unsqueeze", dx, g.ints([axis]))
    elif indices.ndim > 1:
        flat = [*shape[:axis], indices.size, *shape[axis + 1 :]]
        dx = view(g, dx, flat)
    return scatter_add(g, dx, axis, indices.ravel() % size, size, len(shape)), None


def gather_nd(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Constant indices into the first axes, which are taken together as one."""
    indices, batch_dims = g.constant(node.inputs[1]), node.attrs.get("batch_dims", 0)
    shape = g.sizes(node.inputs[0], node)
    if indices is None or batch_dims or None in shape[: indices.shape[-1]]:
        raise UnsupportedOpError(
            f"{node.label()}: its indices are computed, or take images; constants have a rule"
        )
    depth = indices.shape[-1]
    sizes = [size or 1 for size in shape[:depth]]
    index = indices.reshape(-1, depth) % np.array(sizes)
    flat = np.ravel_multi_index(tuple(index.T), sizes)
    dx = view(g, str(dys[0]), [len(flat), None])
    dx = scatter_add(g, dx, 0, flat, prod(sizes), 2)
    return g.reshape_like(dx, node.inputs[0]), None


def gather_elements(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Dy is added where its elements were taken; the indices may be computed."""
    x, indices = node.inputs
    axis = node.attrs.get("axis", 0)
    zero = g.mul(x, g.scalar(0.0))
    return (
        g.op("ScatterElements", zero, indices, str(dys[0]), axis=axis, reduction="add"),
        None,
    )


def scatter(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Data loses what was overwritten, updates get it; the indices may be computed.

    The operators forbid that an element is written twice, which only constants can be checked for.
    """
    elements, (data, where, _) = node.op_type == "ScatterElements", node.inputs
    mode = node.attrs.get("reduction", "none")
    options = {"axis": node.attrs.get("axis", 0)} if elements else {}
    if mode not in ("none", "add"):
        raise UnsupportedOpError(f'{node.label()}: reduction "{mode}" has no rule, "add" has one')
    dy = str(dys[0])
    taken = g.op("GatherElements" if elements else "GatherND", dy, where, **options)
    if mode == "add":
        return dy, None, taken
    indices, shape = g.constant(where), g.sizes(data, node)
    rows = _places(indices, options.get("axis")) if indices is not None else None
    if rows is not None and _doubles(rows, shape):
        raise UnsupportedOpError(f"{node.label()}: it writes an element twice, in no order")
    return g.op(node.op_type, dy, where, g.mul(taken, g.scalar(0.0)), **options), None, taken


def _places(indices: np.ndarray, axis: int | None) -> np.ndarray:
    """Places that are written, a row each: of ScatterND, or along an axis of ScatterElements."""
    if axis is None:
        return indices.reshape(-1, indices.shape[-1])
    places = np.indices(indices.shape)
    places[axis] = indices
    return places.reshape(indices.ndim, -1).T


def _doubles(rows: np.ndarray, shape: Sequence[int | None]) -> bool:
    """Whether a place is written twice; the size of an open axis does not count."""
    sizes = [size or np.iinfo(np.int64).max for size in shape[: rows.shape[-1]]]
    return len(np.unique(rows % np.array(sizes), axis=0)) < len(rows)


def tile(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Sum over the copies."""
    repeats = g.constant(node.inputs[1])
    shape = g.shape(node.inputs[0])
    if repeats is None or shape is None or (shape[0] is None and repeats[0] != 1):
        raise UnsupportedOpError(f"{node.label()}: its repeats are computed, or repeat images")
    pairs: list[int | None] = []
    axes: list[int] = []
    for size, count in zip(shape, repeats.tolist(), strict=True):
        if count != 1:
            axes.append(len(pairs))
            pairs.append(count)
        pairs.append(size)
    if not axes:
        return dys[0], None
    return g.sum(view(g, str(dys[0]), pairs), axes, keepdims=False), None


def trilu(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """The same triangle of dy."""
    more = node.inputs[1:]
    dx = g.op("Trilu", str(dys[0]), *more, upper=node.attrs.get("upper", 1))
    return [dx] + [None] * len(more)


def cumsum(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """The running sum from the other end."""
    reverse, exclusive = node.attrs.get("reverse", 0), node.attrs.get("exclusive", 0)
    options = {"reverse": 1 - reverse, "exclusive": exclusive}
    return g.op("CumSum", str(dys[0]), node.inputs[1], **options), None


def col2im(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """The blocks of dy, by a depth-wise Conv with one one-hot kernel per place of a block."""
    block = g.constant(node.inputs[2])
    shape = g.static_shape(node.outputs[0], node)
    if block is None:
        raise UnsupportedOpError(
            f"{node.label()}: its block shape is computed; it must be constant"
        )
    channels, places, rank = shape[1] or 1, int(np.prod(block)), len(block)
    kernel = np.eye(places, dtype=np.float32).reshape(places, 1, *block)
    cut = g.op(
        "Conv",
        str(dys[0]),
        g.const(np.tile(kernel, (channels, *[1] * (rank + 1)))),
        group=channels,
        kernel_shape=block.tolist(),
        strides=list(node.attrs.get("strides", [1] * rank)),
        dilations=list(node.attrs.get("dilations", [1] * rank)),
        pads=list(node.attrs.get("pads", [0] * 2 * rank)),
    )
    return g.op("Reshape", cut, g.ints([0, channels * places, -1])), None, None
