"""Truths, maps and a slow bilinear resize for the tests of metrics that compare with places."""

from __future__ import annotations

import math

import numpy as np

from pysal.truth import Region, Truth


def resized_slowly(saliency: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixel centres kept in place, pixel by pixel."""
    out = np.empty(size)
    for i in range(size[0]):
        for j in range(size[1]):
            corners = []
            for k, n, m in ((i, size[0], saliency.shape[0]), (j, size[1], saliency.shape[1])):
                at = min(max((k + 0.5) * m / n - 0.5, 0.0), m - 1.0)
                low = math.floor(at)
                corners.append(((low, 1 - (at - low)), (min(low + 1, m - 1), at - low)))
            out[i, j] = sum(
                a * b * saliency[row, column] for row, a in corners[0] for column, b in corners[1]
            )
    return out


def one(boxes=(), mask=None, classes=(0,), size=(12, 10), difficult=False) -> Truth:
    """A truth with one region."""
    region = Region("thing", frozenset(classes), np.array(boxes, float), mask, difficult)
    return Truth(size, None, (region,))


def random_truths(count: int, seed: int = 0, classes: int = 4) -> list[Truth]:
    """Frames of different sizes; image i has boxes, a mask and a second region, for class i % K."""
    rng = np.random.default_rng(seed)
    truths = []
    for i in range(count):
        size = int(rng.integers(9, 20)), int(rng.integers(9, 20))
        regions = []
        for name, index in (("first", i % classes), ("second", (i + 1) % classes)):
            corner = rng.uniform(0, 5, (2, 2))
            boxes = np.concatenate([corner, corner + rng.uniform(1.5, 4, (2, 2))], axis=1)
            mask = np.zeros(size, bool)
            mask[2 : 4 + int(rng.integers(4)), 1 : 5 + int(rng.integers(4))] = True
            mask &= rng.random(size) > 0.2
            regions.append(Region(name, frozenset({index}), boxes, mask))
        truths.append(Truth(size, i % classes, tuple(regions)))
    return truths
