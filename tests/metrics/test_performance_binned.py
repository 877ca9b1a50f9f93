"""AIC and SIC in bins against a loop, known curves, and images that do not count."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image, ImageFilter
from toy import ToyClassifier

import pysal
from pysal.errors import OptionError, ShapeError
from pysal.metrics import METRICS
from pysal.metrics import performance_binned as module
from pysal.metrics.performance_binned import (
    aggregate_aic_sic_binned,
    aic_sic_binned,
    binned_curves,
)
from pysal.similarity.ms_ssim import ms_ssim
from pysal.types import MetricResult, Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier(size=32, gain=2)


@pytest.fixture
def batch(clf):
    return pictures(clf, 4)


def pictures(clf, count):
    """Batch of exact 8-bit pictures."""
    rgb = np.rint(255 * clf.preprocess.denormalize(clf.photos(count)))
    return clf.preprocess.normalize(rgb.astype(np.float32) / np.float32(255))


def size_of(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "webp", lossless=True, quality=100)
    return len(file.getvalue())


def naive(clf, image, saliency, index, form="normalized", similar=None, levels=25):
    """Level, accuracy and ratio of every picture of one image."""
    rgb = np.rint(255 * clf.preprocess.denormalize(image[None]))[0].astype(np.uint8)
    blurred = np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(20)))
    order = sorted(range(saliency.size), key=lambda k: (-saliency.flat[k], k))
    found = []
    for share in np.linspace(0, 100, levels):
        shown = blurred.copy()
        for k in order[: round(share / 100 * saliency.size)]:
            y, x = divmod(k, saliency.shape[1])
            shown[y, x] = rgb[y, x]
        scores = clf.score(clf.preprocess.normalize(shown[None].astype(np.float32) / 255))[0]
        if similar is not None:
            level = similar(shown, rgb)
        elif form == "ratio":
            level = size_of(shown) / size_of(rgb)
        else:
            low, high = size_of(blurred), size_of(rgb)
            level = min(max((size_of(shown) - low) / (high - low), 0), 1)
        found.append((level, float(scores.argmax() == index), float(scores[index])))
    level, accuracy, chance = np.array(found).T
    return level, accuracy, chance / chance[-1]


def area(points, bins=100):
    """AIC and SIC of pictures (level, accuracy, ratio), bin by bin."""
    held = [[] for _ in range(bins)]
    for level, accuracy, ratio in points:
        held[
            min(int(np.digitize(level, [k / bins for k in range(bins + 1)])) - 1, bins - 1)
        ].append((accuracy, ratio))
    areas = []
    for column, middle in ((0, np.mean), (1, np.median)):
        filled = [k for k in range(bins) if held[k]]
        values = [middle([row[column] for row in held[k]]) for k in filled]
        curve = []
        for k in range(bins):
            below = [i for i, f in enumerate(filled) if f <= k]
            above = [i for i, f in enumerate(filled) if f >= k]
            if not below or not above:
                curve.append(values[0] if not below else values[-1])
                continue
            a, b = below[-1], above[0]
            part = (k - filled[a]) / (filled[b] - filled[a]) if a != b else 0
            curve.append((1 - part) * values[a] + part * values[b])
        areas.append(sum((p + q) / 2 / bins for p, q in itertools.pairwise(curve)))
    return areas


@pytest.mark.parametrize("form", ["normalized", "ratio"])
def test_is_the_loop(clf, batch, form):
    maps = np.random.default_rng(0).integers(0, 50, (4, 32, 32)).astype(float)
    target = clf.top(batch)
    result = aic_sic_binned(clf, batch, maps, target, form=form)
    assert result.passes == clf.passes == Passes(4 * 25, 0)
    points = []
    for i in range(4):
        level, accuracy, ratio = naive(clf, batch[i], maps[i], target.index[i], form)
        np.testing.assert_allclose(result.curves["level"][i], level, atol=1e-12)
        np.testing.assert_array_equal(result.curves["accuracy"][i], accuracy)
        np.testing.assert_allclose(result.curves["ratio"][i], ratio, rtol=1e-5)
        own = list(zip(level, accuracy, ratio, strict=True))
        aic, sic = area(own)
        assert result.values["aic"][i] == pytest.approx(aic, abs=1e-9)
        assert result.values["sic"][i] == pytest.approx(sic, rel=1e-5)
        points += own
    aic, sic = area(points)
    figures = aggregate_aic_sic_binned(result)
    assert figures["aic"] == pytest.approx(aic, abs=1e-9)
    assert figures["sic"] == pytest.approx(sic, rel=1e-5)
    assert figures["images"] == 4


def test_similarity_as_information():
    clf = ToyClassifier(size=168, gain=2)
    batch = pictures(clf, 1)
    maps = np.random.default_rng(0).normal(size=(1, 168, 168))
    options = {"information": "ms_ssim", "levels": 4}
    result = aic_sic_binned(clf, batch, maps, clf.top(batch), **options)

    def similar(shown, rgb):
        return ms_ssim(shown[None], rgb[None])[0]

    level, accuracy, ratio = naive(
        clf, batch[0], maps[0], clf.top(batch).index[0], similar=similar, levels=4
    )
    np.testing.assert_array_equal(result.curves["level"][0], level)
    np.testing.assert_array_equal(result.curves["accuracy"][0], accuracy)
    np.testing.assert_allclose(result.curves["ratio"][0], ratio, rtol=1e-5)
    assert level[-1] == 1
    small = ToyClassifier(size=32)
    with pytest.raises(ShapeError, match='use information="entropy"'):
        aic_sic_binned(small, small.photos(1), maps, Target(np.array([0])), **options)


def test_bins_of_known_pictures():
    level = np.array([0.0, 0.05, 0.3, 0.35, 0.99, 1.0, 1.2])
    accuracy = np.array([0, 1, 1, 1, 0, 1, 1.0])
    ratio = np.array([0.0, 0.2, 0.5, 0.6, 0.9, 1.0, 1.1])
    mean, median = binned_curves(level, accuracy, ratio, 10)
    assert mean[0] == 0.5
    assert mean[3] == 1
    assert mean[9] == pytest.approx(2 / 3)
    np.testing.assert_allclose(mean[1:3], [0.5 + 0.5 / 3, 0.5 + 1 / 3])
    assert median[0] == pytest.approx(0.1)
    assert median[3] == pytest.approx(0.55)
    assert median[9] == 1.0
    np.testing.assert_allclose(median[4:9], 0.55 + 0.45 * np.arange(1, 6) / 6)
    # The ends take the nearest value; an edge belongs to the bin above it.
    mean, median = binned_curves(np.array([0.3, 0.7]), np.array([0, 1.0]), np.array([0.2, 2.0]), 10)
    np.testing.assert_allclose(mean[:4], 0)
    np.testing.assert_allclose(mean[7:], 1)
    np.testing.assert_allclose(median[:4], 0.2)
    np.testing.assert_allclose(median[7:], 2)
    for curve in binned_curves(*np.zeros((3, 0)), 10):
        assert np.isnan(curve).all()


def test_best_area_is_that_between_the_centres(clf, batch):
    """Accuracy 1 everywhere: 0.99 with 100 bins, 0.9 with 10."""

    class Sure(ToyClassifier):
        def score(self, batch, kind="probability"):
            return np.tile(np.array([1, 0, 0, 0], np.float32), (len(batch), 1))

    sure, target = Sure(size=32), Target(np.zeros(4, int))
    for bins, best in ((100, 0.99), (10, 0.9)):
        result = aic_sic_binned(sure, batch, np.zeros((4, 8, 8)), target, bins=bins)
        np.testing.assert_allclose(result.values["aic"], best)
        np.testing.assert_allclose(result.values["sic"], best)
        assert aggregate_aic_sic_binned(result)["sic"] == pytest.approx(best)


def test_images_that_do_not_count(clf, batch):
    maps = np.random.default_rng(0).normal(size=(4, 32, 32))
    grey = clf.preprocess.normalize(np.full((1, 32, 32, 3), 128 / 255, np.float32))
    batch = np.concatenate([batch[:2], grey, batch[3:]])
    index = clf.top(batch).index
    index[0] = (index[0] + 1) % 4
    result = aic_sic_binned(clf, batch, maps, Target(index))
    assert result.passes == clf.passes == Passes(3 * 25 + 1, 0)
    for name in ("level", "accuracy", "ratio"):
        assert np.isnan(result.curves[name][[0, 2]]).all()
        assert np.isfinite(result.curves[name][[1, 3]]).all()
    assert np.isnan(result.values["aic"][[0, 2]]).all()
    assert aggregate_aic_sic_binned(result)["images"] == 2
    every = aic_sic_binned(clf, batch, maps, Target(index), correct_only=False, form="ratio")
    assert np.isfinite(every.values["sic"]).all()
    assert (every.curves["accuracy"][0, -1], every.curves["ratio"][0, -1]) == (0, 1)


def test_batches_groups_and_workers_change_nothing(clf, batch, monkeypatch):
    maps = np.random.default_rng(0).normal(size=(4, 8, 8))
    target = clf.top(batch)
    whole = aic_sic_binned(clf, batch, maps, target, workers=2, levels=6)
    rows = [
        aic_sic_binned(clf, batch[[i]], maps[[i]], target[[i]], workers=1, levels=6)
        for i in range(4)
    ]
    joined = MetricResult.concat(rows)
    assert joined.passes == whole.passes
    monkeypatch.setattr(module, "GROUP", 3)
    calls = []
    parts = aic_sic_binned(clf, batch, maps, target, levels=6, progress=lambda *c: calls.append(c))
    assert calls == [(3, 4), (4, 4)]
    for other in (joined, parts):
        for name in ("level", "accuracy", "ratio"):
            np.testing.assert_array_equal(other.curves[name], whole.curves[name])
        assert aggregate_aic_sic_binned(other) == aggregate_aic_sic_binned(whole)


def test_public_face(clf, batch):
    maps = np.random.default_rng(0).normal(size=(4, 8, 8)).astype(np.float32)
    result = pysal.measure("aic_sic_binned", clf, batch, maps, batch_size=3)
    assert pysal.summarize(result) == aggregate_aic_sic_binned(result)
    one = pysal.measure("aic_sic_binned", clf, batch[:1], maps[:1])
    figures = aggregate_aic_sic_binned(one)
    assert (figures["aic"], figures["sic"]) == (one.values["aic"][0], one.values["sic"][0])


def test_ties_and_missing_values(clf, batch):
    target = clf.top(batch)
    falling = np.broadcast_to(np.arange(1024, 0, -1.0).reshape(32, 32), (4, 32, 32))
    flat = aic_sic_binned(clf, batch, np.zeros((4, 32, 32)), target, levels=5)
    ranked = aic_sic_binned(clf, batch, falling, target, levels=5)
    np.testing.assert_array_equal(flat.curves["level"], ranked.curves["level"])
    nothing = np.full((4, 32, 32), np.nan)
    reverse = aic_sic_binned(clf, batch, nothing, target, levels=5, tie="reverse")
    turned = aic_sic_binned(clf, batch, -falling, target, levels=5)
    np.testing.assert_array_equal(reverse.curves["ratio"], turned.curves["ratio"])


def test_no_images(clf, batch):
    result = aic_sic_binned(clf, batch[:0], np.zeros((0, 8, 8)), Target(np.zeros(0, int)))
    assert result.curves["level"].shape == (0, 25)
    assert result.values["aic"].shape == (0,)
    figures = aggregate_aic_sic_binned(result)
    assert figures["images"] == 0
    assert np.isnan(figures["aic"])


@pytest.mark.parametrize(
    "options",
    [
        {"information": "bits"},
        {"form": "difference"},
        {"form": "ratio", "information": "ms_ssim"},
        {"levels": 1},
        {"bins": 0},
        {"radius": 0},
        {"correct_only": "yes"},
        {"tie": "random"},
        {"workers": 0},
    ],
)
def test_wrong_options(clf, batch, options):
    with pytest.raises(OptionError) as error:
        aic_sic_binned(clf, batch, np.zeros((4, 8, 8)), clf.top(batch), **options)
    assert "\n" not in str(error.value)


def test_registry_line():
    entry = METRICS["aic_sic_binned"]
    assert entry.load() is aic_sic_binned
