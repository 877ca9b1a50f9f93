"""Quantized files on OpenVINO: its integer kernels against ONNX Runtime's, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from quantized_nets import Style, network
from quantizing import SETTINGS, X, quantized, weights_only, write_quantized
from tiny import CLASSES

from pysal.backends import engines
from pysal.backends.ort import OrtClassifier
from pysal.errors import CapabilityError, UnsupportedOpError
from pysal.explainer import Explainer
from pysal.types import Target

if engines()["openvino"] != "available" and "openvino" not in os.environ.get(
    "PYSAL_TEST_BACKENDS", ""
):
    pytest.skip(engines()["openvino"], allow_module_level=True)

from pysal.backends.openvino import OpenVinoClassifier
from pysal.backends.openvino_session import cpu_precisions

TARGET = Target(np.arange(6) % CLASSES, "logit")
TABLES = ("gradient", "gradient_unclipped", "guided_backprop")
EIGHT = [name for name in SETTINGS if name != "16 bits"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name of the settings -> a quantized file that ends in logits."""
    return write_quantized(tmp_path_factory.mktemp("quantized"))


def assert_close(found: np.ndarray, wanted: np.ndarray, message: str = "") -> None:
    """Gradients are equal to rounding, relative to the largest of their image."""
    size = np.abs(wanted).max(axis=(1, 2, 3), keepdims=True)
    assert (size > 0).all(), message
    np.testing.assert_allclose(found / size, wanted / size, atol=5e-6, err_msg=message)


@pytest.mark.parametrize("name", EIGHT)
def test_scores_and_gradients_are_those_of_onnx_runtime(name: str, files: dict[str, Path]) -> None:
    net, judge = (c(files[name], threads=1) for c in (OpenVinoClassifier, OrtClassifier))
    scores = net.score(X, "logit")
    np.testing.assert_allclose(scores, judge.score(X, "logit"), rtol=1e-6)
    for rules in TABLES:
        (value, grad), (_, wanted) = (
            c.value_and_grad(X, TARGET, rules=rules) for c in (net, judge)
        )
        np.testing.assert_allclose(value, scores[np.arange(6), TARGET.index], rtol=1e-6)
        assert_close(grad, wanted, rules)


@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize(
    "style",
    [
        Style(),
        Style(per_channel=True),
        Style("int8", absorbed=False, per_channel=True),
        Style(rounded_weights=True, per_channel=True),
    ],
    ids=["uint8", "per channel", "int8", "own pairs"],
)
def test_deeper_networks_round_a_few_steps_apart(tmp_path: Path, style: Style, seed: int) -> None:
    """Integer kernels round sums in other places; gradient runs have the numbers of the file."""
    case, path = network(style, seed), tmp_path / "net.onnx"
    onnx.save(case.model, path)
    net, judge = (c(path, threads=1) for c in (OpenVinoClassifier, OrtClassifier))
    target = Target(np.array([0, 1]), "logit")
    (value, grad), (wanted_value, wanted) = (c.value_and_grad(case.x, target) for c in (net, judge))
    np.testing.assert_allclose(value, wanted_value, rtol=1e-5)
    assert_close(grad, wanted)
    logits = judge.score(case.x, "logit")
    off = np.abs(net.score(case.x, "logit") - logits).max()
    assert off < 5 * np.ptp(logits) / 255  # seen: up to 4


def attention(path: Path) -> Path:
    """Patches, products of two values, a product with a constant, a layer norm, a perceptron."""
    rng, d = np.random.default_rng(0), 16
    shapes = {"pw": (d, 3, 4, 4), "q": (d, d), "k": (d, d), "v": (d, d), "w1": (d, 2 * d)}
    shapes |= {"w2": (2 * d, d), "fc": (d, CLASSES)}
    weights = {n: 0.3 * rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}
    weights |= {"one": np.ones(d, np.float32), "nil": np.zeros(d, np.float32)}
    weights |= {"quarter": np.array(0.25, np.float32), "tokens": np.array([0, d, -1])}
    tensors = [numpy_helper.from_array(w, n) for n, w in weights.items()]
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "pw"], ["c"], strides=[4, 4]),
        node("Reshape", ["c", "tokens"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
        node("LayerNormalization", ["t", "one", "nil"], ["n"], axis=-1),
        node("MatMul", ["n", "q"], ["nq"]),
        node("MatMul", ["n", "k"], ["nk"]),
        node("MatMul", ["n", "v"], ["nv"]),
        node("Transpose", ["nk"], ["kt"], perm=[0, 2, 1]),
        node("MatMul", ["nq", "kt"], ["qk"]),
        node("Mul", ["qk", "quarter"], ["s"]),
        node("Softmax", ["s"], ["a"], axis=-1),
        node("MatMul", ["a", "nv"], ["av"]),
        node("Add", ["av", "t"], ["u"]),
        node("MatMul", ["u", "w1"], ["h"]),
        node("Relu", ["h"], ["hr"]),
        node("MatMul", ["hr", "w2"], ["o"]),
        node("ReduceMean", ["o"], ["m"], axes=[1], keepdims=0),
        node("MatMul", ["m", "fc"], ["z"]),
    ]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 16, 16])
    logits = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", CLASSES])
    graph = helper.make_graph(nodes, "attention", [image], [logits], tensors)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


@pytest.mark.parametrize("own", [False, True], ids=["integers", "own pairs"])
def test_attention_with_scales_per_channel(tmp_path: Path, own: bool) -> None:
    options = {"per_channel": True, "extra_options": {"AddQDQPairToWeight": own}}
    path = quantized(attention(tmp_path / "f.onnx"), tmp_path / "q.onnx", X[:3], **options)
    net, judge = (c(path, threads=1) for c in (OpenVinoClassifier, OrtClassifier))
    (value, grad), (_, wanted) = (c.value_and_grad(X, TARGET) for c in (net, judge))
    off = np.abs(grad - wanted).max(axis=(1, 2, 3)) / np.abs(wanted).max(axis=(1, 2, 3))
    assert np.median(off) < 5e-6
    assert off.max() < 0.03  # where one value rounds to the next step
    logits = judge.score(X, "logit")
    step = np.ptp(logits) / 255
    rows = np.arange(6)
    assert np.abs(value - logits[rows, TARGET.index]).max() < 3.5 * step
    assert np.abs(net.score(X, "logit") - logits).max() < 3.5 * step


def test_what_meets_integer_weights_is_not_rounded(tmp_path: Path) -> None:
    """OpenVINO rounds it to 8 bits by default, and loses scales that are summed over."""
    path, exact = weights_only(tmp_path / "net.onnx")
    net = OpenVinoClassifier(path, threads=1)
    for found, wanted in exact(net):
        assert np.abs(found - wanted).max() < 1e-6 * np.abs(wanted).max()


def test_integer_kernels_run_in_forward_sessions(files: dict[str, Path]) -> None:
    net = OpenVinoClassifier(files["per channel"], threads=1)
    net.score(X[:1])
    (session,) = net._sessions.values()
    found = {
        op.get_rt_info()["layerType"].astype(str): op.get_rt_info()["runtimePrecision"].astype(str)
        for op in session._compiled.get_runtime_model().get_ops()
    }
    assert found["Convolution"] in ("u8", "i8")
    assert found["FullyConnected"] in ("u8", "i8")


@pytest.mark.parametrize(
    ("method", "options", "off"),
    [
        ("rise", {"samples": 40}, 1e-5),
        ("occlusion", {}, 1e-5),
        ("gradcam", {}, 1e-5),
        ("guided_backprop", {}, 1e-5),
        ("smoothgrad", {"samples": 4}, 1e-5),
        ("igos", {"preset": "fast", "size": 5, "noise": "off"}, 0.03),  # a line search: steps show
    ],
)
def test_methods_give_the_maps_of_onnx_runtime(
    method: str, options: dict, off: float, files: dict[str, Path]
) -> None:
    maps = []
    for engine in (OpenVinoClassifier, OrtClassifier):
        net = engine(files["per channel"], threads=1)
        maps.append(Explainer(net, method, kind="logit", **options)(X[:2]).native)
        net.close()
    size = np.abs(maps[1]).max()
    assert size > 0
    np.testing.assert_allclose(maps[0] / size, maps[1] / size, atol=off)


@pytest.mark.parametrize("precision", cpu_precisions()[1:])
def test_floats_of_a_quantized_network_may_be_shorter(
    precision: str, files: dict[str, Path]
) -> None:
    net = OpenVinoClassifier(files["per channel"], threads=1, precision=precision, probe=X)
    net.prepare({"grad"})
    assert net.info.precision_check["used"] == precision
    assert net.info.precision_check["cosine"] > 0.99


# ---- refused -------------------------------------------------------------------------------------


def test_16_bits_are_refused(files: dict[str, Path]) -> None:
    net = OpenVinoClassifier(files["16 bits"], threads=1)
    for call in (lambda: net.score(X), lambda: net.value_and_grad(X, TARGET)):
        with pytest.raises(CapabilityError, match=r'16 bits .* use engine "ort"') as caught:
            call()
        assert "\n" not in str(caught.value)


def test_operators_that_openvino_does_not_have_are_named(files: dict[str, Path]) -> None:
    net = OpenVinoClassifier(files["qoperator"], threads=1)
    with pytest.raises(CapabilityError, match=r'QGemm.*; use engine "ort"') as caught:
        net.score(X)
    assert "\n" not in str(caught.value)


def test_dynamically_quantized_files_have_scores(files: dict[str, Path]) -> None:
    net, judge = (c(files["dynamic"], threads=1) for c in (OpenVinoClassifier, OrtClassifier))
    np.testing.assert_allclose(net.score(X, "logit"), judge.score(X, "logit"), rtol=1e-4)
    with pytest.raises(UnsupportedOpError, match="QuantFormat"):
        net.value_and_grad(X, TARGET)
