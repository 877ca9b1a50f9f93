"""A model put into a larger graph, under names of its own."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import numpy_helper

from ..graph import Graph
from ..nodes import bodies, reads


class Inlined:
    """Nodes of a model that are written into a graph when one of their outputs is asked for.

    Parameters
    ----------
    model : onnx.ModelProto
        Stays as it is.
    prefix : str
        Put before every name, so that models do not disturb each other.
    feeds : mapping of str to str
        Values of the graph that take the place of the model's inputs.
    shared : bool
        Whether weights go to the outermost graph, each once however many models use it. Else they
        go to the graph that the nodes are in: ONNX Runtime runs Convs in its blocked layout only
        where the weights are beside them.
    """

    def __init__(
        self, model: onnx.ModelProto, prefix: str, feeds: Mapping[str, str], *, shared: bool
    ) -> None:
        self._nodes = list(model.graph.node)
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._prefix, self._shared = prefix, shared
        self._names = {"": "", **feeds}

    def feed(self, feeds: Mapping[str, str]) -> None:
        """Give inputs that were not known before."""
        self._names.update(feeds)

    def emit(self, g: Graph, output: str) -> str:
        """Write the nodes that a value needs and that are not there yet; return its name in `g`."""
        for node in self._missing(output):
            for name in reads(node):
                if name in self._weights and name not in self._names:
                    self._names[name] = self._weight(g, name)
            g.adopt(self._renamed(node))
            self._names.update((name, self._prefix + name) for name in node.output if name)
        return self._names[output]

    def _missing(self, output: str) -> list[onnx.NodeProto]:
        """Nodes that a value needs, in order."""
        wanted, found = {output} - self._names.keys(), []
        for node in reversed(self._nodes):
            if any(name in wanted for name in node.output):
                wanted.update(set(reads(node)) - self._names.keys())
                found.append(node)
        return found[::-1]

    def _weight(self, g: Graph, name: str) -> str:
        """Add a weight to `g`."""
        if self._shared:
            return g.const(numpy_helper.to_array(self._weights[name]))
        tensor = onnx.TensorProto()
        tensor.CopyFrom(self._weights[name])
        tensor.name = self._prefix + name
        g.own(tensor)
        return tensor.name

    def _renamed(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """A copy of a node under the names of the graph."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = self._prefix + node.name if node.name else ""
        self._rename(copy)
        return copy

    def _rename(self, node: onnx.NodeProto) -> None:
        node.input[:] = [self._names.get(name, self._prefix + name) for name in node.input]
        node.output[:] = [self._prefix + name if name else "" for name in node.output]
        for graph in bodies(node):
            for value in (*graph.input, *graph.initializer):
                value.name = self._prefix + value.name
            for inner in graph.node:
                self._rename(inner)
            for value in graph.output:
                value.name = self._names.get(value.name, self._prefix + value.name)
