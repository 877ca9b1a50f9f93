"""Class activation maps against explicit loops, their edge cases, and the choice of the layer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal import cams
from pysal.errors import OptionError
from pysal.types import ModelInfo

INFO = ModelInfo("net", (3, 8, 8), 4, layers=("conv1", "conv2", "relu5", "pool", "logits"))


def loop(name: str, activation: np.ndarray, grad: np.ndarray) -> np.ndarray:
    """One image, channel after channel, pixel after pixel."""
    channels, height, width = activation.shape
    pixels = [(i, j) for i in range(height) for j in range(width)]
    out = np.zeros((height, width))
    for k in range(channels):
        a, g = activation[k].tolist(), grad[k].tolist()
        total, weight = sum(a[i][j] for i, j in pixels), 0.0
        for i, j in pixels:
            if name == "gradcam":
                weight += g[i][j] / len(pixels)
            elif name == "wgradcam":
                weight += g[i][j] * a[i][j] / len(pixels)
            elif g[i][j] > 0:
                square = g[i][j] ** 2
                weight += square / (2 * square + total * g[i][j] * square + 1e-6) * g[i][j]
        for i, j in pixels:
            out[i, j] += weight * a[i][j]
    return np.maximum(out, 0)


@pytest.mark.parametrize("name", cams.CAMS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(*(st.integers(1, 4) for _ in range(4))),
    scale=st.sampled_from([1e-6, 1e-2, 1.0, 30.0]),
)
def test_maps_are_those_of_the_loop(name, seed, shape, scale):
    rng = np.random.default_rng(seed)
    activation = np.maximum(rng.normal(size=shape), 0).astype(np.float32)
    grad = (scale * rng.normal(size=shape)).astype(np.float32)
    found = cams.CAMS[name](activation, grad)
    assert found.dtype == np.float32
    for image in range(shape[0]):
        expected = loop(name, activation[image], grad[image])
        np.testing.assert_allclose(found[image], expected, rtol=1e-5, atol=1e-6 * scale)
        alone = cams.CAMS[name](activation[image : image + 1], grad[image : image + 1])
        np.testing.assert_array_equal(alone[0], found[image])


@pytest.mark.parametrize("name", cams.CAMS)
def test_zero_gradients_give_zero_maps(name):
    activation = np.ones((2, 3, 4, 4), np.float32)
    assert not cams.CAMS[name](activation, np.zeros_like(activation)).any()


def test_a_denominator_of_zero_counts_for_nothing():
    """2 g^2 + s g^3 = 0 for s g = -2; without eps it is exactly 0."""
    activation = np.full((1, 1, 2, 1), -1, np.float32)
    grad = np.full((1, 1, 2, 1), 1, np.float32)
    found = cams.gradcam_pp(activation, grad, eps=0.0)
    assert np.isfinite(found).all()
    assert not found.any()


def test_min_max():
    maps = np.array([[[1.0, 3.0], [2.0, 1.0]], [[5.0, 5.0], [5.0, 5.0]]], np.float32)
    np.testing.assert_array_equal(cams.min_max(maps), [[[0, 1], [0.5, 0]], [[0, 0], [0, 0]]])


@pytest.mark.parametrize("size", [(14, 14), (28, 20), (5, 7), (3, 3), (1, 1)])
def test_resize_is_torch_bilinear_without_aligned_corners(size):
    maps = np.random.default_rng(0).normal(size=(2, 7, 7)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None].double(), size=size, mode="bilinear", align_corners=False
    )[0]
    np.testing.assert_allclose(cams.resize(maps, size), expected, atol=1e-6)


def test_layers():
    assert cams.find_layer(INFO, "conv2", "sigcam") == "conv2"
    with pytest.raises(OptionError, match=r'sigcam: layer "conv3" .* conv\d'):
        cams.find_layer(INFO, "conv3", "sigcam")
    with pytest.raises(OptionError, match=r"no default layer .* logits"):
        cams.find_layer(INFO, None, "sigcam")
    known = ModelInfo("net", (3, 8, 8), 4, layers=INFO.layers, cam_layer="relu5")
    assert cams.find_layer(known, None, "sigcam") == "relu5"
    with pytest.raises(OptionError, match="it has none"):
        cams.find_layer(ModelInfo("net", (3, 8, 8), 4), "conv", "sigcam")


def test_layers_without_height_and_width():
    vector = np.ones((2, 5), np.float32)
    with pytest.raises(OptionError, match="before the pooling"):
        cams.check_spatial("sigcam", INFO, "logits", vector)
    with pytest.raises(OptionError, match="N, K, u, v"):
        cams.gradcam(vector, vector)
    assert math.prod(cams.gradcam(vector[:0, :, None, None], vector[:0, :, None, None]).shape) == 0
