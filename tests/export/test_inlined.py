"""Models put into a larger graph, and loops written into one."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from pysal.export.explainers.inlined import Inlined
from pysal.export.explainers.phrases import BOOL, FLOAT, loop
from pysal.export.graph import Graph

OPSET = helper.make_opsetid("", 18)


def value(name: str, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [None])


def branching() -> onnx.ModelProto:
    """y = w * x where x sums to more than 0, else x - w; and z = x + w, which y does not need."""
    then = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["a"])], "then", [], [value("a")])
    other = helper.make_graph(
        [helper.make_node("Sub", ["x", "w"], ["a"])], "else", [], [value("a")]
    )
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=then, else_branch=other),
        helper.make_node("Add", ["x", "w"], ["z"]),
    ]
    weights = {"w": np.array([2.0, 3.0], np.float32), "zero": np.float32(0)}
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in weights.items()]
    graph = helper.make_graph(nodes, "branching", [value("x")], [value("y"), value("z")], tensors)
    return helper.make_model(graph, opset_imports=[OPSET])


def empty() -> Graph:
    """A graph with one input, "x"."""
    graph = onnx.GraphProto(name="outer", input=[value("x")])
    return Graph(helper.make_model(graph, opset_imports=[OPSET], ir_version=8))


def run(g: Graph, output: str, x: list[float]) -> list[float]:
    """The output for an input."""
    g.model.graph.output.append(value(output))
    onnx.checker.check_model(g.model)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(g.model.SerializeToString(), options)
    found: list[float] = session.run(None, {"x": np.array(x, np.float32)})[0].tolist()
    return found


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("x", "wanted"), [([1.0, 1.0], [4.0, 9.0]), ([-1.0, 0.0], [-5.0, -6.0])])
def test_a_model_can_be_there_twice(shared: bool, x: list[float], wanted: list[float]) -> None:
    g = empty()
    first = Inlined(branching(), "first/", {"x": "x"}, shared=shared).emit(g, "y")
    second = Inlined(branching(), "second/", {"x": first}, shared=shared).emit(g, "y")
    assert run(g, second, x) == wanted
    assert len(g.model.graph.node) == 6  # z is not asked for
    assert len(g.model.graph.initializer) == (2 if shared else 4)


def test_emitting_goes_on_where_it_stopped() -> None:
    g = empty()
    network = Inlined(branching(), "n/", {"x": "x"}, shared=True)
    assert network.emit(g, "positive") == "n/positive"
    assert network.emit(g, "positive") == "n/positive"
    assert [node.op_type for node in g.model.graph.node] == ["ReduceSum", "Greater"]
    network.emit(g, "y")
    network.emit(g, "z")
    assert [node.op_type for node in g.model.graph.node][2:] == ["If", "Add"]


@pytest.mark.parametrize("shared", [True, False])
def test_weights_are_beside_the_nodes_of_a_body_or_outside(shared: bool) -> None:
    g = empty()

    def step(_: str, before: list[str]) -> tuple[list[str], None]:
        return [Inlined(branching(), "n/", {"x": before[0]}, shared=shared).emit(g, "y")], None

    (after,) = loop(g, 3, [("x", FLOAT)], step)
    body = g.model.graph.node[0].attribute[0].g
    assert len(body.initializer) == (0 if shared else 2)
    assert run(g, after, [1.0, 1.0]) == [8.0, 27.0]


def test_a_loop_ends_where_its_condition_says() -> None:
    g = empty()

    def step(_: str, before: list[str]) -> tuple[list[str], str]:
        doubled = g.add(before[0], before[0])
        small = g.op("Less", g.op("ReduceSum", doubled, keepdims=0), g.scalar(20.0))
        return [doubled, small], small

    yes = g.const(np.array(True))
    doubled, small = loop(g, 100, [("x", FLOAT), (yes, BOOL)], step)
    assert run(g, g.op("Where", small, g.scalar(-1.0), doubled), [1.0, 1.5]) == [8.0, 12.0]
