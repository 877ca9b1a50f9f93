"""What explainers say with operators again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from onnx import TensorProto, helper

from pysal.resample import Kind, axis_matrix

from ..graph import Graph

FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
REDUCE_INPUT_OPSET = 18
"""From here on all reductions take their axes as an input; ReduceSum has done so before."""

Step = Callable[[str, Sequence[str]], tuple[Sequence[str], str | None]]
"""From the number of the trip and the states: the states after it, and whether to go on."""


def loop(g: Graph, trips: int, states: Sequence[tuple[str, int]], step: Step) -> list[str]:
    """States after up to `trips` trips of a Loop.

    Parameters
    ----------
    g : Graph
    trips : int
    states : sequence of (str, int)
        First values, and their element types.
    step : callable
        Writes the body; its second result is a truth value, or None to go on.
    """
    with g.nested() as body:
        trip, before = g.fresh("trip"), g.fresh("condition")
        inner = [g.fresh("state") for _ in states]
        after, going = step(trip, inner)
        results = [g.op("Identity", value) for value in (going or before, *after)]
        kinds = [BOOL, *(kind for _, kind in states)]
        body.input.append(helper.make_tensor_value_info(trip, INT, []))
        body.input.extend(_typed([before, *inner], kinds))
        body.output.extend(_typed(results, kinds))
    # The first condition may be left out, but the parser of TensorRT wants one.
    bounds = [g.const(np.array(trips, np.int64)), g.const(np.array(True))]
    first = [*bounds, *(value for value, _ in states)]
    return list(g.append("Loop", first, [g.fresh("after") for _ in states], body=body))


def _typed(names: Sequence[str], kinds: Sequence[int]) -> list[object]:
    """Value types without a shape, but for the condition, which comes first."""
    shapes: list[list[int] | None] = [[], *[None] * (len(names) - 1)]
    return [
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in zip(names, kinds, shapes, strict=True)
    ]


def resample(g: Graph, kind: Kind, x: str, size: Sequence[int], out: Sequence[int]) -> str:
    """A_h X A_w^T on the last two axes, as `pysal.resample.Resample`."""
    if tuple(size) == tuple(out):
        return x
    rows, columns = (axis_matrix(kind, a, b) for a, b in zip(size, out, strict=True))
    return g.op("MatMul", g.op("MatMul", g.const(rows), x), g.const(columns.T))


def resample_adjoint(g: Graph, kind: Kind, x: str, size: Sequence[int], out: Sequence[int]) -> str:
    """A_h^T X A_w, from `out` back to `size`."""
    if tuple(size) == tuple(out):
        return x
    rows, columns = (axis_matrix(kind, a, b) for a, b in zip(size, out, strict=True))
    return g.op("MatMul", g.const(rows.T), g.op("MatMul", x, g.const(columns)))


def reduce(g: Graph, op_type: str, x: str, axes: Sequence[int], keepdims: bool = False) -> str:
    """ReduceMax or ReduceMin over axes, in the form of the graph's operator set."""
    if g.opset >= REDUCE_INPUT_OPSET:
        return g.op(op_type, x, g.ints(axes), keepdims=int(keepdims))
    return g.op(op_type, x, axes=list(axes), keepdims=int(keepdims))


def spread(g: Graph, x: str, axes: Sequence[int]) -> str:
    """Insert axes of length 1."""
    return g.op("Unsqueeze", x, g.ints(axes))


def narrow(g: Graph, x: str, axis: int) -> str:
    """Drop an axis of length 1."""
    return g.op("Squeeze", x, g.ints([axis]))


def as_float(g: Graph, x: str) -> str:
    """Truth values as 0 and 1, or whole numbers as they are."""
    return g.op("Cast", x, to=FLOAT)


def blend(g: Graph, mask: str, image: str, fill: str) -> str:
    """The image where the mask is 1, the baseline where it is 0."""
    kept = g.mul(mask, image)
    return g.add(kept, g.mul(g.sub(g.scalar(1.0), mask), fill))


def min_max(g: Graph, maps: str) -> str:
    """Each map of (N, u, v) scaled to [0, 1]; zeros where it has one value everywhere."""
    low = reduce(g, "ReduceMin", maps, [1, 2], keepdims=True)
    span = g.sub(reduce(g, "ReduceMax", maps, [1, 2], keepdims=True), low)
    flat = g.op("Greater", span, g.scalar(0.0))
    return g.div(g.sub(maps, low), g.op("Where", flat, span, g.scalar(1.0)))
