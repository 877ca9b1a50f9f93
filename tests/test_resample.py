"""Resizing by matrices against torch, and adjoints against inner products."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal import kernels
from pysal.arrays import root
from pysal.resample import KINDS, Resample, axis_matrix

RNG = np.random.default_rng(0)
MODES = {
    "aligned": {"mode": "bilinear", "align_corners": True},
    "centred": {"mode": "bilinear", "align_corners": False},
    "nearest": {"mode": "nearest-exact"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(16, 16), (11, 23), (6, 5), (3, 2), (1, 9)])
def test_is_that_of_torch(kind, size):
    maps = RNG.normal(size=(2, 3, 6, 5)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(maps).double(), size=size, **MODES[kind]
    )
    np.testing.assert_allclose(Resample(kind, (6, 5), size, maps)(maps), expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(sizes=st.tuples(*(st.integers(1, 12) for _ in range(4))))
def test_adjoint(kind, sizes):
    small, large = sizes[:2], sizes[2:]
    maps = RNG.normal(size=(2, *small)).astype(np.float32)
    grad = RNG.normal(size=(2, *large)).astype(np.float32)
    resample = Resample(kind, small, large, maps)
    there = (resample(maps).astype(float) * grad).sum(axis=(1, 2))
    back = (resample.adjoint(grad).astype(float) * maps).sum(axis=(1, 2))
    np.testing.assert_allclose(there, back, rtol=1e-4, atol=1e-4)


def test_nearest_repeats_blocks_and_sums_over_them():
    maps = RNG.normal(size=(1, 2, 3)).astype(np.float32)
    resample = Resample("nearest", (2, 3), (8, 12), maps)
    np.testing.assert_array_equal(resample(maps), maps.repeat(4, 1).repeat(4, 2))
    grad = RNG.normal(size=(1, 8, 12)).astype(np.float32)
    blocks = grad.reshape(1, 2, 4, 3, 4).sum(axis=(2, 4))
    np.testing.assert_allclose(resample.adjoint(grad), blocks, atol=1e-5)


def test_aligned_is_what_the_kernels_do():
    masks = RNG.uniform(size=(2, 1, 5, 7)).astype(np.float32)
    one, zero = (np.full((2, 1, 20, 30), v, np.float32) for v in (1, 0))
    blended = kernels.blend(one, zero, masks)[:, 0]
    resample = Resample("aligned", (5, 7), (20, 30), masks)
    np.testing.assert_allclose(resample(masks), blended, atol=1e-6)


def test_the_same_size_is_the_same_array():
    maps = RNG.normal(size=(2, 4, 4)).astype(np.float32)
    for kind in KINDS:
        resample = Resample(kind, (4, 4), (4, 4), maps)
        assert resample(maps) is maps
        assert resample.adjoint(maps) is maps


def test_alone_as_in_a_batch_and_on_other_arrays():
    maps = RNG.normal(size=(5, 28, 28)).astype(np.float32)
    together = Resample("aligned", (28, 28), (64, 64), maps)(maps)
    for i in range(5):
        alone = Resample("aligned", (28, 28), (64, 64), maps)(maps[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])
    tensor = torch.from_numpy(maps)
    found = Resample("aligned", (28, 28), (64, 64), tensor)(tensor)
    assert root(found) == "torch"
    np.testing.assert_allclose(found, together, atol=1e-5)


def test_matrices_are_shared_and_protected():
    matrix = axis_matrix("nearest", 4, 8)
    assert matrix is axis_matrix("nearest", 4, 8)
    with pytest.raises(ValueError):
        matrix[0, 0] = 2
