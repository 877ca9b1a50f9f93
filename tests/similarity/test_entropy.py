"""Information of pictures: bytes that Pillow writes, and levels between two ends."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features

from pysal.errors import MissingDependencyError, ShapeError
from pysal.similarity.entropy import information_level, webp_bytes, webp_version


def test_is_the_size_of_the_file(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    path = tmp_path / "a.webp"
    Image.fromarray(picture).save(path, lossless=True, quality=100)
    assert webp_bytes(picture) == path.stat().st_size
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGB")), picture)
    strided = picture[::2, ::3]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(strided)).save(file, "webp", lossless=True, quality=100)
    assert webp_bytes(strided) == len(file.getvalue())


def test_noise_holds_more_than_a_plain_picture():
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    assert webp_bytes(noise) > 40 * 40 * 3 * 0.9 > 100 > webp_bytes(np.zeros_like(noise))


def test_levels():
    sizes = [100, 50, 150, 200, 250]
    np.testing.assert_allclose(information_level(sizes, 100, 200), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(information_level(sizes, 100, 200, "ratio"), np.divide(sizes, 200))
    assert np.isnan(information_level(sizes, 200, 200)).all()
    assert np.isnan(information_level(sizes, 201, 200)).all()
    assert information_level(sizes, 201, 200, "ratio")[3] == 1


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (1, 8, 8, 3)])
def test_wrong_pictures(shape):
    with pytest.raises(ShapeError, match="expected uint8"):
        webp_bytes(np.zeros(shape, np.uint8))
    with pytest.raises(ShapeError, match="float64"):
        webp_bytes(np.zeros((8, 8, 3)))


def test_without_webp(monkeypatch):
    assert webp_version() == features.version("webp")
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(MissingDependencyError, match="WebP"):
        webp_bytes(np.zeros((8, 8, 3), np.uint8))
