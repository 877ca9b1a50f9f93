"""OpenVINO on real networks and photos: methods as on ONNX Runtime, and what bf16 does to them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_torch import to_torch

import pysal
from pysal.backends import engines, open_classifier
from pysal.photos import load_photos
from pysal.types import Target

if engines()["openvino"] != "available" and "openvino" not in os.environ.get(
    "PYSAL_TEST_BACKENDS", ""
):
    pytest.skip(engines()["openvino"], allow_module_level=True)

NETWORKS = ("squeezenet1.1", "mobilenet_v2")
PHOTOS = ("000000000009.jpg", "000000000030.jpg")
CERTAIN = "000000000034.jpg"
"""SqueezeNet and MobileNetV2 give its top class more than 0.999."""
METHODS = {
    "gradient": ({}, 0.02),
    "gradcam": ({}, 0.01),
    "guided_backprop": ({}, 0.02),
    "excitation_backprop": ({}, 0.05),  # shares of sums near zero
    "integrated_gradients": ({"steps": 4}, 0.02),
    "igos": ({"preset": "fast", "size": 14, "iterations": 3, "seed": 0}, 0.05),
}
"""Options, and the largest relative difference of a map: ReLUs next to zero switch by rounding."""


@pytest.fixture(params=NETWORKS)
def model(request, data: Path) -> Path:
    return data / "models" / f"{request.param}.onnx"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:excitation_backprop")  # MobileNetV2 has negative inputs
@pytest.mark.filterwarnings("ignore:integrated_gradients")  # four steps are few
def test_methods_and_metrics_are_those_of_onnx_runtime(model: Path, data: Path) -> None:
    photos = [data / "photos" / name for name in PHOTOS]
    ort, net = (open_classifier(model, engine=e, device="cpu") for e in ("ort", "openvino"))
    for method, (options, tolerance) in METHODS.items():
        expected, found = (pysal.explain(c, photos, method=method, **options) for c in (ort, net))
        np.testing.assert_array_equal(found.target.index, expected.target.index)
        np.testing.assert_allclose(found.score, expected.score, rtol=1e-3, atol=1e-5)
        for one, other in zip(found.native, expected.native, strict=True):
            off = np.linalg.norm(one - other) / np.linalg.norm(other)
            assert off < tolerance, f"{method}: {off}"
    maps, target = expected.native, expected.target
    first, second = (
        pysal.measure("insertion_deletion", c, photos, maps, targets=target) for c in (ort, net)
    )
    for name, values in first.values.items():
        np.testing.assert_allclose(second.values[name], values, atol=1e-4)


@pytest.mark.slow
def test_next_to_certainty_gradients_are_those_of_float64(model: Path, data: Path) -> None:
    """Where p (1 - p) cancels in float32, and what bf16 would have there, see `guard`."""
    net = open_classifier(model, engine="openvino")
    batch = load_photos([data / "photos" / CERTAIN], net.preprocess).batch
    top = net.score(batch).argmax(1)
    assert net.score(batch)[0, top[0]] > 0.999
    leaf = torch.from_numpy(batch).double().requires_grad_()
    scores = to_torch(model, torch.float64)(leaf).softmax(1)
    scores[0, top[0]].backward()
    assert leaf.grad is not None
    exact = leaf.grad.numpy().ravel()

    def cosine(precision: str) -> float:
        limits = {"score": 1.0, "cosine": -1.0, "relative": 1e9}
        options = {"precision": precision, "tolerance": limits}
        clf = open_classifier(model, engine="openvino", **options)
        grad = clf.value_and_grad(batch, Target(top))[1].ravel().astype(np.float64)
        return float(grad @ exact / np.linalg.norm(grad) / np.linalg.norm(exact))

    assert cosine("fp32") > 0.9999
    if "bf16" in pytest.importorskip("pysal.backends.openvino_session").cpu_precisions():
        assert cosine("bf16") > 0.85  # -0.2 and -0.0 where bf16 forms p (1 - p)


@pytest.mark.slow
def test_the_guard_tells_the_networks_apart(data: Path) -> None:
    """bf16 changes no insertion minus deletion on SqueezeNet, and some on MobileNetV2."""
    if "bf16" not in pytest.importorskip("pysal.backends.openvino_session").cpu_precisions():
        pytest.skip("no bf16 on this CPU")
    used = {}
    for name in NETWORKS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = data / "models" / f"{name}.onnx"
            clf = open_classifier(model, engine="auto", precision="bf16", device="cpu")
            clf.prepare({"grad"})
        used[name] = clf.info.precision_check["used"]
    assert used == {"squeezenet1.1": "bf16", "mobilenet_v2": "fp32"}
