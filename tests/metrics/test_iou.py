from __future__ import annotations

import numpy as np
import pytest
from placed import one, random_truths, resized_slowly
from toy import ToyClassifier

import pysal
from pysal.errors import OptionError, ShapeError
from pysal.heatmap import ConstantMapWarning
from pysal.metrics import METRICS
from pysal.metrics.iou import iou, iou_curve
from pysal.types import MetricResult, Passes, Target


@pytest.fixture
def mask():
    truth = np.zeros((1, 10, 10), bool)
    truth[0, 2:7, 3:8] = True
    return truth


@pytest.fixture
def clf():
    return ToyClassifier()


def test_the_mask_itself_scores_one_above_threshold_zero(mask):
    result = iou_curve(mask.astype(float), mask)
    curve = result.curves["iou"][0]
    assert curve[0] == pytest.approx(0.25)
    np.testing.assert_allclose(curve[1:], 1)
    assert result.values["auc"][0] == pytest.approx(100 - 2.5 * 0.75)
    assert result.values["best"][0] == 1


def test_known_curve_of_a_ramp():
    # Levels 0, 1/3, 2/3, 1; the mask is the upper half.
    result = iou_curve([[[0.0, 1, 2, 3]]], [[[0, 0, 1, 1]]], steps=4)
    np.testing.assert_allclose(result.curves["iou"][0], [1 / 2, 2 / 3, 1, 1 / 2, 1 / 2])
    assert result.values["best_threshold"][0] == 0.5
    assert result.values["auc"][0] == pytest.approx(100 * (0.25 + 2 / 3 + 1 + 0.5 + 0.25) / 4)


def test_equals_the_definition_on_random_maps_and_frames(clf):
    rng = np.random.default_rng(0)
    maps, truths = rng.normal(size=(6, 5, 7)), random_truths(6)
    result = iou(clf, clf.photos(6), maps, Target(np.arange(6) % 4), truth=truths)
    for m, known, curve in zip(maps, truths, result.curves["iou"], strict=True):
        fine, g = resized_slowly(m, known.size), known.regions[0].mask
        unit = (fine - fine.min()) / (fine.max() - fine.min())
        for t, value in zip(result.curves["threshold"], curve, strict=True):
            assert value == pytest.approx(((unit >= t) & g).sum() / ((unit >= t) | g).sum())
    assert result.passes == clf.passes == Passes()
    masks = np.stack([known.regions[0].mask for known in random_truths(1)])
    plain = iou_curve(maps[:1], masks)
    np.testing.assert_array_equal(plain.curves["iou"][0], result.curves["iou"][0])


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan])
def test_constant_and_nan_maps_select_all_at_zero_only(mask, value):
    said = UserWarning if np.isnan(value) else ConstantMapWarning
    with pytest.warns(said, match="1 of 1 maps"):
        curve = iou_curve(np.full((1, 4, 4), value), mask).curves["iou"][0]
    assert curve[0] == pytest.approx(0.25)
    np.testing.assert_array_equal(curve[1:], 0)


def test_scale_and_offset_of_the_map_change_nothing(mask):
    maps = np.random.default_rng(1).normal(size=(1, 5, 5))
    a, b = iou_curve(maps, mask), iou_curve(40 * maps - 7, mask)
    np.testing.assert_allclose(a.curves["iou"], b.curves["iou"])


def test_images_without_a_place_are_counted_and_left_out(clf):
    maps, truths = np.random.default_rng(0).normal(size=(3, 5, 5)), random_truths(3)
    truths[1] = one([[1, 1, 5, 5]], classes=(1,))
    with pytest.warns(UserWarning, match=r'1 of 3 images \(number 1\) .* class \(use "mask"\)'):
        result = iou(clf, clf.photos(3), maps, Target(np.arange(3)), truth=truths)
    for values in result.values.values():
        np.testing.assert_array_equal(np.isnan(values), [False, True, False])
    mean = np.nanmean(result.values["auc"])
    assert pysal.summarize(result)["auc"] == pytest.approx(mean)
    boxes = iou(clf, clf.photos(3), maps, Target(np.arange(3)), truth=truths, use="boxes")
    assert not np.isnan(boxes.values["auc"]).any()


def test_batch_is_its_images(clf):
    maps, truths = np.random.default_rng(0).normal(size=(4, 5, 5)), random_truths(4)
    target, photos, calls = Target(np.arange(4)), clf.photos(4), []
    whole = iou(clf, photos, maps, target, truth=truths, progress=lambda *c: calls.append(c))
    assert calls == [(k, 4) for k in range(1, 5)]
    parts = MetricResult.concat(
        [
            iou(clf, photos[i : i + 1], maps[i : i + 1], target[[i]], truth=truths[i : i + 1])
            for i in range(4)
        ]
    )
    for name in whole.values:
        np.testing.assert_array_equal(whole.values[name], parts.values[name])
    none = iou(clf, photos[:0], maps[:0], target[:0], truth=[])
    assert none.values["auc"].shape == (0,)
    assert none.curves["iou"].shape == (0, 21)


def test_wrong_input_is_named(clf, mask):
    with pytest.raises(ShapeError, match="N = 1"):
        iou_curve(np.zeros((2, 5, 5)), mask)
    with pytest.raises(ShapeError, match=r"masks \[0\] have no pixel"):
        iou_curve(np.zeros((1, 5, 5)), np.zeros((1, 5, 5)))
    with pytest.raises(ShapeError, match=r"masks have shape \(5, 5\)"):
        iou_curve(np.zeros((1, 5, 5)), np.zeros((5, 5)))
    with pytest.raises(OptionError, match="steps is 0"):
        iou_curve(mask, mask, steps=0)
    with pytest.raises(OptionError, match="use is 'pixels'"):
        iou(clf, clf.photos(1), mask, Target([0]), truth=[one()], use="pixels")
    with pytest.raises(OptionError, match="0 truths for 1 images"):
        iou(clf, clf.photos(1), mask, Target([0]), truth=[])


def test_public_face(clf):
    maps, truths = np.random.default_rng(0).normal(size=(3, 5, 5)), random_truths(3)
    options = {"targets": np.arange(3), "truth": truths}
    result = pysal.measure("iou", clf, clf.photos(3), maps, batch_size=2, **options)
    direct = iou(clf, clf.photos(3), maps.astype(np.float32), Target(np.arange(3)), truth=truths)
    np.testing.assert_array_equal(result.values["auc"], direct.values["auc"])
    assert METRICS["iou"].load() is iou
    assert set(METRICS["iou"].values) == set(result.values)
