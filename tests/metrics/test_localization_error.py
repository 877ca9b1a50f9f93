"""Localization error against loops over pixels, and known boxes."""

from __future__ import annotations

import numpy as np
import pytest
from placed import one, random_truths, resized_slowly
from toy import ToyClassifier

import pysal
from pysal.errors import OptionError
from pysal.metrics import METRICS
from pysal.metrics.localization_error import aggregate_localization_error, localization_error
from pysal.types import MetricResult, Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


def predicted(saliency, threshold):
    """Tightest box, or None."""
    hit = [(i, j) for (i, j), v in np.ndenumerate(saliency) if v >= threshold]
    if not hit:
        return None
    rows, columns = zip(*hit, strict=True)
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def overlap(a, b):
    """IoU of two boxes."""
    wide = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return wide * high / (both - wide * high)


def overlap_mask(box, mask):
    """IoU of a box and a mask."""
    shared = union = 0
    for (i, j), inside in np.ndenumerate(mask):
        ours = box[0] <= j < box[2] and box[1] <= i < box[3]
        shared += bool(inside and ours)
        union += bool(inside or ours)
    return shared / union


def in_boxes(boxes, size):
    mask = np.zeros(size, bool)
    for i, j in np.ndindex(size):
        mask[i, j] = any(b[0] <= j + 0.5 < b[2] and b[1] <= i + 0.5 < b[3] for b in boxes)
    return mask


@pytest.mark.parametrize("rule", ["max", "mean"])
@pytest.mark.parametrize("against", ["max", "union", "mask"])
def test_is_the_loop(clf, rule, against):
    maps, truths = np.random.default_rng(0).normal(size=(4, 5, 7)), random_truths(4)
    maps[3] = -np.abs(maps[3])
    options = {"rule": rule, "against": against}
    target = Target(np.arange(4))
    alphas = [0, 0.3, 0.6, 0.95] if rule == "max" else [0, 0.5, 1, 2, 40]
    result = localization_error(
        clf, clf.photos(4), maps, target, truth=truths, alphas=alphas, **options
    )
    for i, known in enumerate(truths):
        fine = np.maximum(resized_slowly(maps[i], known.size), 0)
        unit = fine.max() if rule == "max" else fine.mean()
        region, whole = known.regions[0], (0, 0, known.size[1], known.size[0])
        for t, alpha in enumerate(alphas):
            box = predicted(fine, alpha * unit) or whole
            if against == "max":
                expected = max(overlap(box, b) for b in region.boxes)
            elif against == "union":
                expected = overlap_mask(box, in_boxes(region.boxes, known.size))
            else:
                expected = overlap_mask(box, region.mask)
            assert result.curves["iou"][i, t] == pytest.approx(expected)
    assert result.passes == clf.passes == Passes()
    errors = result.curves["iou"] < 0.5
    np.testing.assert_array_equal(result.values["best_error"], errors.all(axis=1))


def test_the_object_itself_is_found(clf):
    maps = np.zeros((2, 12, 10))
    maps[0, 2:8, 3:7], maps[1, 0, 0] = 1, 1
    truth = [one([[3, 2, 7, 8], [0, 9, 1, 10]]), one([[0, 0, 10, 12]])]
    result = localization_error(clf, clf.photos(2), maps, Target([0]), truth=truth, alpha=0.4)
    np.testing.assert_allclose(result.values["iou"], [1, 1 / 120])
    np.testing.assert_array_equal(result.values["error"], [0, 1])
    np.testing.assert_array_equal(result.values["whole_image_error"], [1, 0])
    np.testing.assert_array_equal(result.values["best_error"], [0, 0])
    np.testing.assert_allclose(result.curves["iou"][:, 0], [24 / 120, 1])
    np.testing.assert_allclose(result.curves["alpha"], np.arange(20) * 0.05)
    np.testing.assert_allclose(result.curves["iou"][0, 1:], 1)
    assert pysal.summarize(result)["error"] == 0.5


def test_iou_of_one_half_is_correct(clf):
    maps = np.zeros((1, 12, 10))
    maps[0, :6] = 1
    truth = [one([[0, 0, 10, 12]])]
    result = localization_error(clf, clf.photos(1), maps, Target([0]), truth=truth, alpha=0.5)
    assert result.values["iou"][0] == 0.5
    assert result.values["error"][0] == 0


def test_nothing_above_the_threshold(clf):
    maps, truth = -1 - np.random.default_rng(0).random((1, 5, 5)), [one([[0, 0, 10, 11]])]
    options = {"truth": truth, "negatives": "keep", "alpha": 0.5}
    whole = localization_error(clf, clf.photos(1), maps, Target([0]), **options)
    miss = localization_error(clf, clf.photos(1), maps, Target([0]), empty="miss", **options)
    assert whole.values["iou"][0] == pytest.approx(11 / 12)
    assert miss.values["iou"][0] == 0
    assert miss.values["whole_image_error"][0] == 0
    # As zeros all pixels reach 0.
    del options["negatives"]
    zero = localization_error(clf, clf.photos(1), maps, Target([0]), empty="miss", **options)
    assert zero.values["iou"][0] == pytest.approx(11 / 12)


def test_nan_maps_and_missing_boxes_are_said(clf):
    maps = np.random.default_rng(0).random((3, 5, 5))
    maps[0, 1, 1] = np.nan
    truth = [one([[0, 0, 10, 11]]), one(), one([[0, 0, 2, 2]], classes=(3,))]
    with pytest.warns(UserWarning, match="localization_error: ") as said:
        result = localization_error(clf, clf.photos(3), maps, Target([0]), truth=truth, alpha=0.7)
    text = "\n".join(str(w.message) for w in said)
    assert "1 of 3 maps (number 0) have NaN" in text
    assert "2 of 3 images (number 1, 2) have no box of their class" in text
    np.testing.assert_allclose(result.values["iou"], [11 / 12, np.nan, np.nan])
    np.testing.assert_array_equal(result.values["best_error"], [0, np.nan, np.nan])
    with pytest.warns(UserWarning, match="have no mask of their class"):
        localization_error(
            clf, clf.photos(2), maps[1:], Target([0]), truth=truth[1:], against="mask"
        )


def test_alpha_is_chosen_on_the_other_half():
    ious = np.array([[0.6, 0.1], [0.1, 0.7], [0.9, 0.5], [0.2, 0.8], [np.nan, np.nan]])
    curves = {"alpha": np.array([0.25, 0.75]), "iou": ious}
    result = MetricResult("localization_error", {}, curves, {}, Passes(), 0.0)
    figures = aggregate_localization_error(result)
    # Even images (0, 2) choose 0.25, where the odd ones are wrong; odd ones choose 0.75.
    assert figures == {"error": 0.75, "alpha_even": 0.25, "alpha_odd": 0.75}
    assert aggregate_localization_error(result, first=1) == {
        "error": pytest.approx(2 / 3),
        "alpha": 0.25,
    }
    assert pysal.summarize(result) == figures
    given = MetricResult("localization_error", {"error": ious[:, 0]}, curves, {}, Passes(), 0.0)
    assert aggregate_localization_error(given) == {}


def test_batch_is_its_images(clf):
    maps, truths = np.random.default_rng(0).normal(size=(4, 5, 5)), random_truths(4)
    target, photos, calls = Target(np.arange(4)), clf.photos(4), []
    whole = localization_error(
        clf, photos, maps, target, truth=truths, progress=lambda *c: calls.append(c)
    )
    assert calls[-1] == (4, 4)
    parts = MetricResult.concat(
        [
            localization_error(clf, photos[[i]], maps[[i]], target[[i]], truth=[truths[i]])
            for i in range(4)
        ]
    )
    np.testing.assert_array_equal(whole.curves["iou"], parts.curves["iou"])
    assert pysal.summarize(whole) == pysal.summarize(parts)
    none = localization_error(clf, photos[:0], maps[:0], target[:0], truth=[])
    assert none.curves["iou"].shape == (0, 20)
    assert np.isnan(pysal.summarize(none)["error"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rule", "median"),
        ("against", "all"),
        ("negatives", "abs"),
        ("empty", "none"),
        ("alpha", -0.1),
        ("alphas", []),
        ("alphas", [0.1, "x"]),
    ],
)
def test_wrong_options_are_one_line(clf, name, value):
    with pytest.raises(OptionError) as error:
        localization_error(
            clf, clf.photos(1), np.eye(4)[None], Target([0]), truth=[one()], **{name: value}
        )
    assert "\n" not in str(error.value)
    assert "localization_error" in str(error.value)


def test_public_face(clf):
    maps, truths = np.random.default_rng(0).normal(size=(4, 5, 5)), random_truths(4)
    options = {"targets": np.arange(4), "truth": truths, "batch_size": 3}
    result = pysal.measure("localization_error", clf, clf.photos(4), maps, **options)
    entry = METRICS["localization_error"]
    assert entry.load() is localization_error
    figures = pysal.summarize(result)
    assert next(iter(entry.values)) in figures
    again = pysal.measure("localization_error", clf, clf.photos(4), maps, alpha=0.5, **options)
    assert set(again.values) == set(entry.values)
