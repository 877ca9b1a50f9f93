"""Average drop and increase in confidence against the grad-cam package."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from pooled import BATCH, INDEX, SIZE, X, write_network
from pooled_torch import pooled_module
from zoo import torchvision_models

from pysal.backends.ort import OrtClassifier
from pysal.metrics.average_drop import average_drop
from pysal.types import Target

if importlib.util.find_spec("pytorch_grad_cam"):
    torchvision_models()  # its wheel needs operators that are declared there
peer = pytest.importorskip(
    "pytorch_grad_cam.metrics.cam_mult_image",
    reason="grad-cam is not installed; see tests/parity/requirements.txt",
)


def test_change_of_confidence(tmp_path):
    path = write_network(tmp_path / "net.onnx")
    maps = np.random.default_rng(0).normal(size=(BATCH, SIZE, SIZE)).astype(np.float32)
    ours = average_drop(OrtClassifier(path, threads=1), X, maps, Target(INDEX), baseline="zero")
    low, high = (f(maps, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    cams = (maps - low) / (high - low)
    module = pooled_module(path)

    def model(x):
        return module(x).softmax(dim=1)

    call = {
        "input_tensor": torch.from_numpy(X),
        "cams": cams,
        "targets": [lambda p, index=index: p[index] for index in INDEX],
        "model": model,
    }
    with torch.no_grad():
        before = model(call["input_tensor"]).numpy()[np.arange(BATCH), INDEX]
    drop = 100 * peer.DropInConfidence()(**call) / before  # it leaves out the division
    np.testing.assert_allclose(ours.values["drop"], drop, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(
        ours.values["increase"], 100 * peer.IncreaseInConfidence()(**call)
    )
    assert 0 < ours.values["increase"].sum() < 100 * BATCH
