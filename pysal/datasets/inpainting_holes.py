"""Random keep masks of the shapes in which explanation methods remove parts of an image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pysal.datasets.inpainting_scenes import cloud, shape

Rng = np.random.Generator
Keep = NDArray[np.bool_]


def random_keep(rng: Rng, size: int) -> Keep:
    """A keep mask (size, size), False in the hole; any of the kinds of `KINDS`."""
    names = list(KINDS)
    return KINDS[names[rng.choice(len(names), p=(0.2, 0.25, 0.25, 0.2, 0.1))]](rng, size)


def patches(rng: Rng, size: int) -> Keep:
    """One to three squares, as a sliding patch removes them (SP-G: 29 of 224)."""
    keep = np.ones((size, size), bool)
    for _ in range(int(rng.integers(1, 4))):
        side = int(rng.choice([13, 17, 29, 29, 41, 53]) * min(1, size / 112))
        top, left = rng.integers(0, size - side + 1, 2)
        keep[top : top + side, left : left + side] = False
    return keep


def superpixels(rng: Rng, size: int) -> Keep:
    """Cells around random points, about half of them off (LIME-G)."""
    cell = rng.uniform(16, 40)
    count = max(int((size / cell) ** 2), 4)
    y, x = np.mgrid[:size, :size] + rng.normal(0, 2, (2, 1, 1)) * cloud(rng, size)
    points = rng.uniform(0, size, (count, 2))
    apart = (y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2
    kept: Keep = rng.random(count) < rng.choice([0.5, 0.5, 0.8, 0.2])
    return kept[apart.argmin(axis=2)]


def grid_cells(rng: Rng, size: int) -> Keep:
    """Cells of a grid of 4 or 8 pixels: scattered (FIDO) or clustered (MP2-G)."""
    side = int(rng.choice([4, 8]))
    count = -(-size // side)
    field = cloud(rng, count + count % 2)[:count, :count]
    field = field + rng.choice([0.0, 0.5, 3.0]) * rng.standard_normal((count, count))
    cells = field > np.quantile(field, rng.uniform(0.05, 0.7))
    return np.kron(cells, np.ones((side, side), bool))[:size, :size]


def thing(rng: Rng, size: int) -> Keep:
    """One or two large shapes, as of objects."""
    keep = np.ones((size, size), bool)
    y, x = np.mgrid[:size, :size].astype(float)
    for _ in range(int(rng.integers(1, 3))):
        centre, radius = rng.uniform(0.1, 0.9, 2) * size, rng.uniform(0.15, 0.45) * size
        keep &= shape(rng, (y - centre[0]) / radius, (x - centre[1]) / radius) > 0
    return keep


def surroundings(rng: Rng, size: int) -> Keep:
    """All but one or two things: what a preservation mask removes."""
    return ~thing(rng, size)


KINDS: dict[str, Callable[[Rng, int], Keep]] = {
    "patches": patches,
    "superpixels": superpixels,
    "grid cells": grid_cells,
    "thing": thing,
    "surroundings": surroundings,
}
"""Name -> function of a generator and a size."""
