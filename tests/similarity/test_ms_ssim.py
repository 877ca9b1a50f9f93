"""MS-SSIM against loops over windows, known values, and a library where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pysal.errors import OptionError, ShapeError
from pysal.similarity.ms_ssim import SMALLEST, ms_ssim

WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def pictures(count, height, width, seed=0, channels=3):
    """Smooth pictures, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 40
    waves = rng.uniform(0.5, 3, (count, channels, 4, 1, 1))
    field = np.sin(waves[:, :, 0] * y + waves[:, :, 1]) * np.cos(
        waves[:, :, 2] * x + waves[:, :, 3]
    )
    noise = rng.normal(scale=0.05, size=field.shape)
    return np.moveaxis(np.clip(127 + 100 * (field + noise), 0, 255), 1, 3).astype(np.uint8)


def naive(a, b, data_range):
    """One pair of images; every window as a full 11 x 11 sum, every scale by loops."""
    axis = [math.exp(-((k - 5) ** 2) / (2 * 1.5**2)) for k in range(11)]
    window = np.outer(axis, axis)
    window /= window.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    total = 0.0
    for channel in range(a.shape[2]):
        x, y = a[..., channel].astype(float), b[..., channel].astype(float)
        product = 1.0
        for scale, weight in enumerate(WEIGHTS):
            patches = [np.lib.stride_tricks.sliding_window_view(p, (11, 11)) for p in (x, y)]
            mean_x, mean_y = (np.einsum("ijkl,kl->ij", p, window) for p in patches)
            centred_x, centred_y = (
                p - m[..., None, None] for p, m in zip(patches, (mean_x, mean_y), strict=True)
            )
            var_x = np.einsum("ijkl,kl->ij", centred_x**2, window)
            var_y = np.einsum("ijkl,kl->ij", centred_y**2, window)
            cov = np.einsum("ijkl,kl->ij", centred_x * centred_y, window)
            term = (2 * cov + c2) / (var_x + var_y + c2)
            if scale == 4:
                term = term * (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
            product *= max(term.mean(), 0) ** weight
            x, y = (halved(p) for p in (x, y))
        total += product
    return total / a.shape[2]


def halved(p):
    """Means of 2 x 2; the last row or column twice where their number is odd."""
    p = np.concatenate([p, p[-1:]]) if p.shape[0] % 2 else p
    p = np.concatenate([p, p[:, -1:]], axis=1) if p.shape[1] % 2 else p
    return p.reshape(p.shape[0] // 2, 2, p.shape[1] // 2, 2).mean(axis=(1, 3))


@pytest.mark.parametrize("size", [(161, 161), (168, 203), (224, 176)])
def test_is_the_loop(size):
    a, b = pictures(2, *size, 0), pictures(2, *size, 1)
    mixed = (0.7 * a + 0.3 * b).astype(np.uint8)
    for one, two in ((a, b), (mixed, a)):
        found = ms_ssim(one, two)
        expected = [naive(x, y, 255) for x, y in zip(one, two, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_floats_in_another_range():
    a, b = pictures(1, 170, 170, 0), pictures(1, 170, 170, 1)
    mixed = 0.6 * a + 0.4 * b
    whole = ms_ssim(mixed, a)
    np.testing.assert_allclose(ms_ssim(mixed / 255, a / 255, data_range=1), whole, rtol=1e-9)
    np.testing.assert_allclose(ms_ssim(mixed, a, data_range=100), [naive(mixed[0], a[0], 100)])


def test_identical_images_are_exactly_one():
    for seed, size in enumerate([(161, 190), (224, 224)]):
        a = pictures(3, *size, seed)
        assert (ms_ssim(a, a.copy()) == 1).all()
        assert (ms_ssim(a[:1].repeat(3, 0), a[:1]) == 1).all()
    flat = np.full((1, 200, 200, 3), 77, np.uint8)
    assert ms_ssim(flat, flat)[0] == 1


def test_one_reference_for_all_and_batches():
    a, b = pictures(3, 165, 170, 0), pictures(1, 165, 170, 1)
    mixed = (0.8 * b + 0.2 * a).astype(np.uint8)
    whole = ms_ssim(mixed, b)
    np.testing.assert_array_equal(whole, ms_ssim(mixed, b.repeat(3, 0)))
    for i in range(3):
        assert ms_ssim(mixed[i : i + 1], b)[0] == whole[i]
    np.testing.assert_allclose(ms_ssim(b, mixed[:1]), whole[:1], rtol=1e-12)
    assert (np.diff(ms_ssim(np.stack([b[0], mixed[0], a[0]]), b)) < 0).all()


def test_negative_correlation_gives_zero():
    a = pictures(1, 170, 170)
    assert ms_ssim(255 - a, a)[0] == 0


def test_one_channel_and_no_images():
    a, b = pictures(1, 170, 170, 0, 1), pictures(1, 170, 170, 1, 1)
    mixed = 0.9 * a + 0.1 * b
    np.testing.assert_allclose(ms_ssim(mixed, a), [naive(mixed[0], a[0], 255)])
    three = ms_ssim(mixed.repeat(3, axis=3), a.repeat(3, axis=3))
    np.testing.assert_allclose(three, ms_ssim(mixed, a), rtol=1e-14)
    assert ms_ssim(np.zeros((0, 170, 170, 3)), np.zeros((0, 170, 170, 3))).shape == (0,)
    assert ms_ssim(np.zeros((0, 170, 170, 3)), np.zeros((1, 170, 170, 3))).shape == (0,)


def test_bad_inputs():
    assert SMALLEST == 161
    good = pictures(2, 170, 170)
    for images, reference in (
        (good[:, :160], good[:, :160]),
        (good[..., 0], good[..., 0]),
        (good, good[:, :, :169]),
        (good, good.repeat(2, axis=0)),
        (good[..., :0], good[..., :0]),
    ):
        with pytest.raises(ShapeError, match="from 161 on"):
            ms_ssim(images, reference)
    broken = good.astype(float)
    broken[0, 3, 4] = np.nan
    with pytest.raises(ShapeError, match="NaN"):
        ms_ssim(broken, good)
    for value in (0, -1, math.nan, math.inf):
        with pytest.raises(OptionError, match="positive"):
            ms_ssim(good, good, data_range=value)
