"""Rules of operators that are linear in the image: matrix products, convolutions, normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from .geometry import Window
from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("Gemm")(gemm)
    table.rule("MatMul")(matmul)
    table.rule("Conv")(conv)
    table.rule("ConvTranspose")(conv_transpose)
    table.rule("BatchNormalization")(batch_normalization)


def gemm(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = alpha A' B' + beta C, with A' = A or its transpose."""
    a, b, *c = node.inputs
    alpha = node.attrs.get("alpha", 1.0)
    dy = str(dys[0])
    scaled = g.mul(dy, g.scalar(alpha)) if alpha != 1.0 else dy
    turn_a, turn_b = bool(node.attrs.get("transA", 0)), bool(node.attrs.get("transB", 0))
    weight, turn = _another_square(g, b, turn_b)
    if turn_a:
        da = g.op("Gemm", weight, scaled, transA=int(turn), transB=1)
    else:
        da = g.op("Gemm", scaled, weight, transB=int(not turn))
    if g.constant(b) is not None and (not c or g.constant(c[0]) is not None):
        return [da] + [None] * (len(node.inputs) - 1)
    if turn_b:
        db = g.op("Gemm", scaled, a, transA=1, transB=int(turn_a))
    else:
        db = g.op("Gemm", a, scaled, transA=int(not turn_a))
    if not c:
        return da, db
    dc = g.mul(dy, g.scalar(node.attrs.get("beta", 1.0)))
    shape = g.shape(c[0]) or ()
    missing = 2 - len(shape)
    axes = [i for i in range(2) if i < missing or shape[i - missing] == 1]
    dc = g.reshape_like(g.sum(dc, axes), c[0]) if axes else dc
    return da, db, dc


def _another_square(g: Graph, b: str, turned: bool) -> tuple[str, bool]:
    """The weights and whether they are turned; a copy, turned once more, if they are square.

    OpenVINO 2026.4 keeps one packed form of a square constant for its product and for the product
    with its transpose, and one of the two is wrong then.
    """
    array = g.constant(b)
    if array is None or array.shape[0] != array.shape[1]:
        return b, turned
    return g.const(array.T), not turned


def matmul(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """y = a b on the last two axes, the leading ones broadcast."""
    a, b = node.inputs
    rank_a, rank_b = len(g.shape(a) or ()), len(g.shape(b) or ())
    if rank_a < 2 or rank_b < 2:
        return _vector_product(g, node, str(dys[0]), rank_a, rank_b)
    dy = str(dys[0])
    da = _fold_batch(g, g.op("MatMul", dy, _turn(g, b, rank_b)), node, a)
    if g.constant(b) is not None:
        return da, None
    return da, _fold_batch(g, g.op("MatMul", _turn(g, a, rank_a), dy), node, b)


def _vector_product(g: Graph, node: Node, dy: str, rank_a: int, rank_b: int) -> Cotangents:
    """y = a v: da = dy v^T. y = v b: db = v dy^T. The vector must be a constant."""
    place = 0 if rank_a == 1 else 1
    if (rank_a, rank_b).count(1) != 1 or not g.is_constant(node.inputs[place]):
        raise UnsupportedOpError(
            f"{node.label()}: a product with a computed vector has no rule; use 2-D values"
        )
    vector = node.inputs[place]
    if place == 0:
        return None, g.mul(
            g.op("Unsqueeze", vector, g.ints([1])), g.op("Unsqueeze", dy, g.ints([-2]))
        )
    return g.mul(g.op("Unsqueeze", dy, g.ints([-1])), vector), None


def conv(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """Cotangent of the image; weights are constants of the file."""
    weight = g.constant(node.inputs[1])
    if weight is None:
        raise UnsupportedOpError(
            f"{node.label()}: its weights are computed by other nodes; fold constants first"
        )
    window = Window.of(g, node, weight.shape[2:])
    group = node.attrs.get("group", 1)
    dx = g.lower("conv_input_gradient", str(dys[0]), weight, window, group)
    return [dx] + [None] * (len(node.inputs) - 1)


def conv_transpose(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """A transposed convolution is the adjoint of a Conv, so its adjoint is that Conv."""
    weight = g.constant(node.inputs[1])
    if weight is None or node.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise UnsupportedOpError(
            f"{node.label()}: needs constant weights and explicit pads for its rule"
        )
    rank = weight.ndim - 2
    ones, zeros = [1] * rank, [0] * rank
    kernel = weight.shape[2:]
    strides, dilations = node.attrs.get("strides", ones), node.attrs.get("dilations", ones)
    begin = list(node.attrs.get("pads", zeros * 2))[:rank]
    sizes = [int(s or 0) for s in g.static_shape(node.inputs[0], node)[2:]]
    wide = [int(s or 0) for s in g.static_shape(node.outputs[0], node)[2:]]
    end = [
        max((n - 1) * s + d * (k - 1) + 1 - w - b, 0)
        for n, s, d, k, w, b in zip(sizes, strides, dilations, kernel, wide, begin, strict=True)
    ]
    dx = g.op(
        "Conv",
        str(dys[0]),
        g.const(weight),
        strides=strides,
        dilations=dilations,
        pads=begin + end,
        group=node.attrs.get("group", 1),
        kernel_shape=list(kernel),
    )
    return [dx] + [None] * (len(node.inputs) - 1)


def batch_normalization(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """In inference a scale per channel: dx = dy * scale / sqrt(var + eps)."""
    x, scale, _, _, var = node.inputs
    factors = g.constant(scale), g.constant(var)
    if factors[0] is None or factors[1] is None or node.attrs.get("training_mode", 0):
        raise UnsupportedOpError(
            f"{node.label()}: only inference with constant statistics has a rule; export in eval "
            "mode"
        )
    factor = factors[0] / np.sqrt(factors[1].astype(np.float64) + node.attrs.get("epsilon", 1e-5))
    rank = len(g.shape(x) or (0, 0, 0, 0))
    return [g.lower("channel_scale", str(dys[0]), factor, rank)] + [None] * 4


def _turn(g: Graph, x: str, rank: int) -> str:
    """Swap the last two axes; a constant is turned once, here."""
    array = g.constant(x)
    if array is not None:
        return g.const(array.swapaxes(-1, -2))
    return g.op("Transpose", x, perm=[*range(rank - 2), rank - 1, rank - 2])


def _fold_batch(g: Graph, dx: str, node: Node, value: str) -> str:
    """Sum over leading axes that `value` did not have, or had as 1."""
    have, want = g.shape(node.outputs[0]) or (), g.shape(value) or ()
    missing = len(have) - len(want)
    axes = list(range(missing))
    axes += [i + missing for i in range(len(want) - 2) if want[i] == 1 != have[i + missing]]
    summed = g.sum(dx, axes) if axes else dx
    return g.reshape_like(summed, value) if missing else summed
