from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.channels import REDUCTIONS, reduce_channels, warn_empty
from pysal.errors import OptionError

NAIVE = {
    "max_abs": lambda pixel: max(abs(v) for v in pixel),
    "sum_abs": lambda pixel: sum(abs(v) for v in pixel),
    "abs_sum": lambda pixel: abs(sum(pixel)),
    "sum": sum,
    "max": max,
}


def test_every_rule_has_a_case():
    assert NAIVE.keys() == REDUCTIONS.keys()


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
    rule=st.sampled_from(sorted(REDUCTIONS)),
)
def test_rules_pixel_by_pixel(shape, rule):
    values = np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)
    found = reduce_channels(values, rule)
    assert found.shape == (shape[0], *shape[2:])
    assert found.dtype == np.float32
    for n, y, x in np.ndindex(found.shape):
        expected = NAIVE[rule](values[n, :, y, x].tolist())
        assert found[n, y, x] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rule", REDUCTIONS)
def test_tensors_and_single_images(rule):
    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    tensor = reduce_channels(torch.from_numpy(values), rule)
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_allclose(tensor.numpy(), reduce_channels(values, rule), atol=1e-6)


def test_unknown_rule():
    with pytest.raises(OptionError, match=r'"sumabs" is unknown; did you mean .*sum_abs'):
        reduce_channels(np.zeros((1, 1, 1)), "sumabs")


def test_empty_maps_are_named():
    maps = np.ones((3, 2, 2), np.float32)
    warn_empty("m", maps)
    maps[1] = 0
    with pytest.warns(UserWarning, match=r"m: the maps of 1 of 3 images \(number 1\) are zero"):
        warn_empty("m", maps)
