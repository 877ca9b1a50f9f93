"""GradCAM, GradCAM++ and Score-CAM against the grad-cam package, on the same network in torch."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from pooled import BATCH, CLASSES, INDEX, X, write_network
from pooled_torch import pooled_module
from zoo import torchvision_models

from pysal.backends.ort import OrtClassifier
from pysal.methods.gradcam import gradcam, gradcam_pp
from pysal.methods.scorecam import scorecam
from pysal.types import Target

if importlib.util.find_spec("pytorch_grad_cam"):
    torchvision_models()  # its wheel needs operators that are declared there
peer = pytest.importorskip(
    "pytorch_grad_cam", reason="grad-cam is not installed; see tests/parity/requirements.txt"
)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


def theirs(kind: type, path) -> np.ndarray:
    """Maps (N, H, W) in [0, 1] of the package."""
    net = pooled_module(path)
    targets = [lambda z, index=index: z[..., index] for index in INDEX]
    with kind(model=net, target_layers=[net.r2]) as cam:
        return cam(input_tensor=torch.from_numpy(X), targets=targets)


@pytest.mark.parametrize(
    ("name", "method"), [("GradCAM", gradcam), ("GradCAMPlusPlus", gradcam_pp)]
)
def test_gradient_maps(path, name, method) -> None:
    ours = method(OrtClassifier(path), X, Target(INDEX, "logit"), layer="r2", normalize=False)
    found = theirs(getattr(peer, name), path)
    # it scales the small map to [0, 1] before it enlarges it with OpenCV, which is ours at the end
    for map_, other in zip(ours.map, found, strict=True):
        peak = ours.native.max()
        if not other.any() or peak == 0:
            assert not map_.any()
            continue
        assert np.corrcoef(map_.ravel(), other.ravel())[0, 1] > 0.9999


def test_score_cam_ranks_alike(path) -> None:
    """Its masks are enlarged with aligned corners and its weights are a softmax over channels."""
    clf = OrtClassifier(path)
    ours = scorecam(clf, X, Target(INDEX, "logit"), layer="r2", weights="softmax")
    found = theirs(peer.ScoreCAM, path)
    for map_, other in zip(ours.map, found, strict=True):
        order, there = (m.ravel().argsort().argsort() for m in (map_, other))
        assert np.corrcoef(order, there)[0, 1] > 0.95
    assert BATCH > CLASSES
