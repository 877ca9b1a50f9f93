"""Values of nodes whose inputs are known: in numpy where there are many of them, else by onnx."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from ..nodes import Node

Array = NDArray[Any]
Operator = Callable[[Node, list[Array]], Array]


def _unsqueeze(node: Node, x: list[Array]) -> Array:
    axes = node.attrs.get("axes") if len(x) < 2 else x[1].ravel().tolist()
    return np.expand_dims(x[0], tuple(axes or ()))


def _gather(node: Node, x: list[Array]) -> Array:
    return np.take(x[0], x[1], axis=node.attrs.get("axis", 0))


def _cast(node: Node, x: list[Array]) -> Array:
    return x[0].astype(helper.tensor_dtype_to_np_dtype(node.attrs["to"]))


def _divide(node: Node, x: list[Array]) -> Array:
    quotient = np.divide(*x)
    return quotient if x[0].dtype.kind == "f" else np.trunc(quotient).astype(x[0].dtype)


def _constant_of_shape(node: Node, x: list[Array]) -> Array:
    fill = node.attrs.get("value")
    value = np.zeros(1, np.float32) if fill is None else onnx.numpy_helper.to_array(fill)
    return np.full(tuple(x[0].tolist()), value.ravel()[0])


def _batch_normalization(node: Node, x: list[Array]) -> list[Array]:
    """In training mode, as exports of standardized weights have it: with the statistics of x."""
    data, scale, bias, mean, var = x
    axes = tuple(i for i in range(data.ndim) if i != 1)
    wide = [-1 if i == 1 else 1 for i in range(data.ndim)]
    exact = data.astype(np.float64)
    own = exact.mean(axes), exact.var(axes)
    rate = scale / np.sqrt(own[1] + node.attrs.get("epsilon", 1e-5))
    y = (exact - own[0].reshape(wide)) * rate.reshape(wide) + bias.reshape(wide)
    keep = node.attrs.get("momentum", 0.9)
    running = [old * keep + new * (1 - keep) for old, new in zip((mean, var), own, strict=True)]
    return [array.astype(np.float32) for array in (y, *running)]


def _of(function: Callable[..., Array]) -> Operator:
    return lambda node, x: function(*x)


NUMPY: dict[str, Operator] = {
    **{"Unsqueeze": _unsqueeze, "Gather": _gather, "Cast": _cast, "Div": _divide},
    **{"Concat": lambda node, x: np.concatenate(x, axis=node.attrs["axis"])},
    **{"Identity": _of(lambda x: x), "Where": _of(np.where), "Equal": _of(np.equal)},
    **{"Add": _of(np.add), "Sub": _of(np.subtract), "Mul": _of(np.multiply)},
    **{"ConstantOfShape": _constant_of_shape},
}
"""Operators of which exports of transformers have hundreds."""

REFERENCE = {
    *("Abs", "And", "BatchNormalization", "Ceil", "Clip", "Cos", "CumSum", "Einsum", "Exp"),
    *("Expand", "EyeLike", "Flatten", "Floor", "GatherElements", "GatherND", "Greater"),
    *("GreaterOrEqual", "InstanceNormalization", "Less", "LessOrEqual", "Log", "MatMul", "Max"),
    *("Min", "Mod", "Neg", "NonZero", "Not", "OneHot", "Or", "Pow", "Range", "Reciprocal"),
    *("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Relu"),
    *("Reshape", "Round", "ScatterElements", "ScatterND", "Sigmoid", "Sign", "Sin", "Size"),
    *("Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sum", "Tanh", "Tile", "Transpose"),
    *("Trilu", "Xor"),
}
"""Further ones, computed by the reference of the onnx package."""


def can_evaluate(node: Node) -> bool:
    """Whether `evaluate` has a definition of the node's operator."""
    return node.op_type in NUMPY or node.op_type in REFERENCE


def evaluate(node: Node, inputs: Sequence[Array | None], opset: int) -> list[Array]:
    """Outputs of a node from its inputs; None stands for an optional input that is left out."""
    given = [x for x in inputs if x is not None]
    if node.op_type == "BatchNormalization" and node.attrs.get("training_mode", 0):
        return _batch_normalization(node, given)
    if node.op_type in NUMPY and len(given) == len(inputs):
        return [np.asarray(NUMPY[node.op_type](node, given))]
    return _by_reference(node, inputs, opset)


def _by_reference(node: Node, inputs: Sequence[Array | None], opset: int) -> list[Array]:
    """Run one node on the reference evaluator."""
    given = {f"x{i}": array for i, array in enumerate(inputs) if array is not None}
    names = [f"x{i}" if array is not None else "" for i, array in enumerate(inputs)]
    proto = helper.make_node(node.op_type, names, list(node.outputs), **dict(node.attrs))
    kinds = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in given.items()}
    infos = [helper.make_tensor_value_info(n, kinds[n], given[n].shape) for n in given]
    ends = [onnx.ValueInfoProto(name=name) for name in node.outputs if name]
    graph = helper.make_graph([proto], "one", infos, ends)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    values = [np.asarray(value) for value in ReferenceEvaluator(model).run(None, given)]
    floats = any(array.dtype == np.float32 for array in given.values())
    return [v.astype(np.float32) if floats and v.dtype == np.float64 else v for v in values]
