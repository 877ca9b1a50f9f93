"""Similarity of maps against loops, known cases, scikit-image and scipy."""

from __future__ import annotations

import numpy as np
import pytest

from pysal.errors import OptionError, ShapeError
from pysal.similarity.hog import hog
from pysal.similarity.maps import (
    hog_cell,
    hog_correlation,
    pairwise_similarity,
    prepare_maps,
    spearman,
    ssim,
)
from pysal.similarity.ranks import average_ranks
from pysal.similarity.spread import spread_maps

RNG = np.random.default_rng(4)
A = RNG.normal(size=(2, 64, 80))
B = A + 0.7 * RNG.normal(size=A.shape)


def naive_ssim(a, b, data_range):
    found = []
    for i in range(a.shape[0] - 4):
        for j in range(a.shape[1] - 4):
            u, v = a[i : i + 5, j : j + 5].ravel(), b[i : i + 5, j : j + 5].ravel()
            cov = np.cov(u, v)  # n - 1
            c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
            top = (2 * u.mean() * v.mean() + c1) * (2 * cov[0, 1] + c2)
            low = (u.mean() ** 2 + v.mean() ** 2 + c1) * (cov[0, 0] + cov[1, 1] + c2)
            found.append(top / low)
    return np.mean(found)


@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_ssim_is_the_loop(data_range):
    small = A[:, :12, :9], B[:, :12, :9]
    found = ssim(*small, data_range=data_range)
    expected = [naive_ssim(a, b, data_range) for a, b in zip(*small, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_ssim_and_hog_are_those_of_scikit_image():
    metrics, feature = (pytest.importorskip(f"skimage.{n}") for n in ("metrics", "feature"))
    theirs = [
        metrics.structural_similarity(a, b, win_size=5, data_range=2)
        for a, b in zip(A, B, strict=True)
    ]
    np.testing.assert_allclose(ssim(A, B), theirs, rtol=1e-6)
    for cell in (16, 10, 7):
        vectors = [feature.hog(a, pixels_per_cell=(cell, cell)) for a in A]
        np.testing.assert_allclose(hog(A, cell), vectors, atol=1e-6)
    pearson = [
        np.corrcoef(*(feature.hog(m, pixels_per_cell=(16, 16)) for m in pair))[0, 1]
        for pair in zip(A, B, strict=True)
    ]
    np.testing.assert_allclose(hog_correlation(A, B), pearson, rtol=1e-5)


def test_spearman_is_that_of_scipy_with_ties():
    stats = pytest.importorskip("scipy.stats")
    a, b = np.round(A), np.round(B)
    theirs = [stats.spearmanr(x.ravel(), y.ravel())[0] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(spearman(a, b), theirs, rtol=1e-10)
    np.testing.assert_array_equal(average_ranks(a[0]), stats.rankdata(a[0], axis=-1))


def test_ranks_by_hand():
    np.testing.assert_array_equal(average_ranks([3.0, 1, 3, 3, 2]), [4, 1, 4, 4, 2])
    assert np.isnan(average_ranks([1.0, np.nan])).all()


def test_equal_opposite_and_constant_maps():
    assert ssim(A, A) == pytest.approx(1)
    assert spearman(A, np.exp(A)) == pytest.approx(1)
    assert spearman(A, -A) == pytest.approx(-1)
    assert hog_correlation(A, -A) == pytest.approx(1)  # orientations have no sign
    flat = np.full_like(A, 0.3)
    assert np.isnan(spearman(A, flat)).all()
    assert np.isnan(hog_correlation(A, flat)).all()
    assert ssim(flat, flat) == pytest.approx(1)
    broken = A.copy()
    broken[1, 3, 3] = np.nan
    for measure in (ssim, spearman, hog_correlation):
        assert np.isnan(measure(broken, B)).tolist() == [False, True]


def test_hog_by_hand():
    """A ramp to the right has one orientation, so every block has nine equal entries of 1/3."""
    ramp = np.tile(np.arange(64.0), (64, 1))
    blocks = hog(ramp, 16).reshape(-1, 9, 9)
    np.testing.assert_array_equal(blocks[..., 1:], 0)
    inner = np.median(blocks[..., 0])
    assert 0.3 < inner < 0.37
    assert hog(np.zeros((64, 64)), 16).max() == 0
    assert hog(np.zeros((3, 30, 64)), 16).shape == (3, 0)
    assert [hog_cell((n, 99)) for n in (224, 48, 47, 16, 2)] == [16, 16, 15, 5, 1]


def test_pairs_are_the_mean_over_all_pairs():
    maps = RNG.normal(size=(3, 4, 20, 20))
    found = pairwise_similarity(maps, data_range=3.0)
    for name, one in (
        ("ssim", lambda a, b: ssim(a, b, data_range=3.0)),
        ("hog", hog_correlation),
        ("spearman", spearman),
    ):
        pairs = [one(maps[:, i], maps[:, j]) for i in range(4) for j in range(i)]
        assert len(pairs) == 6
        np.testing.assert_allclose(found[name], np.mean(pairs, axis=0), rtol=1e-12)
    maps[1, 2] = 5
    found = pairwise_similarity(maps)
    assert np.isnan(found["spearman"]).tolist() == [False, True, False]
    assert not np.isnan(found["ssim"]).any()
    assert set(pairwise_similarity(maps, measures=["hog"])) == {"hog"}
    assert pairwise_similarity(np.zeros((0, 2, 20, 20)))["ssim"].shape == (0,)


def test_preparation():
    maps = np.array([[[-4.0, 2], [0, 1]], [[0, 0], [0, 0]], [[0.1, 0.1], [0.1, 0.1]]])
    by_max = prepare_maps(maps, (2, 2))
    np.testing.assert_allclose(by_max[0], [[-1, 0.5], [0, 0.25]])
    np.testing.assert_array_equal(by_max[1], 0)
    np.testing.assert_array_equal(by_max[2], 1)
    unit = prepare_maps(maps, (2, 2), "min_max")
    np.testing.assert_allclose(unit[0], [[0, 1], [4 / 6, 5 / 6]], rtol=1e-6)
    np.testing.assert_array_equal(unit[1:], 0)
    fine = prepare_maps(maps, (8, 8), "none")
    # Cells are squares that share the image: the corners repeat the edge.
    np.testing.assert_allclose(fine[0, 0, [0, 1, 2, 7]], [-4, -4, -4 + 6 * 0.125, 2])
    assert np.ptp(prepare_maps(np.full((1, 7, 7), 0.1), (224, 224), "none")) == 0


def test_wrong_input():
    with pytest.raises(ShapeError, match="each side at least 5"):
        ssim(np.zeros((4, 9)), np.zeros((4, 9)))
    with pytest.raises(ShapeError, match="same"):
        spearman(np.zeros((4, 9)), np.zeros((9, 4)))
    with pytest.raises(ShapeError, match="smaller cell"):
        hog_correlation(np.zeros((40, 40)), np.zeros((40, 40)), cell=16)
    with pytest.raises(ShapeError, match="k at least 2"):
        pairwise_similarity(np.zeros((2, 1, 9, 9)))
    with pytest.raises(OptionError, match="ssim, hog"):
        pairwise_similarity(np.zeros((2, 2, 9, 9)), measures=["mse"])
    with pytest.raises(OptionError, match="max_abs"):
        prepare_maps(np.zeros((1, 2, 2)), (2, 2), "half")


@pytest.mark.parametrize("shape", [(7, 7), (20, 31), (1, 1), (40, 10), (33, 50)])
def test_spread_keeps_sums(shape):
    maps = RNG.normal(size=(2, *shape)).astype(np.float32)
    found = spread_maps(maps, (20, 31))
    assert found.shape == (2, 20, 31)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), maps.sum(axis=(1, 2)), rtol=1e-4)
    if shape == (20, 31):
        np.testing.assert_array_equal(found, maps)


def test_spread_by_hand():
    found = spread_maps(np.array([[[8.0, 4.0]]], np.float32), (2, 4))
    np.testing.assert_array_equal(found[0], [[2, 2, 1, 1], [2, 2, 1, 1]])
    both = spread_maps(np.arange(8, dtype=np.float32).reshape(1, 2, 4), (1, 2))
    np.testing.assert_array_equal(both[0], [[0 + 1 + 4 + 5, 2 + 3 + 6 + 7]])
