"""Pictures that know some pixels: which ones, and what lies between them."""

from __future__ import annotations

import numpy as np
import pytest

from pysal.metrics.performance_reveal import interpolated, random_mask, salient_masks

interpolate = pytest.importorskip("scipy.interpolate")


def test_random_pixels_belong_to_picture_and_seed():
    a, b = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), np.uint8)
    mask = random_mask(a, 0.1, 0)
    assert mask.sum() == 60
    np.testing.assert_array_equal(mask, random_mask(a.copy(), 0.1, 0))
    assert (mask != random_mask(a, 0.1, 1)).any()
    assert (mask != random_mask(b, 0.1, 0)).any()
    assert random_mask(a, 0, 0).sum() == 0
    assert random_mask(a, 1, 0).all()
    assert random_mask(a, 0.0999, 0).sum() == 59


@pytest.mark.parametrize("shape", [(2, 2), (2, 9), (11, 14)])
@pytest.mark.parametrize("share", [0, 0.02, 0.3, 0.8, 1])
def test_interpolation_is_that_of_scipy(shape, share):
    rng = np.random.default_rng(int(100 * share))
    picture = rng.integers(0, 256, (*shape, 3), np.uint8)
    known = rng.random(shape) < share
    found = interpolated(picture, known)
    known[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    np.testing.assert_array_equal(found[known], picture[known])
    points, unknown = np.argwhere(known), np.argwhere(~known)
    if len(unknown):
        expected = interpolate.griddata(points, picture[known].astype(float), unknown, "linear")
        np.testing.assert_array_equal(found[~known], np.rint(expected.astype(np.float32)))


def test_interpolation_of_planes_is_exact():
    y, x = np.mgrid[:31, :31]
    picture = np.stack([3 * y + 4 * x, 250 - 5 * y, 0 * x + 7], axis=2).astype(np.uint8)
    known = np.random.default_rng(0).random((31, 31)) < 0.05
    np.testing.assert_array_equal(interpolated(picture, known), picture)


def test_salient_pixels():
    saliency = np.arange(20.0).reshape(4, 5)
    masks = salient_masks(saliency, (0.1, 0.5))
    np.testing.assert_array_equal(masks.sum(axis=(1, 2)), [2, 10])
    assert masks[0].flat[18:].all()
    # Equal pixels come together.
    masks = salient_masks(np.minimum(saliency, 15), (0.1, 0.5))
    np.testing.assert_array_equal(masks.sum(axis=(1, 2)), [5, 10])
