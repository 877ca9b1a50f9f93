"""Options for some of the images: arrays with an entry per image are cut, others stay."""

from __future__ import annotations

import numpy as np
import pytest

from pysal.errors import ShapeError
from pysal.options import rows_of

ROWS = slice(2, 4)


def cut(**options):
    return rows_of(options, ROWS, 5)


def test_arrays_with_one_entry_per_image_are_cut():
    base, fill = np.arange(5 * 6).reshape(5, 2, 3), np.arange(5 * 12).reshape(5, 3, 2, 2)
    found = cut(base=base, fill=fill, baseline=fill, segments=base, seed=[5, 6, 7, 8, 9])
    np.testing.assert_array_equal(found["base"], base[2:4])
    np.testing.assert_array_equal(found["fill"], fill[2:4])
    np.testing.assert_array_equal(found["baseline"], fill[2:4])
    np.testing.assert_array_equal(found["segments"], base[2:4])
    assert found["seed"] == [7, 8]


def test_what_is_the_same_for_all_images_stays():
    one, shared = np.zeros((1, 3, 2, 2)), np.zeros((3, 2, 2))
    found = cut(baseline=one, fill=shared, seed=3, size=(5, 5), base="ig", weak=None)
    assert found["baseline"] is one
    assert found["fill"] is shared
    assert found == {**found, "seed": 3, "size": (5, 5), "base": "ig", "weak": None}


def test_every_baseline_of_several_paths_is_cut():
    images = np.arange(5 * 12).reshape(5, 3, 2, 2)
    found = cut(baselines=["black", images])["baselines"]
    assert found[0] == "black"
    np.testing.assert_array_equal(found[1], images[2:4])


@pytest.mark.parametrize(
    "options",
    [{"seed": [1, 2, 3]}, {"base": np.zeros((4, 2, 2))}, {"fill": np.zeros((2, 3, 2, 2))}],
)
def test_another_number_of_entries_is_refused_before_the_work(options):
    with pytest.raises(ShapeError, match="entries for 5 images; give one for each, or one"):
        cut(**options)
