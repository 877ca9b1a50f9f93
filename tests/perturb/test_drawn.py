from __future__ import annotations

import numpy as np

from pysal.perturb.drawn import GridDraw, distinct, switches


def test_grids_depend_on_the_seed_and_their_number_only():
    few, many = (GridDraw((30, 41), count, 7, 0.3) for count in (5, 2000))
    for seed in (0, 2**64 - 1):
        grids, offsets = few(seed)
        more, places = many(seed)
        np.testing.assert_array_equal(grids, more[:5])
        np.testing.assert_array_equal(offsets, places[:5])
    assert not np.array_equal(many(1)[0], many(2)[0])
    assert set(np.unique(more)) == {0, 1}
    assert abs(more.mean() - 0.3) < 0.01
    assert (more.dtype, places.dtype) == (np.float32, np.int32)


def test_offsets_are_uniform_inside_of_a_cell():
    draw = GridDraw((30, 41), 20_000, 7, 0.5)
    assert (draw.cell, draw.up_size) == ((5, 6), (40, 48))
    _, offsets = draw(3)
    for axis, cell in enumerate(draw.cell):
        counts = np.bincount(offsets[:, axis], minlength=cell)
        assert len(counts) == cell
        assert np.abs(counts / 20_000 - 1 / cell).max() < 0.012
    np.testing.assert_array_less(np.add(offsets.max(axis=0), (30, 41)), np.add(draw.up_size, 1))


def test_streams_do_not_share_numbers():
    grids, offsets = GridDraw((32, 32), 64, 8, 0.5)(7)
    rows = switches(7, 64, 64, 0.5)
    assert abs(np.corrcoef(grids.ravel(), rows.ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(grids[:, 0, 0], offsets[:, 0])[0, 1]) < 0.4


def test_distinct_seeds():
    values, which = distinct(np.array([5, 2**63, 5, 0], np.uint64))
    assert values == [0, 5, 2**63]
    assert which == [1, 2, 1, 0]
