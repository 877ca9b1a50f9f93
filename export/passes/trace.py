"""Shapes of all values, and the values that no image is needed for, at one size of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TypeProto, helper, numpy_helper

from ..graph import Graph
from ..nodes import Node
from .evaluate import can_evaluate, evaluate

LARGEST = 2**22
"""Elements of a computed constant; larger ones stay with the engine, so that files do not grow."""
DATA = 64
"""Elements up to which shape inference is shown the content of an input: axes, pads, sizes."""

Array = NDArray[Any]


class Trace:
    """One walk through the graph.

    Parameters
    ----------
    g : Graph
        With the shapes that inference found; they are used where one node's inference fails.
    image : str
    shape : tuple of int
        Of the image batch, (N, C, H, W).
    before : Trace, optional
        Of another batch size: what does not depend on it is not computed twice.

    Attributes
    ----------
    values : dict
        Arrays of what could be computed.
    types : dict
        TypeProto of every value, as far as it is known.
    """

    def __init__(
        self, g: Graph, image: str, shape: Sequence[int], before: Trace | None = None
    ) -> None:
        self.g, self.before = g, before
        self.values: dict[str, Array] = {}
        self.types: dict[str, TypeProto] = {
            image: helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, shape)
        }
        for node in g.nodes:
            self._pass(node)

    def shape(self, value: str) -> list[int | None] | None:
        """Sizes of a value's axes; None for an axis, or for the rank, that could not be told."""
        known = self.value(value)
        if known is not None:
            return list(known.shape)
        kind = self.types.get(value)
        if kind is None or not kind.tensor_type.HasField("shape"):
            return None
        return [
            d.dim_value if d.HasField("dim_value") else None for d in kind.tensor_type.shape.dim
        ]

    def value(self, name: str) -> Array | None:
        """What a value is, where no image is needed for it."""
        array = self.values.get(name)
        return array if array is not None else self.g.constant(name)

    def _pass(self, node: Node) -> None:
        if node.op_type == "Constant":
            return
        if node.op_type == "Shape":
            shape = self.shape(node.inputs[0])
            if shape is not None and None not in shape:
                part = shape[slice(node.attrs.get("start", 0), node.attrs.get("end"))]
                self._keep(node, [np.array(part, np.int64)])
                return
        else:
            inputs = [self.value(name) if name else None for name in node.inputs]
            complete = all(x is not None or not n for x, n in zip(inputs, node.inputs, strict=True))
            if complete and can_evaluate(node) and self._compute(node, inputs):
                return
        self._infer(node)

    def _keep(self, node: Node, values: Sequence[Array]) -> None:
        """File values; one that is as before is the same object."""
        for name, value in zip(node.outputs, values, strict=False):
            old = self.before.values.get(name) if self.before else None
            self.values[name] = old if old is not None and same(old, value) else value

    def _compute(self, node: Node, inputs: Sequence[Array | None]) -> bool:
        """Compute a node, unless it makes something large."""
        if self.before and node.outputs[0] in self.before.values:
            old = [self.before.value(name) if name else None for name in node.inputs]
            if all(a is b for a, b in zip(inputs, old, strict=True)):
                self._keep(node, [self.before.values[name] for name in node.outputs if name])
                return True
        if not 0 <= self._area(node, inputs) <= LARGEST:
            return False
        self._keep(node, evaluate(node, inputs, self.g.opset))
        return True

    def _area(self, node: Node, inputs: Sequence[Array | None]) -> int:
        """Elements of the largest input or output; -1 where inference cannot tell."""
        largest = max((x.size for x in inputs if x is not None), default=0)
        if node.op_type in ("Expand", "ConstantOfShape", "Tile", "Range", "MatMul", "Einsum"):
            self._infer(node)
            shape = self.shape(node.outputs[0])
            known = shape is not None and None not in shape
            return max(largest, int(np.prod([s or 0 for s in shape]))) if known and shape else -1
        return largest

    def _infer(self, node: Node) -> None:
        """Types of the outputs, by inference of one node."""
        try:
            schema = onnx.defs.get_schema(node.op_type, self.g.opset, "")
            found = onnx.shape_inference.infer_node_outputs(
                schema,
                helper.make_node(node.op_type, node.inputs, node.outputs, **dict(node.attrs)),
                {name: self._type(name) for name in node.inputs if name},
                self._data(node),
                opset_imports=[helper.make_opsetid("", self.g.opset)],
            )
        except (onnx.shape_inference.InferenceError, onnx.defs.SchemaError, RuntimeError, KeyError):
            found = {}
        self.types.update(found)

    def _type(self, name: str) -> TypeProto:
        """Type of an input; a KeyError where it is not known."""
        array = self.value(name)
        if array is None:
            return self.types[name]
        return helper.make_tensor_type_proto(
            helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )

    def _data(self, node: Node) -> dict[str, onnx.TensorProto]:
        """What inference reads of the inputs: sizes, axes, pads, scales."""
        found = {}
        for name in node.inputs:
            array = self.value(name) if name else None
            if array is not None and array.size <= DATA:
                found[name] = numpy_helper.from_array(dense(array), name)
        return found


def dense(array: Array) -> Array:
    """Contiguous, and of rank 0 if it was."""
    return np.ascontiguousarray(array).reshape(array.shape)


def same(a: Array, b: Array) -> bool:
    """Whether two values are equal, type and shape included."""
    return a is b or (
        a.dtype == b.dtype
        and a.shape == b.shape
        and a.tobytes() == np.ascontiguousarray(b).tobytes()
    )
