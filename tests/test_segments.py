"""Segments: label maps of known pictures, regions as sets of pixels, dilation by a disc."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.errors import MissingDependencyError, ShapeError
from pysal.segments import Regions, dilate, felzenszwalb, slic


def picture(height: int = 60, width: int = 80) -> np.ndarray:
    """Four flat quarters of different colours."""
    image = np.zeros((height, width, 3))
    image[: height // 2, : width // 2] = (0.9, 0.1, 0.1)
    image[: height // 2, width // 2 :] = (0.1, 0.9, 0.1)
    image[height // 2 :, : width // 2] = (0.1, 0.1, 0.9)
    return image


def quarters(height: int = 60, width: int = 80) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return 2 * (rows >= height // 2) + (columns >= width // 2)


def same_segments(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two label maps differ in their numbers only."""
    pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1)
    return pairs.shape[1] == len(np.unique(found)) == len(np.unique(expected))


def test_felzenszwalb_finds_flat_parts():
    (maps,) = felzenszwalb(picture()[None], (50, 500), sigma=0, min_size=20, resize=None)
    assert maps.shape == (2, 60, 80)
    assert maps.dtype == np.int32
    for labels in maps:
        assert same_segments(labels, quarters())
        assert np.unique(labels).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("size", [(60, 80), (120, 160), (224, 224), (61, 33)])
def test_felzenszwalb_at_another_size(size):
    """Segmented at `size`, the corners keep their own labels and the map its shape."""
    (maps,) = felzenszwalb(picture()[None], (50,), sigma=0, min_size=20, resize=size)
    assert maps.shape == (1, 60, 80)
    corners = maps[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert len(set(corners.tolist())) == 4
    assert set(np.unique(maps)) == set(range(maps.max() + 1))


def test_felzenszwalb_ignores_the_range_of_the_image():
    image = np.random.default_rng(0).uniform(size=(1, 40, 40, 3))
    (one,), (two,) = felzenszwalb(image), felzenszwalb(image * 7 - 3)
    np.testing.assert_array_equal(one, two)


def test_slic_parts_are_connected_and_follow_the_edges():
    (labels,) = slic(picture()[None], 40, compactness=1.0)
    assert labels.shape == (60, 80)
    assert labels.dtype == np.int32
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))
    assert 20 <= labels.max() + 1 <= 60
    inside = [len(np.unique(quarters()[labels == k])) for k in range(labels.max() + 1)]
    assert np.mean(np.array(inside) == 1) > 0.9


@pytest.mark.parametrize("segment", [lambda x: felzenszwalb(x, (50, 100)), lambda x: slic(x, 30)])
def test_a_batch_is_its_images(segment):
    images = np.random.default_rng(1).uniform(size=(3, 30, 40, 3))
    for image, labels in zip(images, segment(images), strict=True):
        np.testing.assert_array_equal(segment(image[None])[0], labels)


@pytest.mark.parametrize("segment", [felzenszwalb, slic])
def test_plain_and_missing_images(segment):
    assert segment(np.zeros((0, 8, 8, 3))) == []
    (labels,) = segment(np.full((1, 16, 16, 3), 0.3))
    assert len(np.unique(labels)) == (1 if segment is felzenszwalb else 64)
    with pytest.raises(ShapeError, match="expected"):
        segment(np.zeros((8, 8, 3)))


def test_no_scale_gives_no_map():
    assert felzenszwalb(np.zeros((1, 8, 9, 3)), ())[0].shape == (0, 8, 9)


@pytest.mark.parametrize("segment", [felzenszwalb, slic])
def test_without_scikit_image(segment, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("skimage"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"\[regions\]"):
        segment(np.zeros((1, 8, 8, 3)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 999),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    radius=st.integers(0, 15),
)
def test_dilation_is_every_pixel_near_enough(seed, height, width, radius):
    mask = np.random.default_rng(seed).uniform(size=(height, width)) < 0.15
    rows, columns = np.indices(mask.shape)
    expected = np.zeros_like(mask)
    for y, x in zip(*np.nonzero(mask), strict=True):
        expected |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    np.testing.assert_array_equal(dilate(mask, radius), expected)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20)),
    radius=st.integers(0, 6),
)
def test_regions_of_labels_are_dilated_masks(seed, shape, radius):
    maps = np.random.default_rng(seed).integers(-2, 5, shape)
    regions = Regions.from_labels(maps, radius)
    expected = [dilate(m == label, radius) for m in maps for label in np.unique(m)]
    np.testing.assert_array_equal(regions.masks(), expected)
    assert regions.sizes.tolist() == [int(mask.sum()) for mask in expected]
    for region, mask in zip(range(len(regions)), expected, strict=True):
        np.testing.assert_array_equal(regions[region], np.flatnonzero(mask))
    again = Regions.from_masks(expected)
    np.testing.assert_array_equal(again.pixels, regions.pixels)
    np.testing.assert_array_equal(again.starts, regions.starts)


def test_regions_of_one_map_cover_the_image_once():
    regions = Regions.from_labels(quarters())
    assert len(regions) == 4
    np.testing.assert_array_equal(np.sort(regions.pixels), np.arange(60 * 80))
    assert regions.pixels.dtype == np.int32


@pytest.mark.parametrize("maps", [np.zeros((4, 4)), np.zeros(4, int), np.zeros((2, 0, 3), int)])
def test_wrong_label_maps(maps):
    with pytest.raises(ShapeError, match="expected integers"):
        Regions.from_labels(maps)


def test_wrong_masks():
    with pytest.raises(ShapeError, match=r"expected \(R, H, W\)"):
        Regions.from_masks(np.zeros((4, 4), bool))
