"""Average drop, increase and gain against loops and known cases."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.errors import OptionError, ShapeError
from pysal.metrics import METRICS
from pysal.metrics.average_drop import average_drop
from pysal.types import Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


def naive(clf, image, saliency, index):
    """Multiply RGB, pixel by pixel, and compare probabilities."""
    low, high = saliency.min(), saliency.max()
    rgb = clf.preprocess.denormalize(image[None])[0]
    shown = np.empty_like(rgb)
    for i in range(rgb.shape[0]):
        for j in range(rgb.shape[1]):
            shown[i, j] = rgb[i, j] * (saliency[i, j] - low) / (high - low)
    before = float(clf.score(image[None])[0, index])
    after = float(clf.score(clf.preprocess.normalize(shown[None]))[0, index])
    drop = max(0.0, before - after) / before
    gain = max(0.0, after - before) / (1 - before)
    return 100 * drop, 100.0 * (after > before), 100 * gain


def test_it_is_the_loop(clf):
    x = clf.photos(4)
    # RGB within [0, 1], so that nothing is cut when it is made.
    x = clf.preprocess.normalize(np.random.default_rng(1).uniform(size=(4, 16, 16, 3)))
    x = x.astype(np.float32)
    target = Target(np.array([0, 1, 2, 3]))
    maps = np.random.default_rng(0).normal(size=(4, 16, 16)).astype(np.float32)
    result = average_drop(clf, x, maps, target)
    expected = [naive(clf, x[i], maps[i], i) for i in range(4)]
    found = np.stack([result.values[n] for n in ("drop", "increase", "gain")], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert (found > 0).any(axis=0).all()


class Mean(ToyClassifier):
    """Probability of class 0 = mean of the input."""

    def score(self, batch, kind="probability"):
        self.passes += Passes(len(batch), 0)
        mean = batch.mean(axis=(1, 2, 3))
        return np.stack([mean, 1 - mean, 0 * mean, 0 * mean], axis=1)


def test_known_drop_increase_and_gain():
    clf = Mean(size=8)
    half = np.full((1, 3, 8, 8), 0.5, np.float32)
    maps = np.zeros((1, 8, 8))
    maps[0, :, :4] = 7
    down = average_drop(clf, half, maps, Target(np.array([0])), baseline="zero")
    assert down.values["drop"][0] == pytest.approx(50)
    assert down.values["increase"][0] == down.values["gain"][0] == 0
    assert down.values["masked_score"][0] == pytest.approx(0.25)
    up = average_drop(clf, half, maps, Target(np.array([1])), baseline="zero")
    assert up.values["drop"][0] == 0
    assert up.values["increase"][0] == 100
    assert up.values["gain"][0] == pytest.approx(100 * 0.25 / 0.5)
    other = average_drop(clf, half, maps, Target(np.array([0])), baseline=0 * half + 0.25)
    assert other.values["drop"][0] == pytest.approx(25)
    never = average_drop(clf, half, maps, Target(np.array([3])), baseline="zero")
    assert np.isnan(never.values["drop"][0])
    sure = average_drop(clf, 2 * half, maps, Target(np.array([0])), baseline=2 * half)
    assert sure.values["gain"][0] == 0
    assert sure.values["drop"][0] == 0


def test_maps_without_pattern_do_not_count(clf):
    x = clf.photos(3)
    maps = np.random.default_rng(0).normal(size=(3, 5, 5))
    maps[1] = 0.1
    maps[2, 0, 0] = np.nan
    result = average_drop(clf, x, maps, clf.top(x))
    for row in result.values.values():
        assert np.isnan(row).tolist() == [False, True, True]


def test_scale_of_the_map_and_batch_change_nothing(clf):
    x = clf.photos(3)
    target = clf.top(x)
    maps = np.random.default_rng(0).normal(size=(3, 5, 5))
    clf.passes = Passes()
    result = average_drop(clf, x, maps, target)
    assert result.passes == clf.passes == Passes(6, 0)
    other = average_drop(clf, x, 4 * maps - 9, clf.top(x, "logit"))
    np.testing.assert_allclose(other.values["drop"], result.values["drop"], atol=1e-2)
    for i in range(3):
        alone = average_drop(clf, x[i : i + 1], maps[i : i + 1], target[[i]])
        assert alone.values["drop"][0] == result.values["drop"][i]


def test_wrong_input_and_no_images(clf):
    x = clf.photos(2)
    with pytest.raises(OptionError, match="fog"):
        average_drop(clf, x, np.zeros((2, 4, 4)), clf.top(x), baseline="fog")
    with pytest.raises(ShapeError, match="N = 2"):
        average_drop(clf, x, np.zeros((2, 4)), clf.top(x))
    none = average_drop(clf, x[:0], np.zeros((0, 4, 4)), Target(np.zeros(0, int)))
    assert none.values["drop"].shape == (0,)
    assert METRICS["average_drop"].load() is average_drop
