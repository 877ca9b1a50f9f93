"""Quantized values: what QuantizeLinear and DequantizeLinear mean, and what is folded of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pysal.errors import UnsupportedOpError

if TYPE_CHECKING:
    from .graph import Graph
    from .nodes import Node

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
PAIR = {QUANTIZE, DEQUANTIZE}
VIEWS = {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"}
SELECTIONS = {"MaxPool", "Concat", "Slice", "Split", "Gather", "DepthToSpace", "SpaceToDepth"}
"""Operators whose output elements are elements of their inputs, in numbers of any type."""
CONVEX = {"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "Resize"}
LINEAR = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sum", "BatchNormalization"}
"""Operators in front of an activation that quantizers absorb."""

RANGES: dict[str, tuple[int, int]] = {
    f"{sign}int{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for bits in (2, 4, 8, 16)
    for sign in ("", "u")
}
"""Smallest and largest number of every type that values are quantized to."""

INTEGER_OPS = {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "QGemm"}
INTEGER_OPS |= {"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"}


def is_integer_op(op_type: str) -> bool:
    """Whether an operator computes on quantized numbers, as in models of the QOperator format."""
    return op_type in INTEGER_OPS or op_type.startswith("QLinear")


@dataclasses.dataclass(frozen=True)
class Quantizer:
    """How a QuantizeLinear node rounds: q = saturate(round(x / scale) + zero_point).

    Attributes
    ----------
    scale, zero_point : ndarray
        Float64, of rank 0, or shaped so that they broadcast against the value.
    least, most : int
        Range of the integer type.
    """

    scale: NDArray[np.float64]
    zero_point: NDArray[np.float64]
    least: int
    most: int

    @classmethod
    def of(cls, g: Graph, node: Node) -> Quantizer:
        """Read a QuantizeLinear or DequantizeLinear node.

        Raises
        ------
        UnsupportedOpError
            If scale or zero point are computed, the type is no integer, or blocks are quantized.
        """
        names = (*node.inputs, "", "")[1:3]
        scale, zero = (g.constant(name) if name else None for name in names)
        if scale is None or (names[1] and zero is None):
            raise UnsupportedOpError(
                f"{node.label()}: its scale or zero point is computed; quantize with fixed ones "
                "(quantize_static, QuantFormat.QDQ)"
            )
        value = (node.outputs if node.op_type == QUANTIZE else node.inputs)[0]
        kind = zero.dtype.name if zero is not None else g.type_name(value)
        if kind not in RANGES or node.attrs.get("block_size", 0):
            what = f"type {kind}" if kind not in RANGES else "quantization in blocks"
            raise UnsupportedOpError(
                f"{node.label()}: activations of {what} have no rule; use 8- or 16-bit integers, "
                "per tensor or per channel"
            )
        zero = np.zeros_like(scale) if zero is None else zero
        rank = len(g.shape(node.inputs[0]) or ())
        shape = _along(scale, rank, node.attrs.get("axis", 1))
        return cls(
            scale.astype(np.float64).reshape(shape),
            zero.astype(np.float64).reshape(shape),
            *RANGES[kind],
        )

    @classmethod
    def find(cls, g: Graph, node: Node) -> Quantizer | None:
        """Read a node; None where that is refused."""
        try:
            return cls.of(g, node)
        except UnsupportedOpError:
            return None

    @property
    def low(self) -> NDArray[np.float64]:
        """Real value of the smallest number."""
        return self.scale * (self.least - self.zero_point)

    @property
    def high(self) -> NDArray[np.float64]:
        """Real value of the largest number."""
        return self.scale * (self.most - self.zero_point)


def source_of(g: Graph, value: str) -> Node | None:
    """The QuantizeLinear that an integer value comes from, over views; None where there is none.

    Where integers of several are joined, one of them if all have the same scale, else None.
    """
    node = g.producer(value)
    if node is None or node.op_type not in VIEWS | SELECTIONS:
        return node if node is not None and node.op_type == QUANTIZE else None
    joined = node.inputs if node.op_type == "Concat" else node.inputs[:1]
    found = [source_of(g, name) for name in joined]
    scales = [Quantizer.of(g, source).scale for source in found if source is not None]
    same = len(scales) == len(found) and all(np.array_equal(s, scales[0]) for s in scales)
    return found[0] if same else None


def behind_pair(g: Graph, value: str) -> str:
    """The value in front of a pair QuantizeLinear, DequantizeLinear; else the value itself."""
    node = g.producer(value)
    if node is None or node.op_type != DEQUANTIZE:
        return value
    first = g.producer(node.inputs[0])
    return first.inputs[0] if first is not None and first.op_type == QUANTIZE else value


def scores_of(g: Graph, logits: str) -> set[str]:
    """The logits, and what they are by views and rounding alone."""
    found = {logits}
    while (node := g.producer(logits)) is not None and node.op_type in VIEWS | PAIR:
        logits = node.inputs[0]
        found.add(logits)
    return found


def rectifies(g: Graph, node: Node) -> bool:
    """Whether a QuantizeLinear is an activation too.

    Quantizers drop a ReLU or ReLU6 whose lower bound is the smallest number of the type: saturation
    does its work. It does where zero is that number and the layer in front may be negative.
    """
    before = g.producer(node.inputs[0])
    if node.op_type != QUANTIZE or before is None or before.op_type not in LINEAR:
        return False
    form = Quantizer.find(g, node)
    return form is not None and bool((form.low == 0).all()) and bounds(g, node.inputs[0])[0] < 0


def bounds(g: Graph, value: str, depth: int = 6) -> tuple[float, float]:
    """Numbers between which a float value is known to be; infinite where nothing is known."""
    node = g.producer(value)
    unknown = -math.inf, math.inf
    if node is None or depth == 0:
        return unknown
    if node.op_type == DEQUANTIZE and not g.is_constant(value):
        form = Quantizer.find(g, node)
        return (float(form.low.min()), float(form.high.max())) if form else unknown
    if node.op_type in ("Softmax", "Sigmoid", "HardSigmoid"):
        return 0.0, 1.0
    if node.op_type == "Relu":
        low, high = bounds(g, node.inputs[0], depth - 1)
        return max(low, 0.0), max(high, 0.0)
    if node.op_type == "Clip":
        return _clipped(g, node, bounds(g, node.inputs[0], depth - 1))
    if node.op_type in ("Add", "Sum"):
        parts = [_known(g, name, depth) for name in node.inputs]
        return sum(low for low, _ in parts), sum(high for _, high in parts)
    if node.op_type in VIEWS | SELECTIONS | CONVEX:
        several = node.op_type == "Concat"
        parts = [bounds(g, n, depth - 1) for n in (node.inputs if several else node.inputs[:1])]
        if node.op_type == "AveragePool":
            parts.append((0.0, 0.0))  # the padding may count
        if node.op_type == "Resize" and node.attrs.get("mode", "nearest") == "cubic":
            return unknown
        return min(low for low, _ in parts), max(high for _, high in parts)
    return unknown


def fold(node: Node, arrays: Sequence[NDArray[Any]], shape: Sequence[int]) -> NDArray[Any]:
    """Value of a node that only reads constants: Q, DQ, or a view behind them.

    Parameters
    ----------
    node : Node
    arrays : sequence of ndarray
        Its inputs, empty ones left out.
    shape : sequence of int
        Of its output.
    """
    x = arrays[0]
    if node.op_type not in PAIR:
        perm = node.attrs.get("perm")
        return x.transpose(perm) if node.op_type == "Transpose" else x.reshape(shape)
    if node.op_type == QUANTIZE:
        return quantized_to(node, x, arrays[1:], arrays[2].dtype if arrays[2:] else np.uint8)
    scale, zero = _parameters(node, x.shape, arrays[1:])
    whole = (x.astype(np.int64) - zero).astype(np.float32)
    return np.asarray(whole * scale, np.float32)


def quantized_to(
    node: Node, x: NDArray[Any], parameters: Sequence[NDArray[Any]], dtype: Any
) -> NDArray[Any]:
    """Real numbers rounded as a node does it, whose scale and zero point are `parameters`."""
    scale, zero = _parameters(node, x.shape, parameters)
    kind = np.dtype(dtype)
    if kind.name not in (*RANGES, "int32"):  # float8
        return np.asarray(x / scale).astype(kind)
    limits = RANGES.get(kind.name) or (-(2**31), 2**31 - 1)
    rounded = np.rint(x.astype(np.float32) / scale).astype(np.int64) + zero
    return np.clip(rounded, *limits).astype(kind)


def foldable(node: Node, constant: Mapping[str, Any]) -> bool:
    """Whether `fold` takes a node, when `constant` holds the names of values that are known."""
    if node.op_type in PAIR:
        return all(name in constant for name in node.inputs if name)
    first = constant.get(node.inputs[0]) if node.op_type in VIEWS else None
    made = isinstance(first, type(node)) and first.op_type != "Constant"
    return made and all(name in constant for name in node.inputs)


def _parameters(
    node: Node, shape: Sequence[int], parameters: Sequence[NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scale and zero point, spread over a value of some shape."""
    axis, block = node.attrs.get("axis", 1), node.attrs.get("block_size", 0)
    scale, *zeros = parameters
    zero = zeros[0] if zeros else np.zeros_like(scale)
    return (
        _spread(scale.astype(np.float32), shape, axis, block),
        _spread(zero.astype(np.int64), shape, axis, block),
    )


def _along(array: NDArray[Any], rank: int, axis: int) -> tuple[int, ...]:
    """Shape in which a parameter of rank 0 or 1 broadcasts along an axis."""
    if array.size == 1:
        return ()
    shape = [1] * rank
    shape[axis % rank] = array.size
    return tuple(shape)


def _spread(array: NDArray[Any], shape: Sequence[int], axis: int, block: int) -> NDArray[Any]:
    """A parameter as broadcast against the value: per tensor, per channel or per block."""
    if block:
        axis %= len(shape)
        rows = np.repeat(array, block, axis=axis)
        return rows.take(np.arange(shape[axis]), axis=axis)
    return array.reshape(_along(array, len(shape), axis))


def _known(g: Graph, value: str, depth: int) -> tuple[float, float]:
    """Bounds of a value or a constant."""
    array = g.constant(value)
    if array is None:
        return bounds(g, value, depth - 1)
    return float(array.min()), float(array.max())


def _clipped(g: Graph, node: Node, inner: tuple[float, float]) -> tuple[float, float]:
    """Bounds behind a Clip."""
    low, high = inner
    given = [node.attrs.get("min"), node.attrs.get("max")]
    for i, name in enumerate(node.inputs[1:]):
        array = g.constant(name) if name else None
        given[i] = float(array.item()) if array is not None else given[i]
    if given[0] is not None:
        low, high = max(low, given[0]), max(high, given[0])
    if given[1] is not None:
        low, high = min(low, given[1]), min(high, given[1])
    return low, high
