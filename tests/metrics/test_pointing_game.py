"""Pointing game against loops, points on known sides of an edge, and class means."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from placed import one, random_truths, resized_slowly
from toy import ToyClassifier

import pysal
from pysal.errors import OptionError
from pysal.heatmap import ConstantMapWarning
from pysal.metrics import METRICS
from pysal.metrics.pointing_game import (
    VARIANTS,
    aggregate_pointing_game,
    is_hit,
    pointing_game,
    smoothed,
)
from pysal.truth import Region, Truth
from pysal.types import MetricResult, Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


def peak(row, column, size=(12, 10)):
    maps = np.zeros((1, *size))
    maps[0, row, column] = 1
    return maps


def naive_hit(point, pixels, tolerance):
    return any(
        inside and ((i, j) == point or (i - point[0]) ** 2 + (j - point[1]) ** 2 < tolerance**2)
        for (i, j), inside in np.ndenumerate(pixels)
    )


def test_is_the_loop_in_every_variant(clf):
    rng = np.random.default_rng(0)
    maps, truths, target = rng.normal(size=(12, 6, 5)), random_truths(12), Target(np.arange(12) % 4)
    photos = clf.photos(12)
    photos[::3] *= -1  # the model does not see these
    probability = 1 / (1 + np.exp(-clf.score(photos, "logit").astype(float)))
    for variant, rules in VARIANTS.items():
        # Frames are small: a tolerance of 2 instead of 15.
        tolerance = 2.5 if rules.tolerance else 0
        result = pointing_game(
            clf, photos, maps, target, truth=truths, variant=variant, tolerance=tolerance
        )
        for i, known in enumerate(truths):
            region = known.regions[0]
            pixels = region.mask
            if variant == "A":
                pixels = np.zeros(known.size, bool)
                for a, b in np.ndindex(known.size):
                    pixels[a, b] = any(
                        x0 <= b + 0.5 < x1 and y0 <= a + 0.5 < y1 for x0, y0, x1, y1 in region.boxes
                    )
            if variant == "C" and probability[i, target.index[i]] <= 0.5:
                assert np.isnan(result.values["hit"][i])
                continue
            fine = resized_slowly(maps[i], known.size)
            point = np.unravel_index(fine.argmax(), fine.shape)
            middle = known.size[0] // 2, known.size[1] // 2
            assert result.values["hit"][i] == naive_hit(point, pixels, tolerance)
            assert result.values["center"][i] == naive_hit(middle, pixels, tolerance)
            assert result.values["small"][i] == (pixels.mean() < 0.25)
        np.testing.assert_array_equal(result.values["class"], target.index)
    assert 0 < np.isnan(result.values["hit"]).sum() < 12


def test_options_of_the_variants(clf):
    seen = {}
    for variant in "ABC":
        truth = [one([[0, 0, 9, 9]], np.eye(12, 10, dtype=bool))]
        result = pointing_game(
            clf, clf.photos(1), peak(2, 2), Target([0]), truth=truth, variant=variant
        )
        seen[variant] = [
            result.options[k] for k in ("use", "tolerance", "difficult", "score_threshold")
        ]
    assert seen == {
        "A": ["boxes", 0, "keep", 0],
        "B": ["either", 15, "skip", 0],
        "C": ["mask", 0, "keep", 0.5],
    }


@pytest.mark.parametrize(("column", "tolerance", "hit"), [
    (5, 0, True), (6, 0, False), (6, 1, False), (6, 1.01, True), (7, 2, False), (7, 2.5, True),
])  # fmt: skip
def test_distances_are_strict(clf, column, tolerance, hit):
    """The box ends with column 5; distances are those of pixel centres."""
    truth = [one([[2, 0, 6, 12]])]
    result = pointing_game(
        clf, clf.photos(1), peak(3, column), Target([0]), truth=truth, tolerance=tolerance
    )
    assert result.values["hit"][0] == hit
    assert result.passes == clf.passes == Passes()


def test_fifteen_pixels_are_a_disc():
    pixels = np.zeros((60, 60), bool)
    pixels[30, 30] = True
    hits = np.array([[is_hit((i, j), pixels, 15) for j in range(60)] for i in range(60)])
    rows, columns = np.indices((60, 60)) - 30
    np.testing.assert_array_equal(hits, rows**2 + columns**2 < 225)


def test_first_of_equal_points_and_constant_maps(clf):
    maps = np.zeros((2, 12, 10))
    maps[0, 4, 4] = maps[0, 8, 8] = 3
    truth = [one([[4, 4, 5, 5]])] * 2
    with pytest.warns(ConstantMapWarning, match="number 1"):
        result = pointing_game(clf, clf.photos(2), maps, Target([0]), truth=truth)
    np.testing.assert_array_equal(result.values["hit"], [1, 0])
    maps[1] = np.nan
    with pytest.warns(UserWarning, match="have NaN"):
        corner = pointing_game(
            clf, clf.photos(2), maps, Target([0]), truth=[one([[0, 0, 1, 1]])] * 2
        )
    np.testing.assert_array_equal(corner.values["hit"], [0, 1])


def test_difficult_objects(clf):
    truth = [one([[0, 0, 9, 9]], difficult=True)]
    call = [clf, clf.photos(1), peak(2, 2), Target([0])]
    assert pointing_game(*call, truth=truth).values["hit"][0] == 1
    skipped = pointing_game(*call, truth=truth, variant="B")
    assert np.isnan([skipped.values[k][0] for k in ("hit", "center", "small")]).all()
    assert skipped.values["class"][0] == 0
    kept = pointing_game(*call, truth=truth, variant="B", difficult="keep")
    assert kept.values["hit"][0] == 1


def test_small_needs_another_class(clf):
    region, other = one([[0, 0, 3, 3]]).regions[0], Region("y", frozenset({1}), [[5, 5, 6, 6]])
    alone, both = Truth((12, 10), None, (region,)), Truth((12, 10), None, (region, other))
    call = [clf, clf.photos(2), np.repeat(peak(2, 2), 2, 0), Target([0])]
    result = pointing_game(*call, truth=[alone, both])
    np.testing.assert_array_equal(result.values["small"], [0, 1])
    few = pointing_game(*call, truth=[alone, both], small_share=9 / 120)
    np.testing.assert_array_equal(few.values["small"], [0, 0])


def test_score_threshold_knows_what_the_model_ends_in(clf):
    photos, truth = clf.photos(4), [one([[0, 0, 9, 9]], classes=range(4))] * 4
    maps, target = np.repeat(peak(2, 2), 4, 0), Target([0, 1, 2, 3])
    logit = clf.score(photos, "logit")[range(4), range(4)].astype(float)
    soft = clf.score(photos)[range(4), range(4)]
    for kind, values in (
        ("logits", 1 / (1 + np.exp(-logit))),
        ("sigmoid", 1 / (1 + np.exp(-logit))),
        ("softmax", soft),
    ):
        clf.info = dataclasses.replace(clf.info, output_kind=kind)
        clf.passes = Passes()
        cut = float(np.sort(values)[1:3].mean())
        result = pointing_game(clf, photos, maps, target, truth=truth, score_threshold=cut)
        np.testing.assert_array_equal(np.isnan(result.values["hit"]), values <= cut)
        assert result.passes == clf.passes == Passes(4, 0)


def test_smoothing_is_the_sum(clf):
    saliency = np.random.default_rng(0).normal(size=(9, 14))
    sigma, reach = 0.1 * 14, math.ceil(4 * 1.4)
    weights = [math.exp(-((k / sigma) ** 2) / 2) for k in range(-reach, reach + 1)]
    expected = np.zeros((9, 14))
    for i, j in np.ndindex(9, 14):
        for a, u in enumerate(weights):
            for b, v in enumerate(weights):
                row = min(max(i + a - reach, 0), 8)
                column = min(max(j + b - reach, 0), 13)
                expected[i, j] += u * v * saliency[row, column] / sum(weights) ** 2
    np.testing.assert_allclose(smoothed(saliency, 0.1), expected)
    assert smoothed(saliency, 0) is saliency
    # A lone peak loses against a broad hill.
    maps = np.zeros((1, 12, 10))
    maps[0, 0, 9], maps[0, 6:11, 1:6] = 2, 1
    truth = [one([[1, 6, 6, 11]])]
    hits = [
        pointing_game(clf, clf.photos(1), maps, Target([0]), truth=truth, smooth=s).values["hit"][0]
        for s in (0, 0.1)
    ]
    assert hits == [0, 1]


def test_mean_over_classes_not_pairs():
    values = {
        "hit": np.array([1, 1, 1, 0, 0, np.nan, 1]),
        "center": np.array([0, 0, 0, 0, 1, np.nan, 0]),
        "class": np.array([3, 3, 3, 3, 8, 8, 5.0]),
        "small": np.array([0, 0, 1, 1, 1, np.nan, 0]),
    }
    result = MetricResult("pointing_game", values, {}, {}, Passes(), 0.0)
    figures = aggregate_pointing_game(result)
    assert figures == {
        "hit": pytest.approx((3 / 4 + 0 + 1) / 3),
        "center": pytest.approx(1 / 3),
        "hit_small": pytest.approx((1 / 2 + 0) / 2),
        "center_small": pytest.approx(1 / 2),
        "hit_pairs": pytest.approx(4 / 6),
        "pairs": 6,
    }
    assert pysal.summarize(result)["hit"] == figures["hit"]


def test_unknown_places_are_said(clf):
    truth = [one([[0, 0, 9, 9]]), one([[0, 0, 9, 9]], classes=(1,))]
    call = [clf, clf.photos(2), np.repeat(peak(2, 2), 2, 0), Target([0])]
    with pytest.warns(UserWarning, match=r"1 of 2 images \(number 1\) have no place"):
        result = pointing_game(*call, truth=truth)
    np.testing.assert_array_equal(result.values["hit"], [1, np.nan])
    with pytest.warns(UserWarning, match=r'2 of 2 .* \(use "mask"\)'):
        none = pointing_game(*call, truth=truth, use="mask")
    assert np.isnan(pysal.summarize(none)["hit"])
    assert pysal.summarize(none)["pairs"] == 0


def test_batch_is_its_images(clf):
    maps, truths = np.random.default_rng(0).normal(size=(4, 5, 5)), random_truths(4)
    target, photos = Target(np.arange(4)), clf.photos(4)
    options = {"score_threshold": 0.2, "tolerance": 1.5, "smooth": 0.1}
    whole = pointing_game(clf, photos, maps, target, truth=truths, **options)
    parts = MetricResult.concat(
        [
            pointing_game(clf, photos[[i]], maps[[i]], target[[i]], truth=[truths[i]], **options)
            for i in range(4)
        ]
    )
    for name in whole.values:
        np.testing.assert_array_equal(whole.values[name], parts.values[name])
    assert whole.passes == parts.passes
    none = pointing_game(clf, photos[:0], maps[:0], target[:0], truth=[], variant="C")
    assert none.values["hit"].shape == (0,)
    assert none.passes == Passes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variant", "D"),
        ("use", "pixels"),
        ("tolerance", -1),
        ("difficult", "drop"),
        ("score_threshold", 2),
        ("smooth", -0.1),
        ("small_share", 1.5),
    ],
)
def test_wrong_options_are_one_line(clf, name, value):
    call, truth = [clf, clf.photos(1), peak(2, 2), Target([0])], [one([[0, 0, 9, 9]])]
    with pytest.raises(OptionError, match="pointing_game: ") as error:
        pointing_game(*call, truth=truth, **{name: value})
    assert "\n" not in str(error.value)


def test_public_face(clf):
    maps, truths = np.random.default_rng(0).normal(size=(3, 5, 5)), random_truths(3)
    options = {"targets": np.arange(3), "truth": truths, "variant": "B"}
    result = pysal.measure("pointing_game", clf, clf.photos(3), maps, batch_size=2, **options)
    assert METRICS["pointing_game"].load() is pointing_game
    assert set(METRICS["pointing_game"].values) == set(result.values)
    assert pysal.summarize(result)["pairs"] == 3
