"""Masked evaluation: paths and single masks agree with the network, are counted and checked."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal import kernels
from pysal.errors import CapabilityError
from pysal.masking import MaskedScore
from pysal.types import Noise, Passes

NODES = np.array([0.25, 0.5, 1.0], np.float32)
WEIGHTS = np.array([0.2, 0.3, 0.5], np.float32)


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def masked(clf):
    photos = clf.photos(3)
    return MaskedScore(clf, photos, np.zeros_like(photos), clf.top(photos))


def masks(*shape):
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


def noise():
    return Noise(np.full(3, 0.3, np.float32), np.array([4, 5, 6], np.uint64), 7)


@pytest.mark.parametrize("noisy", [False, True])
def test_path_scores_are_those_of_the_composed_images(clf, masked, noisy):
    photos, shown = clf.photos(3), masks(3, 5, 6)
    target, rows = clf.top(photos), np.array([2, 0])
    extra = noise() if noisy else None
    found = masked.path_score(shown[rows], rows, nodes=NODES, noise=extra)
    composed = kernels.blend(
        photos, np.zeros_like(photos), shown[:, None], nodes=NODES, noise=extra
    )
    for at, row in enumerate(rows):
        expected = clf.score(composed[row])[:, target.index[row]]
        np.testing.assert_array_equal(found[at], expected)
    assert masked.passes == Passes(6, 0)


def test_path_scores_are_the_values_of_path_gradients(clf, masked):
    """Same composed images, same noise: what the line search compares is what was walked."""
    photos, shown = clf.photos(3), masks(3, 5, 6)
    values, _ = clf.path_grad(
        photos, 0 * photos, shown, clf.top(photos), nodes=NODES, weights=WEIGHTS, noise=noise()
    )
    found = masked.path_score(shown, np.arange(3), nodes=NODES, noise=noise())
    np.testing.assert_allclose(found, values, rtol=1e-6)


def test_value_and_grad_is_a_path_of_one_node(masked):
    shown = masks(3, 5, 6)
    one = np.ones(1, np.float32)
    values, grad = masked.value_and_grad(shown, noise())
    np.testing.assert_array_equal(
        grad, masked.path_grad(shown, nodes=one, weights=one, noise=noise())
    )
    plain, _ = masked.value_and_grad(shown)
    np.testing.assert_allclose(plain, masked.score(shown[:, None])[:, 0], rtol=1e-6)
    assert not np.array_equal(plain, values)
    assert masked.passes == Passes(12, 9)


def test_errors_name_the_callers_image(clf, monkeypatch):
    photos = clf.photos(3)
    numbers = np.array([4, 9, 4])
    masked = MaskedScore(clf, photos, 0 * photos, clf.top(photos), images=numbers)

    def broken(batch, kind="probability"):
        scores = ToyClassifier.score(clf, batch, kind)
        return np.where(np.isclose(batch[0], photos[1]).all(), np.nan, scores)

    monkeypatch.setattr(clf, "score", broken)
    with pytest.raises(CapabilityError, match="score on the path of image 9 is NaN"):
        masked.path_score(np.ones((3, 4, 4), np.float32), np.arange(3), nodes=NODES[2:])
    with pytest.raises(CapabilityError, match="score under a mask of image 9 is NaN"):
        masked.score(np.ones((3, 1, 4, 4), np.float32))
