"""Composers: what a version is does not depend on how many are written at a time."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal import kernels
from pysal.compose import Gridded, Joined, Masked, OnPath, Patched, Ranked, Segmented
from pysal.types import Noise, Target

RNG = np.random.default_rng(0)
X, BASE = RNG.normal(size=(2, 2, 3, 16, 16)).astype(np.float32)
VERSIONS = 9
MASKS = RNG.random((2, VERSIONS, 5, 5), np.float32)
NODES = np.linspace(0, 1, VERSIONS, dtype=np.float32)
CORNERS = RNG.integers(-4, 16, (VERSIONS, 2), np.int32)
LABELS = RNG.integers(0, 7, (2, 16, 16), np.int32)
KEEP = RNG.integers(0, 2, (2, VERSIONS, 7), np.uint8)
GRIDS = RNG.integers(0, 2, (2, VERSIONS, 4, 4)).astype(np.float32)
OFFSETS = RNG.integers(0, 4, (2, VERSIONS, 2), np.int32)
RANKS = np.stack([RNG.permutation(25).reshape(5, 5) for _ in range(2)]).astype(np.int32)
ENDS = np.arange(0, 27, 3, dtype=np.int32)
NOISE = Noise(np.full(3, 0.2, np.float32), np.array([4, 5], np.uint64), 3)

CASES = {
    "masked": (Masked(X, BASE, MASKS, NOISE), kernels.blend(X, BASE, MASKS, noise=NOISE)),
    "path": (
        OnPath(X, BASE, MASKS[:, 0], NODES, NOISE),
        kernels.blend(X, BASE, MASKS[:, :1], nodes=NODES, noise=NOISE),
    ),
    "patched": (
        Patched(X, BASE, CORNERS, (6, 5)),
        kernels.blend_patches(X, BASE, CORNERS, (6, 5)),
    ),
    "segmented": (
        Segmented(X, BASE, LABELS, KEEP),
        kernels.blend_segments(X, BASE, LABELS, KEEP),
    ),
    "gridded": (
        Gridded(X, BASE, GRIDS, OFFSETS, (1, 0), (20, 20)),
        np.concatenate(
            [
                kernels.blend_grids(X[:1], BASE[:1], GRIDS[1], OFFSETS[1], (20, 20)),
                kernels.blend_grids(X[1:], BASE[1:], GRIDS[0], OFFSETS[0], (20, 20)),
            ]
        ),
    ),
    "gridded on zeros": (
        Gridded(X, None, GRIDS[:1], OFFSETS[:1], (0, 0), (20, 20)),
        kernels.blend_grids(X, None, GRIDS[0], OFFSETS[0], (20, 20)),
    ),
    "ranked": (Ranked(X, BASE, RANKS, ENDS), kernels.blend_ranked(X, BASE, RANKS, ENDS)),
    "joined": (
        Joined(
            [
                (Patched(X, BASE, CORNERS, (6, 5)), 2),
                (Ranked(X, BASE, RANKS, ENDS[:0]), 0),
                (Ranked(BASE, X, RANKS, ENDS), 4),
                (Ranked(X, BASE, RANKS, ENDS), 3),
            ]
        ),
        np.concatenate(
            [
                kernels.blend_patches(X, BASE, CORNERS[:2], (6, 5)),
                kernels.blend_ranked(BASE, X, RANKS, ENDS[:4]),
                kernels.blend_ranked(X, BASE, RANKS, ENDS[:3]),
            ],
            axis=1,
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [1, 4, VERSIONS])
def test_any_number_of_versions_at_a_time(name, size):
    compose, expected = CASES[name]
    for image in range(2):
        for first in range(0, VERSIONS, size):
            out = np.full((min(size, VERSIONS - first), 3, 16, 16), np.nan, np.float32)
            compose(image, first, out)
            np.testing.assert_array_equal(out, expected[image, first : first + size])


def test_points_of_a_curve_score_as_binary_masks_do():
    clf = ToyClassifier()
    target = Target(np.array([1, 2]))
    masks = (RANKS[:, None] >= ENDS[:, None, None]).astype(np.float32)
    expected = clf.score_masked(X, BASE, masks, target)
    found = clf.score_composed(Ranked(X, BASE, RANKS, ENDS), 2, VERSIONS, target)
    np.testing.assert_array_equal(found, expected)
