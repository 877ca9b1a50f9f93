"""I-GOS with everything on a device: torch tensors on the CPU take the way of a GPU's arrays."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from pooled import BATCH, SIZE, X, write_network
from pooled_torch import pooled_module

from pysal import arrays
from pysal.backends.ort import OrtClassifier
from pysal.backends.pytorch import TorchClassifier
from pysal.methods.igos import igos
from pysal.types import Target

TARGET = Target(np.full(BATCH, 2))
"""A class that the network sees in every image."""

OPTIONS = {"size": 6, "iterations": 4, "steps": 5}


class OnDevice(TorchClassifier):
    """Device arrays are torch tensors here too."""

    prefers_batches = True

    def to_device(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array.copy())


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def device_net(path) -> TorchClassifier:
    return OnDevice(pooled_module(path), input_shape=X.shape[1:], rows=4)


@pytest.mark.parametrize(
    "extra",
    [
        {"noise": "off"},
        {"seed": 3},
        {"preset": "fast"},
        {"momentum": 0.5, "l1_schedule": True},
        {"search": "fixed", "step_size": 5.0},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_maps_are_those_of_the_host(path, device_net, extra) -> None:
    options = {**OPTIONS, **extra}
    there = igos(device_net, X, TARGET, **options)
    here = igos(OrtClassifier(path, threads=2), X, TARGET, **options)
    assert isinstance(there.native, np.ndarray)
    # late steps change the objective by 1e-6, where rounding picks the rung of the ladder
    difference = np.abs(there.native - here.native)
    assert np.quantile(difference, 0.9) <= 2e-3
    assert difference.max() <= 1e-2
    np.testing.assert_allclose(there.trace["loss"], here.trace["loss"], rtol=1e-3)


def test_an_image_alone_has_the_same_map(device_net) -> None:
    together = igos(device_net, X, TARGET, **OPTIONS).native
    for i in (0, BATCH - 1):
        alone = igos(device_net, X[i : i + 1], TARGET[i : i + 1], **OPTIONS).native
        np.testing.assert_array_equal(alone[0], together[i])


def test_only_scores_penalties_and_slopes_come_back(device_net, monkeypatch) -> None:
    sizes: list[int] = []

    def to_host(array):
        sizes.append(int(np.prod(tuple(array.shape))))
        return arrays.to_host(array)

    for name in ("masking", "optim.minimize", "optim.penalty"):
        monkeypatch.setattr(sys.modules[f"pysal.{name}"], "to_host", to_host)
    igos(device_net, X, TARGET, **OPTIONS)
    ladder = 13
    assert sizes
    assert max(sizes) <= BATCH * ladder < SIZE * SIZE
