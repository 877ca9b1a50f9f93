"""Insertion into black against a loop, known areas, and images that do not count."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

import pysal
from pysal.baselines import make_baseline
from pysal.errors import OptionError, ShapeError
from pysal.metrics import METRICS
from pysal.metrics import idgi_insertion as module
from pysal.metrics.idgi_insertion import idgi_insertion
from pysal.types import MetricResult, Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def photos(clf):
    return clf.photos(4)


def naive(clf, image, black, saliency, index, steps=20):
    """Probabilities of one image, pixel after pixel."""
    order = sorted(range(saliency.size), key=lambda k: (-saliency.flat[k], k))
    shown, done, curve = black.copy(), 0, []
    for t in range(steps + 1):
        end = round(t * saliency.size / steps)
        for k in order[done:end]:
            y, x = divmod(k, saliency.shape[1])
            shown[:, y, x] = image[:, y, x]
        done = end
        curve.append(float(clf.score(shown[None])[0, index]))
    return np.array(curve)


def test_is_the_loop(clf, photos):
    maps = np.random.default_rng(0).integers(0, 30, (4, 16, 16)).astype(float)
    target = clf.top(photos)
    result = idgi_insertion(clf, photos, maps, target)
    black = make_baseline("black", photos, clf.preprocess)
    assert result.passes == clf.passes == Passes(4 * 21, 0)
    np.testing.assert_allclose(result.curves["fraction"], np.arange(21) / 20)
    for i in range(4):
        curve = naive(clf, photos[i], black[i], maps[i], target.index[i])
        np.testing.assert_allclose(result.curves["probability"][i], curve, rtol=1e-6)
        ratio = curve / curve[-1]
        np.testing.assert_allclose(result.curves["ratio"][i], ratio, rtol=1e-6)
        for name, values in (("probability", curve), ("ratio", ratio)):
            area = (values.sum() - (values[0] + values[-1]) / 2) / 20
            assert result.values[name][i] == pytest.approx(area, rel=1e-6)


def test_known_areas():
    """Probability = share of bright pixels: all inserted in the first half."""

    class Share(ToyClassifier):
        def score(self, batch, kind="probability"):
            mean = self.preprocess.denormalize(batch).mean(axis=(1, 2, 3))
            return np.stack([mean, 0.4 - mean, 0 * mean, 0 * mean], axis=1)

    clf = Share(size=20)
    rgb = np.zeros((1, 20, 20, 3), np.float32)
    rgb[:, :10] = 1
    maps = np.arange(400, 0, -1.0).reshape(1, 20, 20)
    batch, target = clf.preprocess.normalize(rgb), Target(np.array([0]))
    result = idgi_insertion(clf, batch, maps, target)
    assert result.values["probability"][0] == pytest.approx(3 / 8, abs=1e-6)
    assert result.values["ratio"][0] == pytest.approx(3 / 4, abs=1e-6)
    # Reversed, nothing comes before the second half.
    assert idgi_insertion(clf, batch, -maps, target).values["ratio"][0] == pytest.approx(1 / 4)


def test_mean_of_the_areas_is_the_area_under_the_mean_curve(clf, photos):
    maps = np.random.default_rng(0).normal(size=(4, 8, 8)).astype(np.float32)
    result = pysal.measure("idgi_insertion", clf, photos, maps)
    figures = pysal.summarize(result)
    for name in ("probability", "ratio"):
        mean = result.curves[name].mean(axis=0)
        assert figures[name] == pytest.approx(((mean[1:] + mean[:-1]) / 2).mean())


def test_only_correct_images_count(clf, photos):
    maps = np.random.default_rng(0).normal(size=(4, 16, 16))
    right = clf.top(photos)
    target = Target(np.where([True, False, True, True], right.index, (right.index + 1) % 4))
    result = idgi_insertion(clf, photos, maps, target)
    assert result.passes == clf.passes == Passes(3 * 21 + 1, 0)
    for values in (*result.values.values(), result.curves["ratio"]):
        assert np.isnan(values[1]).all()
        assert np.isfinite(values[[0, 2, 3]]).all()
    every = idgi_insertion(clf, photos, maps, target, correct_only=False)
    assert np.isfinite(every.values["ratio"]).all()
    np.testing.assert_array_equal(
        every.curves["ratio"][[0, 2, 3]], result.curves["ratio"][[0, 2, 3]]
    )


def test_a_probability_of_zero_does_not_count():
    clf = ToyClassifier(gain=2000)
    photos = clf.photos(2)
    scores = clf.score(photos)
    target = Target(scores.argmin(axis=1))
    assert (scores.min(axis=1) == 0).all()
    result = idgi_insertion(clf, photos, np.zeros((2, 4, 4)), target, correct_only=False)
    assert np.isnan(result.values["ratio"]).all()
    assert np.isnan(result.values["probability"]).all()


def test_groups_and_batches_change_nothing(clf, photos, monkeypatch):
    maps = np.random.default_rng(0).normal(size=(4, 6, 6))
    target = clf.top(photos)
    whole = idgi_insertion(clf, photos, maps, target)
    monkeypatch.setattr(module, "GROUP", 3)
    calls = []
    parts = idgi_insertion(clf, photos, maps, target, progress=lambda *c: calls.append(c))
    assert calls == [(3, 4), (4, 4)]
    np.testing.assert_array_equal(parts.curves["probability"], whole.curves["probability"])
    rows = [idgi_insertion(clf, photos[i : i + 1], maps[i : i + 1], target[[i]]) for i in range(4)]
    joined = MetricResult.concat(rows)
    np.testing.assert_array_equal(joined.values["ratio"], whole.values["ratio"])
    assert joined.passes == whole.passes


def test_ties_missing_values_and_steps(clf, photos):
    target = clf.top(photos)
    falling = np.broadcast_to(np.arange(256, 0, -1.0).reshape(16, 16), (4, 16, 16))
    flat = idgi_insertion(clf, photos, np.zeros((4, 16, 16)), target)
    ranked = idgi_insertion(clf, photos, falling, target)
    np.testing.assert_array_equal(flat.values["ratio"], ranked.values["ratio"])
    reverse = idgi_insertion(clf, photos, np.full((4, 16, 16), np.nan), target, tie="reverse")
    turned = idgi_insertion(clf, photos, -falling, target)
    np.testing.assert_array_equal(reverse.values["ratio"], turned.values["ratio"])
    one = idgi_insertion(clf, photos, falling, target, steps=1)
    assert one.curves["ratio"].shape == (4, 2)
    none = idgi_insertion(clf, photos[:0], falling[:0], Target(np.zeros(0, int)))
    assert none.curves["ratio"].shape == (0, 21)
    assert none.passes == Passes()


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("steps", 2.5), ("baseline", "fog"), ("correct_only", 1), ("tie", "random")],
)
def test_wrong_options(clf, photos, name, value):
    with pytest.raises(OptionError) as error:
        idgi_insertion(clf, photos, np.zeros((4, 8, 8)), clf.top(photos), **{name: value})
    assert "\n" not in str(error.value)
    with pytest.raises(ShapeError, match="N = 4"):
        idgi_insertion(clf, photos, np.zeros((3, 8, 8)), clf.top(photos))


def test_registry_line():
    entry = METRICS["idgi_insertion"]
    assert entry.load() is idgi_insertion
    assert set(entry.values) == {"probability", "ratio"}
