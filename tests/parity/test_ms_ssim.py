"""MS-SSIM against a library for PyTorch, where installed (pip install pytorch-msssim)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pysal.similarity.ms_ssim import ms_ssim


def pairs():
    """Pictures (N, H, W, 3) of 8 bits and noisier copies; every side is a multiple of 16."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:224, :192] / 30
    a = np.stack([np.sin(k * y + x)[..., None] * [1, 0.5, -0.7] for k in (1, 2, 3)])
    a = np.clip(127 + 90 * a + rng.normal(scale=5, size=a.shape), 0, 255).astype(np.uint8)
    b = np.clip(a + rng.normal(size=a.shape) * [[[[40]]], [[[20]]], [[[90]]]], 0, 255)
    return a, b.astype(np.uint8)


def planes(images):
    return torch.from_numpy(np.moveaxis(images, 3, 1).astype(np.float64))


def test_pytorch_msssim():
    peer = pytest.importorskip("pytorch_msssim")
    a, b = pairs()
    expected = peer.ms_ssim(planes(a), planes(b), data_range=255, size_average=False)
    found = ms_ssim(a, b)
    assert 0.2 < found.min() < found.max() < 0.99
    # Its window and exponents are float32.
    np.testing.assert_allclose(found, expected.numpy(), rtol=2e-5)
