"""RISE: the published algorithm with the same draws, its errors, its memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pooled import write_network
from skimage.transform import resize
from toy import ToyClassifier

from pysal.methods.rise import rise
from pysal.perturb.drawn import GridDraw
from pysal.types import Target


@pytest.fixture
def clf():
    return ToyClassifier()


def naive_masks(grids, offsets, size):
    """All masks, as the published code makes them: resized by scikit-image, then cropped."""
    cell = [-(-length // grids.shape[1]) for length in size]
    up = [(grids.shape[1] + 1) * q for q in cell]
    masks = []
    for grid, (top, left) in zip(grids, offsets, strict=True):
        wide = resize(grid, up, order=1, mode="reflect", anti_aliasing=False)
        masks.append(wide[top : top + size[0], left : left + size[1]])
    return np.array(masks, np.float64)


def naive(clf, x, c, masks, keep):
    """Methods specification 5.2, steps 4 and the formula."""
    scores = np.array([clf.score((m * x).astype(np.float32)[None])[0, c] for m in masks])
    return np.tensordot(scores.astype(np.float64), masks, 1) / (len(masks) * keep), scores


@pytest.mark.parametrize(("cells", "keep"), [(7, 0.5), (4, 0.1), (1, 0.5), (16, 0.3)])
def test_is_the_published_algorithm(clf, cells, keep):
    batch = clf.photos(2)
    target = clf.top(batch)
    seeds = [3, 2**63]
    options = {"samples": 80, "cells": cells, "keep": keep, "seed": seeds}
    result = rise(clf, batch, target, **options, errors=True)
    for i, c in enumerate(target.index):
        grids, offsets = GridDraw((16, 16), 80, cells, keep)(seeds[i])
        masks = naive_masks(grids, offsets, (16, 16))
        expected, scores = naive(clf, batch[i], c, masks, keep)
        np.testing.assert_allclose(result.native[i], expected, atol=1e-5)
        spread = (scores[:, None, None] * masks / keep).std(axis=0, ddof=1) / np.sqrt(80)
        np.testing.assert_allclose(result.trace["error_map"][i], spread, atol=1e-4)
        np.testing.assert_allclose(result.trace["standard_error"][i], spread.mean(), atol=1e-4)
        np.testing.assert_allclose(result.trace["standard_error_max"][i], spread.max(), atol=1e-4)


def test_divided_by_what_the_masks_cover(clf):
    batch = clf.photos(1)
    target = clf.top(batch)
    options = {"samples": 60, "cells": 4, "normalization": "covered"}
    result = rise(clf, batch, target, **options, errors=True)
    masks = naive_masks(*GridDraw((16, 16), 60, 4, 0.5)(0), (16, 16))
    total, scores = naive(clf, batch[0], target.index[0], masks, 1 / 60)
    expected = total / masks.sum(axis=0)
    np.testing.assert_allclose(result.native[0], expected, atol=1e-5)
    residual = (scores[:, None, None] - expected) * masks
    errors = np.sqrt((residual**2).sum(axis=0) * 60 / 59) / masks.sum(axis=0)
    np.testing.assert_allclose(result.trace["error_map"][0], errors, atol=1e-5)


@pytest.mark.parametrize("normalization", ["expected", "covered"])
def test_errors_tell_how_far_seeds_are_apart(clf, normalization):
    batch = clf.photos(1)
    target = clf.top(batch)
    options = {"samples": 300, "cells": 5, "normalization": normalization, "errors": True}
    runs = [rise(clf, batch, target, seed=seed, **options) for seed in range(40)]
    maps = np.array([run.native[0] for run in runs])
    told = np.mean([run.trace["error_map"][0] for run in runs], axis=0)
    ratio = maps.std(axis=0, ddof=1) / told
    assert 0.9 < ratio.mean() < 1.1
    spread = np.mean([run.trace["standard_error"][0] for run in runs])
    if normalization == "covered":
        plain = rise(clf, batch, target, **{**options, "normalization": "expected"})
        assert spread < 0.5 * plain.trace["standard_error"][0]


def test_pixels_that_no_mask_shows(clf):
    batch = clf.photos(1)
    options = {"samples": 2, "cells": 16, "keep": 0.01, "normalization": "covered"}
    with pytest.warns(UserWarning, match="show in none of 2 masks and get 0"):
        result = rise(clf, batch, clf.top(batch), **options)
    assert np.isfinite(result.native).all()
    assert (result.native == 0).any()


def test_a_baseline_other_than_zero(clf):
    batch = clf.photos(2)
    base = np.random.default_rng(0).normal(size=batch.shape).astype(np.float32)
    result = rise(clf, batch, clf.top(batch), samples=30, cells=4, baseline=base)
    masks = naive_masks(*GridDraw((16, 16), 30, 4, 0.5)(0), (16, 16))
    for i, c in enumerate(result.target.index):
        composed = masks[:, None] * batch[i] + (1 - masks[:, None]) * base[i]
        scores = clf.score(composed.astype(np.float32))[:, c].astype(np.float64)
        np.testing.assert_allclose(
            result.native[i], np.tensordot(scores, masks, 1) / (30 * 0.5), atol=1e-5
        )
    zero = rise(clf, batch, clf.top(batch), samples=30, cells=4, baseline=np.zeros_like(batch))
    mean = rise(clf, batch, clf.top(batch), samples=30, cells=4)
    np.testing.assert_array_equal(zero.native, mean.native)


def test_a_constant_score_gives_a_map_of_that_score(clf):
    """E[M] is `keep` everywhere, whatever the borders: the map is the score, within its error."""
    batch = clf.photos(1)
    clf.linear[...] = 0
    clf.quadratic[...] = 0
    result = rise(clf, batch, Target(np.array([1])), samples=2000, cells=5, errors=True)
    off = np.abs(result.native[0] - 0.25) / result.trace["error_map"][0]
    assert off.max() < 5
    covered = rise(clf, batch, Target(np.array([1])), samples=50, normalization="covered")
    np.testing.assert_allclose(covered.native, 0.25, rtol=1e-6)
    assert covered.trace["standard_error_max"][0] < 1e-6


MEMORY = """
import sys
import numpy as np
from pysal.backends.ort import OrtClassifier
from pysal.methods.rise import rise
from pysal.types import Target
net = OrtClassifier(sys.argv[1], threads=2)
x = np.random.default_rng(0).normal(size=(1, 3, 20, 20)).astype(np.float32)
def peak(samples):
    rise(net, x, Target(np.zeros(1, int), "logit"), samples=samples)
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
few = peak(64)
few = peak(128)
print(peak(8000) - few)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux' own counters")
def test_memory_is_set_by_the_batch_and_not_by_the_masks(tmp_path: Path) -> None:
    """8,000 masks of 20 x 20 are 13 MB, images under them 38 MB, activations more than 100 MB."""
    file = write_network(tmp_path / "net.onnx")
    command = [sys.executable, "-c", MEMORY, str(file)]
    kilobytes = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert kilobytes < 6_000  # grids, offsets and their draws: 49 cells each
