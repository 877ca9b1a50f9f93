"""The torch interpreter, which judges gradients, is itself judged by ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx_torch import logits_name, to_torch

ort = pytest.importorskip("onnxruntime")


def run(model: onnx.ModelProto, x: np.ndarray, output: str) -> np.ndarray:
    """What ONNX Runtime gives at an inner value."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    model.graph.output.append(helper.make_empty_tensor_value_info(output))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([output], {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize(("name", "scale"), [("squeezenet1.1", 50.0), ("mobilenet_v2", 1.0)])
def test_real_networks(data, name, scale):
    model = onnx.load(data / "models" / f"{name}.onnx")
    x = scale * np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    expected = run(model, x, logits_name(model.graph)).reshape(2, -1)
    for dtype in (torch.float32, torch.float64):
        with torch.no_grad():
            found = to_torch(model, dtype)(torch.from_numpy(x))
        assert found.dtype == dtype
        error = np.abs(found.numpy() - expected).max()
        assert error < 1e-4 * np.abs(expected).max()


def test_the_step_to_scores_is_left_out():
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["p"], axis=1),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "tiny", [], [helper.make_empty_tensor_value_info("y")])
    assert logits_name(graph) == "logits"


POOL = {"kernel_shape": [3, 3], "strides": [2, 2]}
WINDOWS = [
    ("MaxPool", POOL),
    ("MaxPool", {**POOL, "pads": [1, 1, 1, 1]}),
    ("MaxPool", {**POOL, "pads": [0, 0, 1, 1]}),
    ("MaxPool", {**POOL, "ceil_mode": 1}),
    ("MaxPool", {**POOL, "auto_pad": "SAME_UPPER"}),
    ("AveragePool", {**POOL, "pads": [1, 1, 1, 1]}),
    ("AveragePool", {**POOL, "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("AveragePool", {**POOL, "pads": [0, 1, 1, 0]}),
    ("AveragePool", {**POOL, "ceil_mode": 1}),
    ("GlobalMaxPool", {}),
    ("LRN", {"size": 3, "alpha": 0.1, "beta": 0.7, "bias": 2.0}),
    ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
    ("Softmax", {"axis": 1}),
    ("Softmax", {}),
    ("Transpose", {"perm": [0, 2, 3, 1]}),
    ("Flatten", {"axis": 2}),
]


@pytest.mark.parametrize(("operator", "attributes"), WINDOWS)
@pytest.mark.parametrize("opset", [11, 17])
def test_single_operators(operator, attributes, opset):
    first = helper.make_node(operator, ["x"], ["z"], **attributes)
    # A last Softmax would be left out as the step from logits to scores.
    check([first, helper.make_node("Neg", ["z"], ["y"])], [], opset)


@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [2, 2], "pads": [1, 0, 0, 1]},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"group": 2, "dilations": [2, 2], "pads": [2, 2, 2, 2]},
    ],
)
def test_convolutions(attributes):
    weight = np.random.default_rng(1).normal(size=(6, 4, 3, 3)).astype(np.float32)
    weight = weight[:, : 4 // attributes.get("group", 1)]
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    check([node], [numpy_helper.from_array(weight, "w")], 17)


def test_padding_before_a_convolution_is_folded():
    generator = np.random.default_rng(1)
    weight = generator.normal(size=(6, 4, 3, 3)).astype(np.float32)
    pads = np.array([0, 0, 0, 1, 0, 0, 2, 1])
    nodes = [
        helper.make_node("Pad", ["x", "p"], ["z"]),
        helper.make_node("Conv", ["z", "w"], ["y"], pads=[1, 0, 1, 0]),
    ]
    constants = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(pads, "p")]
    module = check(nodes, constants, 17)
    assert len(module.nodes) == 1


def check(nodes: list[onnx.NodeProto], constants: list[TensorProto], opset: int):
    """Compare a tiny graph x -> y in float32 and float64."""
    x = np.random.default_rng(0).normal(size=(2, 4, 9, 8)).astype(np.float32)
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "tiny", [value], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    module = to_torch(model, torch.float64)
    expected = session.run(None, {"x": x})[0]
    found = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected.reshape(found.shape), atol=1e-5)
    return module
