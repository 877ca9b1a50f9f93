"""The view of a model that rules read, and the builder `g` that they write with."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pysal.errors import ModelFormatError

from .lowerings import LOWERINGS, find_lowering
from .nodes import Node, Shape, area, constant_of, value_types
from .quantized import QUANTIZE, SELECTIONS, VIEWS, fold, foldable, is_integer_op

PREFIX = "pysal/"


class Graph:
    """A model under extension: forward nodes stay as they are, everything new is appended.

    Parameters
    ----------
    model : onnx.ModelProto
        Extended in place; its shapes are already inferred.
    lowering : {"ort", "portable"}
        Engine family that new nodes are written for.

    Attributes
    ----------
    asked : set of str
        Forward values whose own cotangent is wanted, so that it must be exact there.
    vanishing : set of str
        Cotangents known to be zero wherever their forward value is not positive.
    kept : set of str
        Forward values at which rounding to a range of integers cuts no cotangent off.
    blocked : dict
        What `lowerings.blocked` has found out about the layout of values.
    zero_tails : dict
        Cropped values whose crop was zeros only: {name: (value before the crop, rows per axis)}.
    """

    def __init__(self, model: onnx.ModelProto, lowering: str = "ort") -> None:
        self.model = model
        self.lowering = find_lowering(lowering)
        self._into = model.graph
        self.nodes = [Node.of(proto) for proto in model.graph.node]
        self._initializers = {i.name: i for i in model.graph.initializer}
        self._folded = {n.outputs[0]: n for n in self.nodes if n.op_type == "Constant"}
        self._fold_quantized()
        self._constants: dict[str, NDArray[Any]] = {}
        self._by_content: dict[str, str] = {}
        self._shapes, self._types = value_types(model)
        self._appended: dict[str, Node] = {}
        self._producers = {o: n for n in self.nodes for o in n.outputs}
        self.asked: set[str] = set()
        self.vanishing: set[str] = set()
        self.kept: set[str] = set()
        self.blocked: dict[str, int | None] = {}
        self.zero_tails: dict[str, tuple[str, list[int]]] = {}
        self._counter = 0

    # ---- reading -------------------------------------------------------------------------------

    @property
    def opset(self) -> int:
        """Version of the default operator set."""
        return next(o.version for o in self.model.opset_import if o.domain in ("", "ai.onnx"))

    def shape(self, value: str) -> Shape | None:
        """Shape of a forward value; None for unknown axes, None for an unknown rank."""
        if value in self._initializers:
            return tuple(self._initializers[value].dims)
        return self._shapes.get(value)

    def static_shape(self, value: str, node: Node) -> tuple[int | None, ...]:
        """Shape of which all but the batch axis must be known."""
        shape = self.shape(value)
        if shape is None or any(size is None for size in shape[1:]):
            raise ModelFormatError(
                f'{node.label()}: the shape {shape} of "{value}" is not known before the run; '
                "export the model with a fixed image size, or give input_shape"
            )
        return shape

    def sizes(self, value: str, node: Node) -> Shape:
        """Shape of which all but one axis, wherever the batch is now, must be known."""
        shape = self.shape(value)
        if shape is None or sum(size is None for size in shape) > 1:
            raise ModelFormatError(
                f'{node.label()}: the shape {shape} of "{value}" is not known before the run; '
                "export the model with a fixed image size, or give input_shape"
            )
        return shape

    def is_float(self, value: str) -> bool:
        """Whether a cotangent can flow through this value (unknown types count as float)."""
        kind = self._types.get(value)
        return kind in (None, TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)

    def type_name(self, value: str) -> str:
        """Name of the element type, as numpy has it; empty where it is not known."""
        kind = self._types.get(value)
        return helper.tensor_dtype_to_np_dtype(kind).name if kind else ""

    def carries(self, value: str) -> bool:
        """Whether a cotangent passes this value: floats, and what is quantized from them."""
        if self.is_float(value):
            return True
        node = self._producers.get(value)
        while node is not None and node.op_type in VIEWS | SELECTIONS:
            node = self._producers.get(node.inputs[0])
        return node is not None and (node.op_type == QUANTIZE or is_integer_op(node.op_type))

    def constant(self, value: str) -> NDArray[Any] | None:
        """Array behind an initializer or a Constant node; None for values that are computed.

        Weights that are stored quantized, or rounded by a pair of QuantizeLinear and
        DequantizeLinear, count as constants: the array is what the pair makes of them.
        """
        if value not in self._constants:
            if value in self._initializers:
                self._constants[value] = numpy_helper.to_array(self._initializers[value])
            elif value in self._folded:
                self._constants[value] = self._fold(self._folded[value])
            else:
                return None
        return self._constants[value]

    def is_constant(self, value: str) -> bool:
        """Whether `constant` would give an array; does not decode it."""
        return value in self._initializers or value in self._folded or value in self._constants

    def _fold_quantized(self) -> None:
        """Find the values that are quantized or dequantized constants, and views of these."""
        known: dict[str, Any] = {**self._initializers, **self._folded}
        for node in self.nodes:
            if foldable(node, known):
                self._folded[node.outputs[0]] = known[node.outputs[0]] = node

    def _fold(self, node: Node) -> NDArray[Any]:
        """Array of a node that reads constants only."""
        if node.op_type == "Constant":
            return constant_of(node)
        arrays = [array for name in node.inputs if (array := self.constant(name)) is not None]
        return fold(node, arrays, [size or 0 for size in self.shape(node.outputs[0]) or ()])

    def producer(self, value: str) -> Node | None:
        """The forward node that writes `value`; None for inputs and initializers."""
        return self._producers.get(value)

    def is_rectified(self, value: str) -> bool:
        """Whether a forward value is a ReLU's output, or a concatenation of such on channels."""
        node = self._producers.get(value)
        if node is not None and node.op_type == "Concat":
            return all(self.is_rectified(part) for part in node.inputs)
        return node is not None and node.op_type == "Relu"

    # ---- writing -------------------------------------------------------------------------------

    def fresh(self, hint: str) -> str:
        """Return a value name that is not taken."""
        self._counter += 1
        return f"{PREFIX}{hint}_{self._counter}"

    def const(self, array: Any, dtype: Any = None) -> str:
        """Add an initializer (one per distinct content) and return its name."""
        array = np.asarray(array, dtype)
        array = np.ascontiguousarray(array).reshape(array.shape)  # keeps rank 0
        key = hashlib.sha1(array.tobytes() + repr((array.shape, array.dtype)).encode()).hexdigest()
        if key not in self._by_content:
            name = self.fresh("const")
            self.model.graph.initializer.append(numpy_helper.from_array(array, name))
            self._constants[name] = array
            self._shapes[name] = array.shape
            self._by_content[key] = name
        return self._by_content[key]

    def scalar(self, number: float) -> str:
        """Add a float32 constant of rank 0."""
        return self.const(np.float32(number))

    def ints(self, numbers: Iterable[int]) -> str:
        """Add a 1-D int64 constant (shapes, axes, pads)."""
        return self.const(np.array(list(numbers), np.int64))

    def op(self, op_type: str, *inputs: str, name: str | None = None, **attrs: Any) -> str:
        """Append a node with one output and return the output's name."""
        output = name or self.fresh(op_type)
        return self.append(op_type, inputs, [output], **attrs)[0]

    def append(
        self, op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attrs: Any
    ) -> Sequence[str]:
        """Append a node with any number of outputs and return their names."""
        node = helper.make_node(op_type, inputs, outputs, name=self.fresh("node"), **attrs)
        self._into.node.append(node)
        seen = Node(op_type, node.name, tuple(inputs), tuple(outputs), attrs)
        self._appended.update(dict.fromkeys(outputs, seen))
        return outputs

    @contextlib.contextmanager
    def nested(self) -> Iterator[onnx.GraphProto]:
        """Append nodes to a graph of their own, the body of a Loop, as long as this is open.

        A body sees all values of the graphs around it; constants go to the outermost one.
        """
        outer, self._into = self._into, onnx.GraphProto(name=self.fresh("body"))
        try:
            yield self._into
        finally:
            self._into = outer

    def adopt(self, node: onnx.NodeProto) -> None:
        """Append a node of another model, whose names are free here."""
        self._into.node.append(node)

    def own(self, tensor: onnx.TensorProto) -> None:
        """Add an initializer to the graph that is written to, be it a body."""
        self._into.initializer.append(tensor)

    def appended(self, value: str) -> Node | None:
        """The new node that writes `value`; None for values of the forward graph."""
        return self._appended.get(value)

    # ---- phrases used by many rules --------------------------------------------------------------

    def add(self, a: str, b: str) -> str:
        """A + b."""
        return self.op("Add", a, b)

    def sub(self, a: str, b: str) -> str:
        """A - b."""
        return self.op("Sub", a, b)

    def mul(self, a: str, b: str) -> str:
        """A * b."""
        return self.op("Mul", a, b)

    def div(self, a: str, b: str) -> str:
        """A / b."""
        return self.op("Div", a, b)

    def sum(self, x: str, axes: Sequence[int], keepdims: bool = True) -> str:
        """Sum over axes; none leaves `x` as it is."""
        if not axes:
            return x
        return self.op("ReduceSum", x, self.ints(axes), keepdims=int(keepdims))

    def reshape_like(self, x: str, like: str, was: str | None = None) -> str:
        """Give `x` the shape of the forward value `like`, whose batch axis may be open.

        `was` is the forward value whose shape `x` has: where its batch axis is the same one, it is
        copied, and an engine keeps knowing its size.
        """
        shape, old = self.shape(like), self.shape(was) if was else None
        if shape is None or sum(size is None for size in shape) > 1 or 0 in shape:
            return self.op("Reshape", x, self.op("Shape", like))
        kept = bool(shape and old) and shape[0] is None and area(old) == area(shape)
        batch = 0 if kept else -1
        return self.op("Reshape", x, self.ints(batch if size is None else size for size in shape))

    def slice(self, x: str, bounds: Mapping[int, tuple[int, int]], step: int = 1) -> str:
        """Take [start, stop) on some axes."""
        starts, stops = zip(*bounds.values(), strict=True)
        axes = self.ints(bounds)
        return self.op(
            "Slice", x, self.ints(starts), self.ints(stops), axes, self.ints([step] * len(bounds))
        )

    def pad(self, x: str, begin: Sequence[int], end: Sequence[int], value: float = 0.0) -> str:
        """Pad with a constant; one count per axis."""
        return self.op("Pad", x, self.ints([*begin, *end]), self.scalar(value))

    def lower(self, primitive: str, *args: Any) -> Any:
        """Write a primitive that engine families need in different forms."""
        form = self.lowering.get(primitive) or LOWERINGS["portable"][primitive]
        return form(self, *args)
