"""Score-CAM against loops over channels in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pooled import BATCH, INDEX, SIZE, X, write_network
from pooled_torch import pooled_module
from toy_layers import LayeredToy

from pysal.backends.ort import OrtClassifier
from pysal.errors import OptionError
from pysal.methods.scorecam import WEIGHTS, scorecam
from pysal.types import Target

TARGET = Target(INDEX)
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*below 0.01"),
    pytest.mark.filterwarnings("ignore:.*speaks for the class"),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def clf(path):
    return OrtClassifier(path, threads=2)


def enlarged(maps: torch.Tensor) -> torch.Tensor:
    return F.interpolate(maps, size=(SIZE, SIZE), mode="bilinear", align_corners=False)


def naive(path, weights: str) -> np.ndarray:
    """Maps (N, u, v), channel after channel."""
    net = pooled_module(path).double()
    found = []
    with torch.no_grad():
        for image, index in zip(torch.from_numpy(X).double(), INDEX, strict=True):
            x = image[None]
            a = torch.relu(net.c2(F.max_pool2d(torch.relu(net.c1(x)), 3, 2)))
            kept, scores = [], []
            for k in range(a.shape[1]):
                if a[0, k].max() == a[0, k].min():
                    continue
                mask = enlarged(a[:, k : k + 1])
                mask = (mask - mask.min()) / (mask.max() - mask.min())
                kept.append(a[0, k])
                scores.append(net(x * mask).softmax(1)[0, index])
            factor = torch.stack(scores)
            if weights == "softmax":
                factor = factor.softmax(0)
            if weights == "increase":
                factor = factor - net(x * 0).softmax(1)[0, index]
            found.append(torch.relu((factor[:, None, None] * torch.stack(kept)).sum(0)).numpy())
    return np.stack(found)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_maps_are_those_of_loops(path, clf, weights: str) -> None:
    found = scorecam(clf, X, TARGET, layer="r2", weights=weights, normalize=False)
    expected = naive(path, weights)
    np.testing.assert_allclose(found.native, expected, rtol=2e-3, atol=1e-4 * expected.max())
    assert found.passes.backward == 0


def test_a_batch_gives_what_its_images_give_alone(clf) -> None:
    together = scorecam(clf, X, TARGET).native
    for i in range(BATCH):
        alone = scorecam(clf, X[i : i + 1], TARGET[i : i + 1]).native
        np.testing.assert_array_equal(alone[0], together[i])


def test_passes_reported_are_passes_made_and_constant_channels_cost_none() -> None:
    toy = LayeredToy()
    batch = toy.photos(3)
    features = toy.activations(batch, ["features"])["features"]
    alive = int((np.ptp(features, axis=(2, 3)) > 0).sum())
    toy.passes = type(toy.passes)()
    done = []
    result = scorecam(toy, batch, toy.top(batch), progress=lambda d, t: done.append((d, t)))
    assert result.passes == toy.passes
    assert result.passes.forward == 3 + alive + 3
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_mistakes(clf) -> None:
    with pytest.raises(OptionError, match="scorecam: weights is 'mean'; use one of score"):
        scorecam(clf, X, TARGET, weights="mean")
