"""Guided backpropagation and deconvnet against captum, on the same network in torch."""

from __future__ import annotations

import pytest
import torch
from parity_networks import difference
from pooled import INDEX, X, write_network
from pooled_torch import pooled_module

from pysal.backends.ort import OrtClassifier
from pysal.methods.backprop import deconvnet, guided_backprop
from pysal.types import Target

attr = pytest.importorskip(
    "captum.attr", reason="captum is not installed; see tests/parity/requirements.txt"
)


@pytest.mark.filterwarnings("ignore:Setting backward hooks")
@pytest.mark.parametrize(
    ("name", "method"), [("GuidedBackprop", guided_backprop), ("Deconvolution", deconvnet)]
)
def test_signals(tmp_path, name, method) -> None:
    path = write_network(tmp_path / "net.onnx")
    ours = method(OrtClassifier(path), X, Target(INDEX, "logit"), channels=True).trace["channels"]
    net = pooled_module(path)
    net.r1.inplace = False
    x = torch.from_numpy(X).requires_grad_()
    theirs = getattr(attr, name)(net).attribute(x, target=torch.from_numpy(INDEX))
    assert difference(ours, theirs.detach().numpy()) < 1e-4
