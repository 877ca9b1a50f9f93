from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.perturb.windows import make_windows

SIZES = st.tuples(*[st.integers(1, 12)] * 2)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(size=SIZES, patch=SIZES, stride=SIZES, border=st.sampled_from(["inside", "cut"]))
def test_masks_corners_and_sums_agree(size, patch, stride, border):
    patch = tuple(min(p, s) for p, s in zip(patch, size, strict=True))
    windows = make_windows("x", patch, stride, size, border)
    keep = windows.keep(0, len(windows))
    assert keep.shape == (len(windows), *size)
    for mask, (top, left) in zip(keep, windows.corners, strict=True):
        hole = np.zeros(size, bool)
        hole[top : top + patch[0], left : left + patch[1]] = True
        np.testing.assert_array_equal(~mask, hole)
    np.testing.assert_array_equal(windows.cover(), (~keep).sum(axis=0))
    values = np.random.default_rng(0).normal(size=(2, *windows.shape))
    expected = np.tensordot(values.reshape(2, -1), (~keep).astype(float), 1)
    np.testing.assert_allclose(windows.spread(values), expected, atol=1e-12)
    whole = [length - extent for length, extent in zip(size, patch, strict=True)]
    last = [windows.tops[-1], windows.lefts[-1]]
    for end, step, most in zip(last, stride, whole, strict=True):
        if border == "cut":
            assert most <= end < most + step
        else:
            assert most - step < end <= most


def test_parts_of_the_masks():
    windows = make_windows("x", 3, 2, (9, 8))
    whole = windows.keep(0, len(windows))
    for first in range(len(windows) - 2):
        np.testing.assert_array_equal(windows.keep(first, 3), whole[first : first + 3])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_placed_values_are_linear_between_the_centres(count):
    windows = make_windows("x", 4, 3, (4 + 3 * (count - 1), 4))
    centres = windows.tops + 1.5
    values = (2 * centres + 1).astype(np.float32).reshape(1, count, 1)
    rows = np.clip(np.arange(windows.size[0]), centres[0], centres[-1])
    np.testing.assert_allclose(
        windows.placed(values)[0], np.repeat(2 * rows[:, None] + 1, 4, axis=1), rtol=1e-6
    )
