"""AIC and SIC per image against a plain replica with scipy, and images that do not count."""

from __future__ import annotations

import io
import itertools
import sys

import numpy as np
import pytest
from PIL import Image, features
from toy import ToyClassifier

import pysal
from pysal.errors import MissingDependencyError, OptionError, ShapeError
from pysal.metrics import METRICS
from pysal.metrics import performance_information as module
from pysal.metrics.performance_information import THRESHOLDS, aggregate_aic_sic, aic_sic
from pysal.metrics.performance_reveal import random_mask
from pysal.metrics.performance_series import sample_curve
from pysal.types import MetricResult, Passes, Target

interpolate = pytest.importorskip("scipy.interpolate")
spatial = pytest.importorskip("scipy.spatial")


@pytest.fixture
def clf():
    return ToyClassifier(size=18, gain=4)


@pytest.fixture
def batch(clf):
    return pictures(clf, 4)


def pictures(clf, count):
    """Batch of exact 8-bit pictures that the model is sure of."""
    rgb = np.rint(255 * clf.preprocess.denormalize(clf.photos(count)))
    return clf.preprocess.normalize(rgb.astype(np.float32) / np.float32(255))


def rgb_of(clf, batch):
    return np.rint(255 * clf.preprocess.denormalize(batch)).astype(np.uint8)


def size_of(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "webp", lossless=True, quality=100)
    return len(file.getvalue())


def filled(picture, known):
    """Unknown pixels by barycentric coordinates in scipy's triangles, every pixel in every one."""
    known = known.copy()
    known[0, 0] = known[0, -1] = known[-1, 0] = known[-1, -1] = True
    if known.all():
        return picture
    points = np.argwhere(known)
    a, b, c = np.moveaxis(points[spatial.Delaunay(points).simplices], 1, 0)
    pixels = np.argwhere(~known)[:, None]

    def double_area(p, q, r):
        u, v = q - p, r - p
        return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]

    solid = double_area(a, b, c) != 0
    a, b, c = a[solid], b[solid], c[solid]
    whole = double_area(a, b, c)
    three = np.stack([double_area(b, c, pixels), double_area(c, a, pixels)], axis=2)
    three = np.dstack([three, double_area(a, b, pixels)]) / whole[:, None]
    inside = three.min(axis=2)
    at, rows = inside.argmax(axis=1), np.arange(len(three))
    assert (inside[rows, at] >= 0).all()
    values = np.stack([picture[tuple(p[at].T)] for p in (a, b, c)], axis=1).astype(float)
    out = picture.copy()
    out[~known] = np.rint((three[rows, at][..., None] * values).sum(axis=1).astype(np.float32))
    return out


def series(clf, picture, saliency, index, mask):
    """Size, probability and correctness of every picture of one image, one after the other."""
    shown = [filled(picture, mask), picture]
    for t in THRESHOLDS:
        shown.append(filled(picture, mask | (saliency >= np.quantile(saliency, 1 - t))))
    found = []
    for one in shown:
        scores = clf.score(clf.preprocess.normalize(one[None].astype(np.float32) / 255))[0]
        found.append((size_of(one), float(scores[index]), float(scores.argmax() == index)))
    return found


def naive(found, kind, monotone):
    """Curve of one image, or None where it does not count."""
    column = {"sic": 1, "aic": 2}[kind]
    (e0, q0), (e1, q1), *rest = [(row[0], row[column]) for row in found]
    if q1 < 0.8 or e0 >= e1 or q0 >= q1:
        return None
    points, best = [(0.0, 0.0), (1.0, 1.0)], 0.0
    for e, q in rest:
        level = min(max((e - e0) / (e1 - e0), 0), 1)
        reached = min(max((q - q0) / (q1 - q0), 0), 1)
        best = max(best, reached)
        points.append((level, best if monotone else reached))
    known = {}
    for level, reached in points:
        known[level] = max(known.get(level, 0), reached)
    x = sorted(known)
    curve = interpolate.interp1d(x, [known[level] for level in x])
    return np.array([*(float(curve(k / 1000)) for k in range(1000)), 1.0])


def test_is_the_replica(clf, batch):
    maps = np.random.default_rng(0).normal(size=(4, 18, 18))
    maps[1] = np.rint(maps[1])  # ties
    target, rgb, seeds, counted = clf.top(batch), rgb_of(clf, batch), [3, 4, 5, 6], 0
    results = {
        flag: aic_sic(clf, batch, maps, target, seed=seeds, keep_monotonous=flag)
        for flag in (True, False)
    }
    for i in range(4):
        mask = random_mask(rgb[i], 0.01, seeds[i])
        found = series(clf, rgb[i], maps[i], target.index[i], mask)
        for (monotone, result), kind in itertools.product(results.items(), ("sic", "aic")):
            curve = naive(found, kind, monotone)
            if curve is None:
                assert np.isnan(result.curves[kind][i]).all()
                assert np.isnan(result.values[kind][i])
                continue
            counted += 1
            np.testing.assert_allclose(result.curves[kind][i], curve, atol=1e-6)
            area = (curve.sum() - (curve[0] + curve[-1]) / 2) / 1000
            assert result.values[kind][i] == pytest.approx(area, abs=1e-6)
    assert counted >= 8, "too few images count: the comparison says nothing"


def test_ends_are_values(clf, batch):
    result = aic_sic(clf, batch, np.zeros((4, 8, 8)), clf.top(batch), seed=1)
    rgb = rgb_of(clf, batch)
    blurred = np.stack([filled(p, random_mask(p, 0.01, 1)) for p in rgb])
    np.testing.assert_array_equal(result.values["bytes"], [size_of(p) for p in rgb])
    np.testing.assert_array_equal(result.values["bytes_blurred"], [size_of(p) for p in blurred])
    low = clf.score(clf.preprocess.normalize(blurred.astype(np.float32) / np.float32(255)))
    chance = low[np.arange(4), clf.top(batch).index]
    np.testing.assert_array_equal(result.values["probability_blurred"], chance)
    own = clf.score(batch)[np.arange(4), clf.top(batch).index]
    np.testing.assert_allclose(result.values["probability"], own, rtol=1e-6)
    assert result.options["libwebp"] == features.version("webp")


def test_a_constant_map_reveals_everything_at_once(clf, batch):
    """One point at (1, 1): the diagonal."""
    for maps in (np.zeros((4, 8, 8)), np.full((4, 8, 8), np.nan)):
        result = aic_sic(clf, batch, maps, clf.top(batch))
        counts = ~np.isnan(result.values["sic"])
        assert counts.any()
        np.testing.assert_allclose(result.values["sic"][counts], 0.5, atol=1e-12)


def test_images_that_do_not_count(clf, batch):
    maps = np.random.default_rng(0).normal(size=(4, 8, 8))
    grey = np.full((1, 18, 18, 3), 128 / 255, np.float32)
    batch = np.concatenate([batch[:2], clf.preprocess.normalize(grey), batch[3:]])
    index = clf.top(batch).index
    index[0] = (index[0] + 1) % 4  # another class: neither sure nor correct
    clf.passes = Passes()
    result = aic_sic(clf, batch, maps, Target(index), min_score=0.3)
    assert np.isnan(result.values["sic"][[0, 2]]).all()
    assert np.isnan(result.values["aic"][[0, 2]]).all()
    # The plain picture is its own interpolation: no smaller, and no worse.
    assert result.values["bytes"][2] == result.values["bytes_blurred"][2]
    assert np.isnan(result.values["bytes"][0])
    counts = ~(np.isnan(result.values["sic"]) & np.isnan(result.values["aic"]))
    tried = ~np.isnan(result.values["bytes"])
    assert counts[[1, 3]].any()
    expected = 4 + tried.sum() + 13 * counts.sum()
    assert result.passes == clf.passes == Passes(int(expected), 0)
    figures = aggregate_aic_sic(result)
    assert figures["sic_images"] == (~np.isnan(result.values["sic"])).sum()


def test_sic_and_aic_count_by_themselves():
    """A model that is right but not sure has an AIC and no SIC."""
    clf = ToyClassifier(size=18, gain=0.6)
    batch = pictures(clf, 4)
    maps = np.random.default_rng(0).normal(size=(4, 8, 8))
    result = aic_sic(clf, batch, maps, clf.top(batch), min_score=0.99)
    assert np.isnan(result.values["sic"]).all()
    low = aic_sic(clf, batch, maps, clf.top(batch), min_score=0)
    assert np.isfinite(low.values["sic"]).any()
    np.testing.assert_array_equal(low.values["aic"], result.values["aic"])


def test_batches_groups_and_workers_change_nothing(clf, batch, monkeypatch):
    maps = np.random.default_rng(0).normal(size=(4, 8, 8))
    target, seeds = clf.top(batch), [3, 4, 5, 6]
    whole = aic_sic(clf, batch, maps, target, seed=seeds, workers=2)
    rows = [
        aic_sic(clf, batch[[i]], maps[[i]], target[[i]], seed=seeds[i], workers=1) for i in range(4)
    ]
    joined = MetricResult.concat(rows)
    assert joined.passes == whole.passes
    monkeypatch.setattr(module, "GROUP", 3)
    calls = []
    parts = aic_sic(clf, batch, maps, target, seed=seeds, progress=lambda *c: calls.append(c))
    assert calls == [(3, 4), (4, 4)]
    for other in (joined, parts):
        for name, values in whole.values.items():
            np.testing.assert_array_equal(other.values[name], values)
        np.testing.assert_array_equal(other.curves["sic"], whole.curves["sic"])


def test_public_face_and_figures(clf, batch):
    maps = np.random.default_rng(0).normal(size=(4, 8, 8)).astype(np.float32)
    result = pysal.measure("aic_sic", clf, batch, maps, batch_size=3)
    figures = pysal.summarize(result)
    for name in ("sic", "aic"):
        counts = ~np.isnan(result.values[name])
        assert counts.sum() == figures[f"{name}_images"] > 0
        mean = result.curves[name][counts].mean(axis=0)
        assert figures[name] == pytest.approx((mean[1:] + mean[:-1]).mean() / 2)
        middle = np.median(result.curves[name][counts], axis=0)
        assert figures[f"{name}_median"] == pytest.approx((middle[1:] + middle[:-1]).mean() / 2)


def test_no_image_counts(clf, batch):
    result = aic_sic(clf, batch[:0], np.zeros((0, 8, 8)), Target(np.zeros(0, int)))
    assert result.curves["sic"].shape == (0, 1001)
    assert result.passes == Passes()
    figures = aggregate_aic_sic(result)
    assert figures["sic_images"] == figures["aic_images"] == 0
    assert np.isnan(figures["sic_median"])
    assert np.isnan(figures["aic_median"])


def test_curve_between_points():
    curve = sample_curve(np.array([0.5, 0.5, 0.2]), np.array([0.1, 0.6, 0.4]), False, 11)
    # At 0.5 the best of two holds.
    expected = np.interp(np.linspace(0, 1, 11), [0, 0.2, 0.5, 1], [0, 0.4, 0.6, 1])
    np.testing.assert_allclose(curve, expected)
    rising = sample_curve(np.array([0.5, 0.5, 0.2]), np.array([0.1, 0.6, 0.4]), True, 11)
    expected = np.interp(np.linspace(0, 1, 11), [0, 0.2, 0.5, 1], [0, 0.6, 0.6, 1])
    np.testing.assert_allclose(rising, expected)
    start = sample_curve(np.array([0.0, 1.0]), np.array([0.3, 0.5]), True, 3)
    np.testing.assert_allclose(start, [0.3, 0.65, 1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("thresholds", ()),
        ("thresholds", (0.5, 0.1)),
        ("thresholds", (0, 0.5)),
        ("thresholds", (0.5, 1)),
        ("thresholds", (0.1, np.nan)),
        ("thresholds", "all"),
        ("fraction", 1.5),
        ("min_score", -0.1),
        ("keep_monotonous", 1),
        ("points", 0),
        ("seed", [1, 2]),
        ("workers", 0),
    ],
)
def test_wrong_options(clf, batch, name, value):
    with pytest.raises(OptionError) as error:
        aic_sic(clf, batch, np.zeros((4, 8, 8)), clf.top(batch), **{name: value})
    assert "\n" not in str(error.value)


def test_wrong_shapes_and_missing_scipy(clf, batch, monkeypatch):
    with pytest.raises(ShapeError, match="N = 4"):
        aic_sic(clf, batch, np.zeros((3, 8, 8)), clf.top(batch))
    thin = ToyClassifier(size=1)
    with pytest.raises(ShapeError, match="from 2 pixels on"):
        aic_sic(thin, thin.photos(1), np.zeros((1, 1, 1)), Target(np.array([0])))
    monkeypatch.setitem(sys.modules, "scipy.spatial", None)
    with pytest.raises(MissingDependencyError, match=r"pysal-saliency\[regions\]"):
        aic_sic(clf, batch, np.zeros((4, 8, 8)), clf.top(batch))


def test_registry_line():
    entry = METRICS["aic_sic"]
    assert entry.load() is aic_sic
    assert entry.extra == "regions"
