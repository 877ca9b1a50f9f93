"""Branches that are known take the place of their If; the others are no hole in the graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from checker import CLASSES, Case, Net, check, gradient, prepare, run
from onnx import TensorProto, helper, numpy_helper

from pysal.errors import UnsupportedOpError
from pysal.export.build import build_forward
from pysal.export.nodes import bodies
from pysal.prepared import LOGITS

IMAGE = np.random.default_rng(0).normal(size=(2, 3, 1, 6)).astype(np.float32)


def branch(output: str, *nodes: onnx.NodeProto, weights=()) -> onnx.GraphProto:
    end = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    return helper.make_graph(list(nodes), output, [], [end], weights)


def branched(net: Net, condition: str, value: str) -> str:
    """An If whose branches read a value of the graph, under names that are in both."""
    half = helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])
    node = helper.make_node
    scaled = branch(
        "b", node("Tanh", [value], ["a"]), node("Mul", ["a", "half"], ["b"]), weights=[half]
    )
    plain = branch("b", node("Neg", [value], ["a"]), node("Exp", ["a"], ["b"]))
    return net.op("If", condition, then_branch=scaled, else_branch=plain)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def is_one(net: Net, value: str, axis: int) -> str:
    """Whether an axis has one element, as exporters ask."""
    size = net.op("Gather", net.op("Shape", value), net.const(axis, np.int64))
    return net.op("Equal", size, net.const(1, np.int64))


@pytest.mark.parametrize("opset", [11, 18])
@pytest.mark.parametrize(("axis", "taken"), [(2, "Tanh"), (3, "Exp")])
def test_a_condition_on_the_image_size_is_known(axis: int, taken: str, opset: int) -> None:
    net = Net(IMAGE, opset)
    first = branched(net, is_one(net, "x", axis), net.op("Sin", "x"))
    case = net.case(branched(net, is_one(net, first, axis), first))
    found = kinds(prepare(case.model).model)
    assert found.count(taken) == 2
    assert "If" not in found
    check(case)
    assert_forward(case)


def test_a_branch_may_be_a_weight() -> None:
    net = Net(IMAGE)
    weight = helper.make_tensor("a", TensorProto.FLOAT, [], [2.0])
    other = branch("a", helper.make_node("ReduceMax", ["x"], ["a"], keepdims=0))
    factor = net.op(
        "If",
        net.const(True, np.bool_),
        then_branch=branch("a", weights=[weight]),
        else_branch=other,
    )
    case = net.case(net.op("Mul", "x", factor))
    assert "If" not in kinds(prepare(case.model).model)
    check(case)
    assert_forward(case)


def test_a_condition_on_pixels_stays_and_has_no_gradient() -> None:
    net = Net(IMAGE)
    inside = net.op("Sin", "x")  # read by the branches only
    bright = net.op("Greater", net.op("ReduceMax", "x", keepdims=0), net.const(0.0))
    case = net.case(net.op("Add", branched(net, bright, inside), "x"))
    assert_forward(case)
    with pytest.raises(UnsupportedOpError, match=r"no rule for If \(If_"):
        gradient(prepare(case.model), net.image, np.ones((1, CLASSES)))


def test_what_only_branches_read_is_seen_by_receptive_fields() -> None:
    net = Net(IMAGE)
    bright = net.op("Greater", net.op("ReduceMax", "x", keepdims=0), net.const(0.0))
    inside = net.op("Conv", "x", net.const(np.ones((3, 3, 1, 3))), pads=[0, 1, 0, 1])
    total = net.op("Add", branched(net, bright, inside), "x")
    assert prepare(net.case(total).model).receptive_field(total) is None  # not that of x alone


def test_branches_of_other_float_widths_are_computed_in_float32() -> None:
    net = Net(IMAGE)
    bright = net.op("Greater", net.op("ReduceMax", "x", keepdims=0), net.const(0.0))
    case = net.case(branched(net, bright, net.op("Sin", "x")))
    wide = onnx.ModelProto.FromString(case.model.SerializeToString())
    double = TensorProto.DOUBLE
    for value in (*wide.graph.input, *wide.graph.output):
        value.type.tensor_type.elem_type = double
    graphs = [wide.graph, *(body for node in wide.graph.node for body in bodies(node))]
    for graph in graphs:
        for tensor in graph.initializer:
            if tensor.data_type == TensorProto.FLOAT:
                array = numpy_helper.to_array(tensor).astype(np.float64)
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        for value in graph.output:
            value.type.tensor_type.elem_type = double
    found, expected = (
        run(build_forward(prepare(model)), {"x": IMAGE})[LOGITS] for model in (wide, case.model)
    )
    np.testing.assert_array_equal(found, expected)


def assert_forward(case: Case) -> None:
    """The scores are those of the file."""
    prepared = prepare(case.model)
    feeds = {prepared.input_name: case.x}
    (expected,) = run(case.model, feeds).values()
    np.testing.assert_allclose(run(build_forward(prepared), feeds)[LOGITS], expected, rtol=1e-6)
