"""LIME: the regression by another solver, segments, fills, errors."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.errors import OptionError, ShapeError
from pysal.methods.lime import lime
from pysal.perturb.drawn import switches


@pytest.fixture
def clf():
    return ToyClassifier()


def blocks(count=1, side=16, cell=4):
    """Square segments; image i has its own numbers for them."""
    cells = np.arange((side // cell) ** 2).reshape(side // cell, -1)
    labels = np.kron(cells, np.ones((cell, cell), int))
    return np.stack([3 * labels + i for i in range(count)])


def naive(clf, x, c, fill, labels, rows, width, alpha):
    """Methods specification 5.3: scores one by one, the ridge as augmented least squares."""
    scores = []
    for row in rows:
        shown = row[labels]
        scores.append(clf.score(np.where(shown, x, fill)[None])[0, c])
    y = np.array(scores, np.float64)
    ones = rows.sum(axis=1)
    cosine = np.sqrt(ones / rows.shape[1])
    weight = np.sqrt(np.exp(-((1 - cosine) ** 2) / width**2))
    root = np.sqrt(weight)[:, None]
    design = np.hstack([rows, np.ones((len(rows), 1))])
    penalty = np.sqrt(alpha) * np.eye(rows.shape[1], rows.shape[1] + 1)
    left = np.vstack([root * design, penalty])
    right = np.concatenate([root[:, 0] * y, np.zeros(rows.shape[1])])
    found = np.linalg.lstsq(left, right, rcond=None)[0]
    residual = y - design @ found
    mean = np.average(y, weights=weight)
    r2 = 1 - (weight * residual**2).sum() / (weight * (y - mean) ** 2).sum()
    return found[:-1], found[-1], r2


@pytest.mark.parametrize(
    "options",
    [{}, {"alpha": 0.01, "kernel_width": 1.0}, {"keep": 0.8, "fill": "black"}, {"seed": 7}],
    ids=str,
)
def test_is_the_regression(clf, options):
    batch = clf.photos(2)
    target = clf.top(batch)
    result = lime(clf, batch, target, samples=90, segments=blocks(2), labels=True, **options)
    fill = {"black": clf.preprocess.normalize(np.zeros((1, 16, 16, 3)))[0]}
    labels = blocks()[0] // 3
    np.testing.assert_array_equal(result.trace["labels"], [labels, labels])
    rows = switches(options.get("seed", 0), 90, 16, options.get("keep", 0.5))
    assert rows[0].all()
    for i, c in enumerate(target.index):
        hidden = fill.get(options.get("fill"), np.zeros((3, 16, 16), np.float32))
        width, alpha = options.get("kernel_width", 0.25), options.get("alpha", 1.0)
        found, intercept, r2 = naive(clf, batch[i], c, hidden, labels, rows, width, alpha)
        np.testing.assert_allclose(result.trace["coefficients"][i], found, atol=1e-7)
        np.testing.assert_allclose(result.trace["intercept"][i], intercept, atol=1e-7)
        np.testing.assert_allclose(result.trace["r2"][i], r2, atol=1e-6)
        np.testing.assert_allclose(result.native[i], found[labels], atol=1e-6)


def test_a_sum_over_segments_is_found_exactly(clf):
    """Logits of the toy are sums over pixels: coefficients are what the segments contribute."""
    clf.quadratic[...] = 0
    batch = clf.photos(2)
    target = clf.top(batch, "logit")
    result = lime(clf, batch, target, segments=blocks(2), samples=400, alpha=1e-9)
    for i, c in enumerate(target.index):
        evidence = (clf.linear[c] * batch[i]).sum(axis=0)
        parts = evidence.reshape(4, 4, 4, 4).sum(axis=(1, 3)).ravel()
        np.testing.assert_allclose(result.trace["coefficients"][i], parts, atol=1e-4)
        assert result.trace["r2"][i] > 0.99999
        assert (result.trace["standard_error"][i] < 1e-4).all()


def test_errors_tell_how_far_seeds_are_apart(clf):
    batch = clf.photos(1)
    target = clf.top(batch)
    runs = [lime(clf, batch, target, segments=blocks(), samples=200, seed=s) for s in range(40)]
    spread = np.std([run.trace["coefficients"][0] for run in runs], axis=0, ddof=1)
    told = np.mean([run.trace["standard_error"][0] for run in runs], axis=0)
    assert 0.8 < (spread / told).mean() < 1.2


def test_too_few_samples_have_no_errors(clf):
    batch = clf.photos(1)
    result = lime(clf, batch, clf.top(batch), segments=blocks(), samples=3, alpha=1e-9)
    assert np.isfinite(result.native).all()
    assert result.trace["standard_error"].shape == (1, 16)


def test_own_mean_colour(clf):
    batch = clf.photos(2)
    labels = np.random.default_rng(0).integers(0, 5, batch.shape[2:])
    fill = np.empty_like(batch)
    for image, filled in zip(batch, fill, strict=True):
        for s in range(5):
            filled[:, labels == s] = image[:, labels == s].mean(axis=1, keepdims=True)
    options = {"samples": 40, "segments": labels}
    own = lime(clf, batch, clf.top(batch), fill="superpixel", **options)
    given = lime(clf, batch, clf.top(batch), fill=fill, **options)
    np.testing.assert_allclose(own.native, given.native, atol=1e-6)
    assert (own.options["fill"], given.options["fill"]) == ("superpixel", "given")


@pytest.mark.parametrize(
    "options", [{"num_segments": 9}, {"segments": "quickshift", "kernel_size": 2, "max_dist": 4}]
)
def test_segmentations(clf, options):
    batch = clf.photos(2)
    result = lime(clf, batch, clf.top(batch), samples=30, sigma=0.0, labels=True, **options)
    for labels, count in zip(result.trace["labels"], result.trace["num_segments"], strict=True):
        assert np.unique(labels).tolist() == list(range(count))
        assert count > 1
    missing = np.isnan(result.trace["coefficients"])
    np.testing.assert_array_equal((~missing).sum(axis=1), result.trace["num_segments"])


def test_switches_do_not_depend_on_their_number():
    few, many = switches(5, 20, 7, 0.5), switches(5, 200, 7, 0.5)
    np.testing.assert_array_equal(few, many[:20])
    assert abs(many[1:].mean() - 0.5) < 0.05


def test_constant_scores_are_said_aloud(clf):
    batch = clf.photos(2)
    target = clf.top(batch)
    with pytest.warns(UserWarning, match="constant: no version has another score"):
        result = lime(clf, batch, target, segments=blocks(2), samples=30, fill=batch)
    assert not result.native.any()
    assert np.isnan(result.trace["r2"]).all()
    whole = np.zeros((16, 16), int)
    with pytest.warns(UserWarning, match="constant: there is one segment only"):
        lime(clf, batch, target, segments=whole, samples=30)


def test_segments_are_checked(clf):
    batch = clf.photos(2)
    target = clf.top(batch)
    for wrong in (blocks(3), blocks(2).astype(float), blocks(2)[:, :8]):
        with pytest.raises(ShapeError, match=r"lime: segments have shape .* \(2, 16, 16\)"):
            lime(clf, batch, target, segments=wrong)
    many = ToyClassifier(size=80)
    photos = many.photos(1)
    pixels = np.arange(6400).reshape(1, 80, 80)
    with pytest.raises(OptionError, match="image 0 has 6400 segments; expected at most 4096"):
        lime(many, photos, many.top(photos), segments=pixels)
