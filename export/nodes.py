"""Nodes and values of a model as Python values, without the file that they are in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from pysal.errors import ModelFormatError

Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class Node:
    """One forward node: names of what it reads and writes, attributes as Python values.

    `captured` are values of the graph that branches or bodies within the node read.
    """

    op_type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any]
    captured: tuple[str, ...] = ()

    @classmethod
    def of(cls, proto: onnx.NodeProto) -> Node:
        """View a protobuf node."""
        attrs = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        text = {k: v.decode() if isinstance(v, bytes) else v for k, v in attrs.items()}
        names = tuple(proto.input), tuple(proto.output)
        return cls(proto.op_type, proto.name, *names, text, tuple(captured(proto)))

    @property
    def reads(self) -> tuple[str, ...]:
        """Everything that the node depends on."""
        return self.inputs + self.captured

    def label(self) -> str:
        """Operator and node name, for messages."""
        return f'{self.op_type} "{self.name or self.outputs[0]}"'


def bodies(proto: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Graphs inside a node: branches and loop bodies."""
    return [a.g for a in proto.attribute if a.type == onnx.AttributeProto.GRAPH]


def captured(proto: onnx.NodeProto) -> list[str]:
    """Values from outside that the bodies of a node read."""
    names: dict[str, None] = {}
    for graph in bodies(proto):
        own = {value.name for value in (*graph.input, *graph.initializer)}
        own.update(name for inner in graph.node for name in inner.output)
        within = [name for inner in graph.node for name in reads(inner)]
        within += [value.name for value in graph.output]
        names.update(dict.fromkeys(name for name in within if name and name not in own))
    return list(names)


def reads(proto: onnx.NodeProto) -> list[str]:
    """Everything that a node depends on: its inputs, and what its bodies capture."""
    return [*proto.input, *captured(proto)]


def rename_reads(proto: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Let a node, and the bodies within it, read other values."""
    proto.input[:] = [names.get(name, name) for name in proto.input]
    for graph in bodies(proto):
        for inner in graph.node:
            rename_reads(inner, names)
        for value in graph.output:
            value.name = names.get(value.name, value.name)


def area(shape: Shape | None) -> int | None:
    """Elements per image of a value whose first axis is open; None for other values."""
    if not shape or shape[0] is not None or None in shape[1:]:
        return None
    return int(np.prod([size or 0 for size in shape[1:]]))


def value_types(model: onnx.ModelProto) -> tuple[dict[str, Shape], dict[str, int]]:
    """Shapes and element types of all values that shape inference could tell."""
    shapes: dict[str, Shape] = {}
    types: dict[str, int] = {i.name: i.data_type for i in model.graph.initializer}
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        tensor = value.type.tensor_type
        types[value.name] = tensor.elem_type
        if tensor.HasField("shape"):
            shapes[value.name] = tuple(
                d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim
            )
    return shapes, types


def constant_of(node: Node) -> NDArray[Any]:
    """Array of a Constant node, whichever attribute holds it."""
    for key, value in node.attrs.items():
        if key == "value":
            return numpy_helper.to_array(value)
        if key in ("value_int", "value_ints"):
            return np.array(value, np.int64)
        if key in ("value_float", "value_floats"):
            return np.array(value, np.float32)
    raise ModelFormatError(f"{node.label()}: only dense numeric constants are supported")
