"""Square weights that a forward and a backward pass read both ways, which OpenVINO mixes up."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pysal.backends import engines
from pysal.backends.ort import OrtClassifier
from pysal.errors import CapabilityError
from pysal.types import Target

if engines()["openvino"] != "available" and "openvino" not in os.environ.get(
    "PYSAL_TEST_BACKENDS", ""
):
    pytest.skip(engines()["openvino"], allow_module_level=True)

from pysal.backends.openvino import OpenVinoClassifier

WIDTH, TOKENS, CLASSES = 32, 16, 10
X = np.random.default_rng(0).normal(size=(3, 1, 16, 32)).astype(np.float32)


def write_tokens(path: Path, *, both: bool) -> Path:
    """Tokens (N * 16, 32) and a Gemm with turned square weights; with `both` the same ones back."""
    draw = np.random.default_rng(1)
    tensors = {
        "rows": np.array([-1, WIDTH]),
        "images": np.array([-1, TOKENS * WIDTH]),
        "square": draw.normal(0, 0.3, size=(WIDTH, WIDTH)).astype(np.float32),
        "head": draw.normal(0, 0.1, size=(CLASSES, TOKENS * WIDTH)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["x", "rows"], ["tokens"]),
        helper.make_node("Gemm", ["tokens", "square"], ["mixed"], transB=1),
        helper.make_node("Mul", ["mixed", "mixed"], ["bent"]),  # not fused into the product
        helper.make_node("Gemm", ["bent", "square"], ["back"], transB=0),
        helper.make_node("Reshape", ["back" if both else "bent", "images"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        [node for node in nodes if both or node.output[0] != "back"],
        "tokens",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *X.shape[1:]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


def test_the_gradient_is_right(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "net.onnx", both=False)
    target = Target(np.array([0, 4, 9]), "logit")
    (score, found), (expected_score, expected) = (
        engine(path, threads=1).value_and_grad(X, target)
        for engine in (OpenVinoClassifier, OrtClassifier)
    )
    np.testing.assert_allclose(score, expected_score, rtol=1e-5)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_a_model_that_reads_them_both_ways_is_refused(tmp_path: Path) -> None:
    net = OpenVinoClassifier(write_tokens(tmp_path / "net.onnx", both=True), threads=1)
    with pytest.raises(CapabilityError, match='"square" and their transpose'):
        net.score(X)
