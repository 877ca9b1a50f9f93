"""Order of cells: ties, missing values, sizes."""

from __future__ import annotations

import numpy as np
import pytest

from pysal.errors import ShapeError
from pysal.heatmap import upsample
from pysal.ranking import area_under, rank_cells, saliency_cells, tie_orders

SEEDS = np.zeros(3, np.uint64)


def naive_ranks(saliency, key):
    """Ranks of one map; equal cells by a key of their index."""
    order = sorted(range(saliency.size), key=lambda k: (-saliency.flat[k], key(k)))
    ranks = np.empty(saliency.size, int)
    for rank, cell in enumerate(order):
        ranks[cell] = rank
    return ranks.reshape(saliency.shape)


@pytest.mark.parametrize(("tie", "key"), [("stable", lambda k: k), ("reverse", lambda k: -k)])
@pytest.mark.parametrize("levels", [1, 3, 1000])
def test_ranks_are_the_loop(tie, key, levels):
    maps = np.random.default_rng(0).integers(0, levels, (3, 5, 7)).astype(float)
    (order,) = tie_orders(tie, 35, SEEDS)
    found = rank_cells(maps, order)
    assert found.dtype == np.int32
    for ranks, saliency in zip(found, maps, strict=True):
        np.testing.assert_array_equal(ranks, naive_ranks(saliency, key))


def test_reverse_is_an_ascending_sort_flipped():
    maps = np.random.default_rng(1).integers(0, 4, (2, 6, 6)).astype(float)
    (order,) = tie_orders("reverse", 36, SEEDS[:2])
    ranks = rank_cells(maps, order).reshape(2, -1)
    flipped = np.flip(np.argsort(maps.reshape(2, -1), axis=1, kind="stable"), axis=1)
    np.testing.assert_array_equal(np.argsort(ranks, axis=1), flipped)


def test_random_orders_belong_to_the_seed():
    maps = np.zeros((3, 4, 4))
    seeds = np.array([5, 6, 5], np.uint64)
    many = [rank_cells(maps, order) for order in tie_orders("random", 16, seeds, 4)]
    assert len(many) == 4
    for ranks in many:
        np.testing.assert_array_equal(ranks[0], ranks[2])
        assert (ranks[0] != ranks[1]).any()
        np.testing.assert_array_equal(np.sort(ranks.reshape(3, -1)), [np.arange(16)] * 3)
    assert (many[0][0] != many[1][0]).any()
    alone = [rank_cells(maps[:1], order) for order in tie_orders("random", 16, seeds[1:2], 4)]
    for ranks, one in zip(many, alone, strict=True):
        np.testing.assert_array_equal(ranks[1], one[0])
    shared = next(tie_orders("random", 16, seeds[[0, 2]], 4))
    np.testing.assert_array_equal(rank_cells(maps[:2], shared)[1], many[0][0])


def test_random_orders_leave_what_is_not_tied():
    maps = np.random.default_rng(2).permutation(30).reshape(1, 5, 6).astype(float)
    for order in tie_orders("random", 30, SEEDS[:1], 3):
        np.testing.assert_array_equal(rank_cells(maps, order)[0], 29 - maps[0])


def test_missing_values_make_a_map_constant():
    maps = np.random.default_rng(0).normal(size=(3, 4, 5))
    maps[1] = np.nan
    cells = saliency_cells(maps, 3)
    assert cells.dtype == np.float64
    np.testing.assert_array_equal(cells[[0, 2]], maps[[0, 2]])
    assert not cells[1].any()
    maps[2, 0, 0] = np.nan
    with pytest.warns(UserWarning, match=r"1 of 3 maps \(number 2\)"):
        assert not saliency_cells(maps, 3)[2].any()


def test_sizes_and_types():
    maps = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(saliency_cells(maps, 2, (9, 8)), upsample(maps, (9, 8)))
    np.testing.assert_array_equal(saliency_cells(maps, 2, (4, 5)), maps)
    np.testing.assert_array_equal(saliency_cells(maps > 0, 2), maps > 0)
    assert saliency_cells(np.zeros((0, 4, 5)), 0, (9, 8)).shape == (0, 9, 8)
    assert rank_cells(np.zeros((0, 4, 5)), np.arange(20)[None]).shape == (0, 4, 5)
    for shape in ((2, 4), (3, 4, 5), (2, 0, 5)):
        with pytest.raises(ShapeError, match="N = 2"):
            saliency_cells(np.zeros(shape), 2)
    with pytest.raises(ShapeError, match="NaN or infinite"):
        saliency_cells(np.full((2, 4, 5), np.inf), 2, (9, 8))


def test_area_is_that_of_the_polygon():
    abscissa = np.array([0, 0.25, 1])
    np.testing.assert_allclose(
        area_under(np.array([[0, 1, 1], [4, 0, 2.0]]), abscissa), [0.875, 1.25]
    )
