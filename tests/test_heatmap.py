from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.errors import OptionError, ShapeError
from pysal.heatmap import (
    COLORMAPS,
    ConstantMapWarning,
    colorize,
    is_constant,
    normalize,
    overlay,
    upsample,
)

SIDE = st.integers(1, 9)


def naive_upsample(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    out = np.zeros(size)
    for y, x in np.ndindex(size):
        v = y * (image.shape[0] - 1) / (size[0] - 1) if size[0] > 1 else 0.0
        u = x * (image.shape[1] - 1) / (size[1] - 1) if size[1] > 1 else 0.0
        for j in range(image.shape[0]):
            for i in range(image.shape[1]):
                out[y, x] += max(0, 1 - abs(v - j)) * max(0, 1 - abs(u - i)) * image[j, i]
    return out


@settings(max_examples=40, deadline=None)
@given(h=SIDE, w=SIDE, height=SIDE, width=SIDE)
def test_upsample_is_the_sum_over_hat_functions(h, w, height, width):
    maps = np.random.default_rng(h + 10 * w).normal(size=(2, h, w))
    found = upsample(maps, (height, width))
    assert found.dtype == np.float32
    for i in range(2):
        np.testing.assert_allclose(found[i], naive_upsample(maps[i], (height, width)), atol=1e-5)


def test_upsample_of_no_maps_is_empty():
    assert upsample(np.zeros((0, 2, 2)), (4, 4)).shape == (0, 4, 4)


def test_upsample_never_hands_out_its_input():
    maps = np.ones((1, 2, 2), np.float32)
    upsample(maps, (2, 2))[:] = 5
    assert (maps == 1).all()


def test_normalize_spans_zero_to_one_and_ignores_scale():
    maps = np.random.default_rng(0).normal(size=(2, 30, 30))
    plain = normalize(maps, percentiles=(0, 100))
    assert plain.dtype == np.float32
    np.testing.assert_array_equal(plain.min(axis=(1, 2)), 0)
    np.testing.assert_array_equal(plain.max(axis=(1, 2)), 1)
    np.testing.assert_allclose(normalize(7 * maps + 3), normalize(maps), atol=1e-5)
    maps[0, 0, 0] = 1e6
    assert np.median(normalize(maps)[0]) == pytest.approx(0.5, abs=0.1)


def test_sparse_and_extreme_maps_keep_their_peak():
    maps = np.zeros((1, 28, 28), np.float32)
    maps[0, 3, 4] = 1e-30
    found = normalize(maps)
    assert found[0, 3, 4] == 1
    assert found.sum() == 1
    maps[0, 3, 4] = np.finfo(np.float32).max
    maps[0, 0, 0] = -np.finfo(np.float32).max
    assert normalize(maps, percentiles=(0, 100))[0, 3, 4] == 1
    assert normalize(-np.abs(maps), signed=True).min() == -1


def test_signed_maps_keep_zero_and_sign():
    maps = np.random.default_rng(0).normal(size=(2, 9, 9)) + 0.4
    found = normalize(maps, signed=True)
    assert np.abs(found).max() == 1
    np.testing.assert_array_equal(np.sign(found), np.sign(maps.astype(np.float32)))


def test_constant_maps_are_said_and_shown_as_zero():
    maps = np.stack([np.full((4, 4), 3.0), np.arange(16.0).reshape(4, 4)])
    np.testing.assert_array_equal(is_constant(maps), [True, False])
    with pytest.warns(ConstantMapWarning, match="map 0 of 2"):
        found = normalize(maps)
    assert not found[0].any()
    assert found[1].max() == 1
    with pytest.warns(ConstantMapWarning):
        assert not normalize(np.zeros((1, 2, 2)), signed=True).any()


@pytest.mark.parametrize("function", [normalize, is_constant, lambda m: upsample(m, (4, 4))])
@pytest.mark.parametrize("shape", [(4, 4), (1, 0, 4), (1, 1, 4, 4)])
def test_other_shapes_are_refused(function, shape):
    with pytest.raises(ShapeError, match="expected"):
        function(np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    maps = np.zeros((3, 4, 4))
    maps[1, 2, 2] = value
    with pytest.raises(ShapeError, match="map 1 of 3"):
        normalize(maps)


def test_options_are_checked():
    maps = np.random.default_rng(0).random((1, 4, 4))
    with pytest.raises(OptionError, match="percentiles"):
        normalize(maps, percentiles=(99, 1))
    with pytest.raises(OptionError, match="unknown; use"):
        colorize(maps, "jet")
    with pytest.raises(OptionError, match="alpha"):
        overlay(np.zeros((1, 4, 4, 3)), maps, alpha=2)
    with pytest.raises(OptionError, match="size"):
        upsample(maps, (0, 4))
    with pytest.raises(ShapeError, match="expected"):
        overlay(np.zeros((4, 4, 3)), maps)


@pytest.mark.parametrize("cmap", sorted(COLORMAPS))
def test_colours_pass_through_their_points(cmap):
    points = np.array(COLORMAPS[cmap]) / 255
    found = colorize(np.linspace(0, 1, len(points)), cmap)
    np.testing.assert_allclose(found, points, atol=1e-6)
    np.testing.assert_allclose(colorize([-1, 2], cmap), points[[0, -1]], atol=1e-6)


def test_the_sequential_map_gets_lighter_and_the_diverging_one_is_even():
    def lightness(cmap):
        linear = colorize(np.linspace(0, 1, 101), cmap).astype(float) ** 2.2
        return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16

    assert (np.diff(lightness("ember")) > 0).all()
    diverging = lightness("diverging")
    assert diverging.argmax() == 50
    assert np.abs(diverging - diverging[::-1]).max() < 12


def test_overlay_blends_and_resizes():
    rgb = np.random.default_rng(0).random((2, 12, 10, 3)).astype(np.float32)
    maps = np.random.default_rng(1).normal(size=(2, 4, 5))
    only_photo = overlay(rgb, maps, alpha=0)
    np.testing.assert_array_equal(only_photo, np.rint(255 * rgb).astype(np.uint8))
    only_map = overlay(rgb, maps, alpha=1)
    half = overlay(rgb, maps)
    assert half.dtype == np.uint8
    mean = (only_photo.astype(float) + only_map) / 2
    assert np.abs(half - mean).max() <= 1.01
    signed = overlay(rgb, np.zeros_like(maps) + np.eye(4, 5), alpha=1, signed=True)
    np.testing.assert_array_equal(signed[0, 0, -1], COLORMAPS["diverging"][4])
