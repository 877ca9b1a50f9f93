"""The cotangent at which a backward walk starts: where it is formed, and its scale.

In float16 a gradient of size 1e-8 is zero, and that of a probability near 1 begins below that. The
rules carry multiples of a cotangent to the same multiples of the gradient, so every image's is
divided by its largest element, and the gradients are multiplied by it, in float32.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pysal.prepared import GRADIENT_OF, INPUT_GRADIENT, LOGITS, SEED, SEED_LAYER

SIZE = 16.0
"""Largest element of a scaled cotangent: a gradient grows and shrinks on its way."""
TINY = 1e-30
"""In place of the size of a cotangent that is zero."""
AXES_INPUT = 18
"""Operator set from which on ReduceMax takes its axes as an input."""


@dataclasses.dataclass
class Inserted:
    """What a pass has added: outputs of nodes, and values and weights, all of them float32."""

    nodes: set[str] = dataclasses.field(default_factory=set)
    values: set[str] = dataclasses.field(default_factory=set)


def cotangent_nodes(graph: onnx.GraphProto) -> set[str]:
    """Outputs of the nodes that form the cotangent of the logits from logits and seeds."""
    producers = {output: node for node in graph.node for output in node.output}
    found: set[str] = set()
    todo = [node for node in graph.node if SEED in node.input]
    while todo:
        node = todo.pop()
        found.update(node.output)
        before = [producers[i] for i in node.input if i in producers and i != LOGITS]
        todo += [parent for parent in before if parent.output[0] not in found]
    return found


def scale_cotangent(model: onnx.ModelProto) -> Inserted:
    """Divide the cotangent by its largest element per image, and multiply the gradients, in place.

    A model without a backward pass stays as it is.
    """
    graph, added = model.graph, Inserted()
    gradients = [o for o in graph.output if _is_gradient(o.name)]
    start = _start(graph)
    if start is None or not gradients:
        return added
    cotangent, rank, place = start
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    write = _Writer(graph, added)
    scaled = f"{cotangent}/unit"
    for node in graph.node:
        node.input[:] = [scaled if name == cotangent else name for name in node.input]
    axes = list(range(1, rank))
    size = write.op("Abs", [cotangent], "abs")
    if opset >= AXES_INPUT:
        size = write.op("ReduceMax", [size, write.const(axes, np.int64)], "max", keepdims=1)
    else:
        size = write.op("ReduceMax", [size], "max", axes=axes, keepdims=1)
    size = write.op("Mul", [size, write.const(1 / SIZE)], "part")
    size = write.op("Max", [size, write.const(TINY)], "size")
    write.op("Div", [cotangent, size], scaled, whole_name=True)
    graph_nodes = [*graph.node[:place], *write.take(), *graph.node[place:]]
    for output in gradients:
        inner = f"{output.name}/unit"
        for node in graph_nodes:
            node.output[:] = [inner if name == output.name else name for name in node.output]
            node.input[:] = [inner if name == output.name else name for name in node.input]
        ones = [1] * (len(output.type.tensor_type.shape.dim) - 1)
        factor = write.op("Reshape", [size, write.const([-1, *ones], np.int64)], f"{inner}/size")
        write.op("Mul", [inner, factor], output.name, whole_name=True)
        graph_nodes += write.take()
        added.values.add(inner)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph_nodes]
    del graph.node[:]
    graph.node.extend(copies)
    return added


def _is_gradient(name: str) -> bool:
    return name == INPUT_GRADIENT or name.startswith(GRADIENT_OF)


def _start(graph: onnx.GraphProto) -> tuple[str, int, int] | None:
    """The cotangent, its number of axes, and the place of the node behind the one that forms it."""
    for i, node in enumerate(graph.node):
        if SEED in node.input:
            return node.output[0], 2, i + 1
    for value in graph.input:
        if value.name == SEED_LAYER:
            return SEED_LAYER, len(value.type.tensor_type.shape.dim), 0
    return None


class _Writer:
    """Makes nodes and constants, and notes them."""

    def __init__(self, graph: onnx.GraphProto, added: Inserted) -> None:
        self._graph, self._added = graph, added
        self._nodes: list[onnx.NodeProto] = []
        self._count = 0

    def op(
        self, op_type: str, inputs: list[str], name: str, whole_name: bool = False, **attrs: object
    ) -> str:
        """Make a node with one output; return the output's name."""
        output = name if whole_name else f"pysal/cotangent/{name}"
        self._nodes.append(helper.make_node(op_type, inputs, [output], f"{output}/node", **attrs))
        self._added.nodes.add(output)
        self._added.values.add(output)
        return output

    def const(self, numbers: object, dtype: type = np.float32) -> str:
        """Add an initializer; return its name."""
        self._count += 1
        name = f"pysal/cotangent/const_{self._count}"
        self._graph.initializer.append(numpy_helper.from_array(np.array(numbers, dtype), name))
        if dtype is np.float32:
            self._added.values.add(name)
        return name

    def take(self) -> list[onnx.NodeProto]:
        """The nodes made since the last time."""
        nodes, self._nodes = self._nodes, []
        return nodes
