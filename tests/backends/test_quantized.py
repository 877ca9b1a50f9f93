"""Quantized files on ONNX Runtime: scores are those of the integer kernels, to the bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from quantizing import SETTINGS, X, weights_only, write_quantized
from tiny import CLASSES

from pysal.backends.ort import OrtClassifier
from pysal.backends.ort_session import open_session
from pysal.errors import UnsupportedOpError
from pysal.explainer import Explainer
from pysal.export import build_gradient, prepare, save_model
from pysal.types import Target

TARGET = Target(np.arange(6) % CLASSES)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name of the settings -> a quantized file that ends in logits."""
    return write_quantized(tmp_path_factory.mktemp("quantized"))


def plain(path: Path) -> np.ndarray:
    """What the file itself answers, in a session of its own."""
    session = open_session(str(path), 1)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: X[i : i + 1]})[0] for i in range(len(X))])


@pytest.mark.parametrize("name", SETTINGS)
def test_scores_are_those_of_the_file_to_the_bit(name: str, files: dict[str, Path]) -> None:
    net = OrtClassifier(files[name], threads=1)
    expected = plain(files[name])
    np.testing.assert_array_equal(net.score(X, "logit"), expected)
    target = dataclasses.replace(TARGET, kind="logit")
    wanted = expected[np.arange(len(X)), target.index]
    for rules in ("gradient", "gradient_unclipped", "guided_backprop"):
        value, grad = net.value_and_grad(X, target, rules=rules)
        np.testing.assert_array_equal(value, wanted, err_msg=rules)
        assert np.abs(grad).max() > 0
    (value, activation, _), _ = net.layer_grad(X, target, net.info.cam_layer)
    np.testing.assert_array_equal(value, wanted)
    assert activation.min() >= 0  # behind the ReLU


def test_a_prepared_file_answers_as_the_original(tmp_path: Path, files: dict[str, Path]) -> None:
    original = OrtClassifier(files["per channel"], threads=1)
    prepared = prepare(files["per channel"])
    save_model(build_gradient(prepared), tmp_path / "net.onnx")
    given = OrtClassifier(tmp_path / "net.onnx", threads=1)
    for found, wanted in zip(
        *(c.value_and_grad(X, TARGET) for c in (given, original)), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


def test_integer_kernels_run_in_both_sessions(tmp_path: Path, files: dict[str, Path]) -> None:
    """The forward pass is fused to integer kernels, beside a backward pass too."""
    net = OrtClassifier(files["uint8"], threads=1)
    for built in (net._files.forward(()), net._files.gradient("gradient", "input")):
        options = ort.SessionOptions()
        options.log_severity_level = 4  # it says that the written file is for this machine only
        options.optimized_model_filepath = str(tmp_path / "fused.onnx")
        ort.InferenceSession(built[0], options, providers=["CPUExecutionProvider"])
        fused = {node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node}
        assert {"QLinearConv", "QLinearGlobalAveragePool"} <= fused


def test_the_rounding_of_probabilities_is_left_out(files: dict[str, Path]) -> None:
    """A quantized softmax has steps of 1 / 256; scores are the softmax of the same logits."""
    for name in ("softmax", "qoperator"):
        net, answers = OrtClassifier(files[name], threads=1), plain(files[name])
        assert net.info.output_kind == "softmax"
        found = net.score(X)
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(found, answers, atol=1.5 / 256)
        steps = answers * 256
        np.testing.assert_allclose(steps, np.rint(steps), atol=5e-3)


@pytest.mark.parametrize(("name", "operator"), [("qoperator", "QLinearConv"), ("dynamic", "Conv")])
def test_integer_operators_have_scores_and_no_gradient(
    name: str, operator: str, files: dict[str, Path]
) -> None:
    net = OrtClassifier(files[name], threads=1)
    found = Explainer(net, "rise", samples=40)(X[:2])
    assert np.isfinite(found.map).all()
    assert np.ptp(found.map) > 0
    np.testing.assert_array_equal(found.score, net.score(X[:2]).max(axis=1))
    for method in ("gradcam", "integrated_gradients", "guided_backprop", "igos"):
        with pytest.raises(UnsupportedOpError) as caught:
            Explainer(net, method)(X[:1])
        message = str(caught.value)
        assert "\n" not in message
        assert operator in message
        assert "quantize_static(..., quant_format=QuantFormat.QDQ)" in message


def test_weights_are_drawn_anew_on_their_own_grid(files: dict[str, Path]) -> None:
    for name in ("uint8", "per channel", "own pairs for weights"):
        net = OrtClassifier(files[name], threads=1)
        layers = net.weighted_layers()
        assert len(layers) == 2
        for how in ("normal", "shuffle"):
            other = net.randomized(layers[-1:], seed=3, how=how)
            assert np.abs(other.score(X, "logit") - net.score(X, "logit")).max() > 0
            cam = net.info.cam_layer
            np.testing.assert_array_equal(
                other.activations(X, [cam])[cam], net.activations(X, [cam])[cam]
            )
            other.close()


def test_every_gradient_method_runs(files: dict[str, Path]) -> None:
    net = OrtClassifier(files["per channel"], threads=1)
    for method in ("gradcam", "smoothgrad", "guided_backprop", "deconvnet", "gradcam_pp"):
        found = Explainer(net, method)(X[:2])
        assert np.isfinite(found.map).all(), method
        assert np.ptp(found.map) > 0, method


def test_what_meets_integer_weights_is_not_rounded(tmp_path: Path) -> None:
    """ONNX Runtime rounds it to 8 bits by default, an error of half a per cent."""
    path, exact = weights_only(tmp_path / "net.onnx")
    net = OrtClassifier(path, threads=1)
    for found, wanted in exact(net):
        assert np.abs(found - wanted).max() < 1e-6 * np.abs(wanted).max()
