"""Weakly supervised localization against pairs, every threshold, and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from placed import one, random_truths, resized_slowly
from toy import ToyClassifier

import pysal
from pysal.errors import OptionError, ShapeError
from pysal.heatmap import ConstantMapWarning
from pysal.metrics import METRICS
from pysal.metrics.localization import detection, weak_localization
from pysal.truth import box_mask
from pysal.types import MetricResult, Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


def naive(scores, positive):
    """All pairs, and every threshold there is."""
    up, down = scores[positive], scores[~positive]
    auc = np.mean([(a > b) + (a == b) / 2 for a in up for b in down]) if len(down) else np.nan
    f1, mae = [], [positive.mean()]
    for t in np.unique(scores):
        chosen = scores >= t
        f1.append(2 * (chosen & positive).sum() / (chosen.sum() + positive.sum()))
        mae.append((chosen != positive).mean())
    return auc, max(f1), min(mae)


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_detection_is_the_definition(levels):
    rng = np.random.default_rng(levels)
    for share in (0.05, 0.5, 0.95):
        scores = rng.integers(0, levels, 60) / levels
        positive = rng.random(60) < share
        positive[7] = True
        np.testing.assert_allclose(detection(scores, positive), naive(scores, positive))


def test_detection_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for levels in (3, 10, 10**6):
        positive = rng.random(4000) < 0.3
        scores = rng.integers(0, levels, 4000) + levels * positive * rng.random(4000) // 2
        auc, f1, mae = detection(scores, positive)
        assert auc == pytest.approx(metrics.roc_auc_score(positive, scores), abs=1e-12)
        precision, recall, _ = metrics.precision_recall_curve(positive, scores)
        best = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
        assert f1 == pytest.approx(best.max(), abs=1e-12)
        cuts = np.unique(scores)[:: max(1, levels // 200)]
        f1s = [metrics.f1_score(positive, scores >= t) for t in cuts]
        errors = [metrics.zero_one_loss(positive, scores >= t) for t in cuts]
        assert f1 >= max(f1s) - 1e-12
        assert mae <= min(errors) + 1e-12
        if len(cuts) == len(np.unique(scores)):
            assert f1 == pytest.approx(max(f1s))
            assert mae == pytest.approx(min([*errors, positive.mean()]))


@pytest.mark.parametrize("use", ["boxes", "mask"])
def test_is_the_definition_in_every_frame(clf, use):
    maps, truths = np.random.default_rng(0).normal(size=(6, 5, 7)), random_truths(6)
    target = Target(np.arange(6) % 4)
    result = weak_localization(clf, clf.photos(6), maps, target, truth=truths, use=use)
    for i, known in enumerate(truths):
        region = known.regions[0]
        positive = region.mask if use == "mask" else box_mask(region.boxes, known.size)
        expected = naive(resized_slowly(maps[i], known.size), positive)
        found = [result.values[name][i] for name in ("roc_auc", "f1", "mae")]
        np.testing.assert_allclose(found, expected)
    assert result.passes == clf.passes == Passes()


def test_perfect_reversed_and_constant_maps(clf):
    truth = [one([[0, 0, 5, 12]])] * 3  # the left half
    maps = np.zeros((3, 12, 10))
    maps[0, :, :5], maps[1, :, 5:] = 1, 1
    with pytest.warns(ConstantMapWarning, match=r"1 of 3 maps \(number 2\)"):
        result = weak_localization(clf, clf.photos(3), maps, Target([0]), truth=truth)
    np.testing.assert_allclose(result.values["roc_auc"], [1, 0, 0.5])
    np.testing.assert_allclose(result.values["f1"], [1, 2 / 3, 2 / 3])
    np.testing.assert_allclose(result.values["mae"], [0, 0.5, 0.5])


def test_floors(clf):
    """F1 is at least 2a / (1 + a), the error at most min(a, 1 - a)."""
    maps, truths = np.random.default_rng(3).normal(size=(8, 6, 6)), random_truths(8, seed=5)
    target = Target(np.arange(8) % 4)
    result = weak_localization(clf, clf.photos(8), maps, target, truth=truths)
    share = np.array([box_mask(t.regions[0].boxes, t.size).mean() for t in truths])
    assert (result.values["f1"] >= 2 * share / (1 + share) - 1e-12).all()
    assert (result.values["mae"] <= np.minimum(share, 1 - share) + 1e-12).all()


def test_what_does_not_count_is_said(clf):
    maps = np.random.default_rng(0).normal(size=(3, 5, 5))
    maps[2, 0, 0] = np.nan
    truth = [one([[0, 0, 10, 12]]), one([[0, 0, 3, 3]], classes=(2,)), one([[0, 0, 3, 3]])]
    with pytest.warns(UserWarning, match="weak_localization: ") as said:
        result = weak_localization(clf, clf.photos(3), maps, Target([0]), truth=truth)
    text = "\n".join(str(w.message) for w in said)
    assert "1 of 3 maps (number 2) have NaN" in text
    assert '1 of 3 images (number 1) have no place of their class (use "boxes")' in text
    assert "1 of 3 images (number 0) have no pixel outside of the place" in text
    np.testing.assert_array_equal(result.values["roc_auc"], [np.nan, np.nan, 0.5])
    np.testing.assert_allclose(result.values["f1"], [1, np.nan, 2 * 9 / (120 + 9)])
    np.testing.assert_allclose(result.values["mae"], [0, np.nan, 9 / 120])


def test_batch_is_its_images(clf):
    maps, truths = np.random.default_rng(0).normal(size=(4, 5, 5)), random_truths(4)
    target, photos = Target(np.arange(4)), clf.photos(4)
    whole = weak_localization(clf, photos, maps, target, truth=truths)
    parts = MetricResult.concat(
        [
            weak_localization(
                clf, photos[[i]], maps[[i]], target[[i]], truth=[truths[i]], progress=None
            )
            for i in range(4)
        ]
    )
    for name in whole.values:
        np.testing.assert_array_equal(whole.values[name], parts.values[name])
    none = weak_localization(clf, photos[:0], maps[:0], target[:0], truth=[])
    assert none.values["f1"].shape == (0,)


def test_wrong_input_is_named(clf):
    maps, photos = np.eye(4)[None], clf.photos(1)
    with pytest.raises(OptionError, match="use is 'box'"):
        weak_localization(clf, photos, maps, Target([0]), truth=[one()], use="box")
    with pytest.raises(OptionError, match="2 truths for 1 images"):
        weak_localization(clf, photos, maps, Target([0]), truth=[one(), one()])
    with pytest.raises(ShapeError, match="N = 1"):
        weak_localization(clf, photos, maps[0], Target([0]), truth=[one()])


def test_public_face(clf):
    maps, truths = np.random.default_rng(0).normal(size=(3, 5, 5)), random_truths(3)
    options = {"targets": np.arange(3), "truth": truths}
    result = pysal.measure("weak_localization", clf, clf.photos(3), maps, batch_size=2, **options)
    assert METRICS["weak_localization"].load() is weak_localization
    assert list(METRICS["weak_localization"].values) == list(result.values)
    figures = pysal.summarize(result)
    assert figures["f1"] == pytest.approx(result.values["f1"].mean())
