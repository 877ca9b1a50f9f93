"""Factors behind layers, and weights drawn anew, as graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from pooled import X, write_network

from pysal import export
from pysal.errors import OptionError
from pysal.export.passes.multipliers import add_multipliers
from pysal.export.passes.randomize import weighted_layers
from pysal.prepared import LOGITS, multiplier_name
from pysal.redraw import redraw

RNG = np.random.default_rng(8)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    path: Path = tmp_path_factory.mktemp("net") / "net.onnx"
    return export.prepare(write_network(path))


def test_inputs_and_shapes(prepared):
    model = export.build_scaled(prepared, ["r1", "f"])
    shapes = {
        i.name: [d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim]
        for i in model.graph.input
    }
    assert shapes == {
        "x": ["N", 3, 20, 20],
        multiplier_name("r1"): ["N", 8, 1, 1],
        multiplier_name("f"): ["N", 8],
    }
    assert [o.name for o in model.graph.output] == [LOGITS]
    assert "r1" in export.prepare(model_without_factors(model)).layers


def model_without_factors(model):
    """The same with ones as constants: an ordinary classifier again."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    inputs = [i for i in copy.graph.input if i.name != "x"]
    for value in inputs:
        size = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
        copy.graph.initializer.append(
            numpy_helper.from_array(np.ones(size, np.float32), value.name)
        )
        copy.graph.input.remove(value)
    return copy


def test_ones_are_the_network_and_zeros_a_network_without_it(prepared):
    model = ReferenceEvaluator(export.build_scaled(prepared, ["r1"]))
    plain = ReferenceEvaluator(export.build_forward(prepared))
    factor = multiplier_name("r1")
    ones = np.ones((len(X), 8, 1, 1), np.float32)
    (expected,) = plain.run(None, {"x": X})
    np.testing.assert_array_equal(model.run(None, {"x": X, factor: ones})[0], expected)
    (dark,) = model.run(None, {"x": X, factor: 0 * ones})
    np.testing.assert_array_equal(dark, np.repeat(dark[:1], len(X), axis=0))


def test_a_layer_that_several_nodes_read():
    """Both branches of y = r + relu(r) see the product."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Abs", ["x"], ["r"]),
        helper.make_node("Relu", ["r"], ["s"]),
        helper.make_node("Add", ["r", "s"], ["y"]),
    ]
    shape = ["N", 2, 3, 3]
    graph = helper.make_graph(
        nodes,
        "two",
        [value("x", TensorProto.FLOAT, shape)],
        [value("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    add_multipliers(model, {"r": (None, 2, 3, 3)})
    onnx.checker.check_model(model)
    x = RNG.normal(size=(2, 2, 3, 3)).astype(np.float32)
    factor = RNG.uniform(size=(2, 2, 1, 1)).astype(np.float32)
    (found,) = ReferenceEvaluator(model).run(None, {"x": x, multiplier_name("r"): factor})
    np.testing.assert_allclose(found, 2 * np.abs(x) * factor, rtol=1e-6)


def test_layers_that_have_no_channels(prepared):
    with pytest.raises(OptionError, match='no layer "r9"'):
        export.build_scaled(prepared, ["r9"])
    with pytest.raises(OptionError, match="is the logits"):
        export.build_scaled(prepared, ["z"])
    with pytest.raises(OptionError, match=r"\(N, Q, h, w\)"):
        add_multipliers(onnx.ModelProto(), {"tokens": (None, 5, 7)})


def test_weights_by_layer(prepared):
    assert prepared.weighted_layers == {"c1": ("w1",), "c2": ("w2",), "z": ("fc", "bias")}


def test_normalizations_constants_and_dead_branches():
    value, node = helper.make_tensor_value_info, helper.make_node
    constant = numpy_helper.from_array(RNG.normal(size=(4, 3)).astype(np.float32), "k")
    stats = {name: RNG.uniform(size=3).astype(np.float32) for name in ("s", "b", "m", "v")}
    nodes = [
        node("BatchNormalization", ["x", "s", "b", "m", "v"], ["n"]),
        node("GlobalAveragePool", ["n"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("Constant", [], ["k"], value=constant),
        node("Transpose", ["f"], ["t"]),
        node("MatMul", ["k", "t"], ["q"]),
        node("Transpose", ["q"], ["z"]),
        node("Conv", ["x", "w"], ["dead"]),
    ]
    weights = {**stats, "w": RNG.normal(size=(2, 3, 1, 1)).astype(np.float32)}
    graph = helper.make_graph(
        nodes,
        "norm",
        [value("x", TensorProto.FLOAT, ["N", 3, 4, 4])],
        [value("z", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert weighted_layers(model, "z") == {"n": ("s", "b"), "q": ("k",)}
    prepared = export.prepare(model)
    other = prepared.randomized(["n", "q"], seed=4, how="normal")
    found = {i.name: numpy_helper.to_array(i) for i in other.model.graph.initializer}
    for name in ("m", "v"):
        np.testing.assert_array_equal(found[name], stats[name])
    for name in ("s", "b"):
        drawn = redraw(stats[name], name, seed=4, how="normal")
        np.testing.assert_array_equal(found[name], drawn)
    drawn = next(n for n in other.model.graph.node if n.op_type == "Constant").attribute[0].t
    expected = redraw(numpy_helper.to_array(constant), "k", seed=4, how="normal")
    np.testing.assert_array_equal(numpy_helper.to_array(drawn), expected)
    untouched = {i.name: numpy_helper.to_array(i) for i in prepared.model.graph.initializer}
    np.testing.assert_array_equal(untouched["s"], stats["s"])


def test_a_copy_has_no_hash(prepared):
    other = prepared.randomized(["z"], seed=0, how="shuffle")
    assert other.sha256 == "" != prepared.sha256
    assert other.name == "net.onnx, randomized"
    assert other.layers == prepared.layers
