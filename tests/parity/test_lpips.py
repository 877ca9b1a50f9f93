"""The package lpips, with random weights: it takes what it is given."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from zoo import torchvision_models

from pysal.similarity.lpips import open_lpips

if importlib.util.find_spec("lpips"):
    torchvision_models()  # its wheel needs operators that are declared there
lpips = pytest.importorskip("lpips", reason="see tests/parity/requirements.txt")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_distances_are_those_of_the_package():
    torch.manual_seed(0)
    distance = open_lpips("squeeze", pnet_rand=True)
    torch.manual_seed(0)
    network = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False).eval()
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3))
    other = np.clip(images + 40, 0, 255)
    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2).float() for x in (images, other))
    with torch.no_grad():
        expected = network(a / 255, b / 255, normalize=True).flatten().numpy()
    np.testing.assert_allclose(distance(images, other), expected, rtol=1e-4)
    assert (distance(images, other) > 0).all()
    np.testing.assert_allclose(distance(images, images), 0, atol=1e-6)
