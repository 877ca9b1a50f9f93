"""Composed images, layer gradients and signals from layers: what engines do in one run."""

from __future__ import annotations

import numpy as np
import pytest
from pooled import BASELINE, BATCH, CLASSES, INDEX, X, masks, noise, write_network
from pooled_torch import pooled_module

from pysal.backends import engines, open_classifier
from pysal.backends.ort import OrtClassifier
from pysal.backends.ort_batched import OrtBatchedClassifier
from pysal.backends.pytorch import TorchClassifier
from pysal.classifier import Classifier
from pysal.compose import Masked
from pysal.errors import CapabilityError, OptionError, ShapeError
from pysal.types import Passes, Target

TARGET = Target(INDEX)
NETS = ("ort 1", "ort 2", "ort rows 4", "openvino 2", "pytorch 1", "pytorch 4")


@pytest.fixture(scope="module", params=NETS)
def net(request, tmp_path_factory) -> Classifier:
    engine, *_, number = request.param.split()
    if (state := engines()[engine]) != "available":
        pytest.skip(state)
    path = write_network(tmp_path_factory.mktemp("net") / "net.onnx")
    if engine == "pytorch":
        return TorchClassifier(pooled_module(path), input_shape=X.shape[1:], rows=int(number))
    if engine == "openvino":
        return open_classifier(path, engine=engine, threads=int(number))
    if "rows" in request.param:
        return OrtBatchedClassifier(path, rows=4)
    return OrtClassifier(path, threads=int(number))


@pytest.fixture(scope="module")
def ort(tmp_path_factory) -> OrtClassifier:
    return OrtClassifier(write_network(tmp_path_factory.mktemp("net") / "net.onnx"), threads=2)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_composed_scores_are_those_of_the_images(net: Classifier, count: int) -> None:
    composer = Masked(X, BASELINE, masks(BATCH, count, 4, 5), noise())
    found = net.score_composed(composer, BATCH, count, TARGET)
    assert isinstance(found, np.ndarray)
    for i in range(BATCH):
        versions = np.empty((count, *X.shape[1:]), np.float32)
        composer(i, 0, versions)
        expected = net.score(versions)[:, INDEX[i]]
        np.testing.assert_allclose(found[i], expected, rtol=1e-5, atol=1e-7)


def test_composers_may_write_plain_arrays(net: Classifier) -> None:
    def compose(image: int, first: int, out: np.ndarray) -> None:
        out[...] = X[image] * (0.5 + first)
        out[:] += np.arange(len(out), dtype=np.float32).reshape(-1, 1, 1, 1) * X[image]

    found = net.score_composed(compose, 2, 5, TARGET[:2])
    for version in range(5):
        scores = net.score(X[:2] * np.float32(0.5 + version))
        np.testing.assert_allclose(found[:, version], scores[[0, 1], INDEX[:2]], rtol=1e-5)


def test_layer_gradients_are_those_of_the_default(net: Classifier) -> None:
    layer = "r2" if "r2" in net.info.layers else net.info.layers[-3]
    found, passes = net.layer_grad(X, TARGET, layer)
    expected, _ = Classifier.layer_grad(net, X, TARGET, layer)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert passes.backward == BATCH
    if net.info.engine.startswith("ort (CPU, 1"):
        assert passes == Passes(BATCH, BATCH)


def test_a_signal_from_the_logits_is_the_gradient(ort: OrtClassifier) -> None:
    signal = np.eye(CLASSES, dtype=np.float32)[INDEX]
    back = ort.backward(X, "z", signal)
    _, grad = ort.value_and_grad(X, Target(INDEX, "logit"))
    np.testing.assert_allclose(back, grad, rtol=1e-5, atol=1e-7)


def test_signals_compose_through_a_layer(ort: OrtClassifier) -> None:
    signal = np.eye(CLASSES, dtype=np.float32)[INDEX]
    middle = ort.backward(X, "z", signal, wrt="m1")
    np.testing.assert_allclose(
        ort.backward(X, "m1", middle), ort.backward(X, "z", signal), rtol=1e-5, atol=1e-7
    )


def test_wrong_signals_and_layers(ort: OrtClassifier, tmp_path) -> None:
    with pytest.raises(ShapeError, match=r"signal has shape \(6, 4\); z has \(6, 5\)"):
        ort.backward(X, "z", np.zeros((BATCH, 4), np.float32))
    with pytest.raises(OptionError, match='no layer "zz"'):
        ort.backward(X, "zz", np.zeros((BATCH, 4), np.float32))
    module = pooled_module(write_network(tmp_path / "net.onnx"))
    torch_net = TorchClassifier(module, input_shape=X.shape[1:])
    with pytest.raises(CapabilityError, match="starts no backward pass"):
        torch_net.backward(X, torch_net.info.layers[0], X)


def test_facts_of_layers_are_in_the_info(ort: OrtClassifier) -> None:
    assert ort.info.cam_layer == "r2"
    assert ort.info.contrast_layer == "f"
    assert "c1" in ort.info.feature_layers
    assert ort.info.layer_kinds["c1"] == "conv"
    (size, jump, centre), _ = ort.info.receptive_fields["c1"]
    assert (size, jump, centre) == (3, 1, 0)
