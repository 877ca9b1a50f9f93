import numpy as np
import pytest

from pysal.errors import OptionError, ShapeError
from pysal.metrics.iou import iou, resize_bilinear


@pytest.fixture
def mask():
    truth = np.zeros((1, 10, 10), bool)
    truth[0, 2:7, 3:8] = True
    return truth


def test_the_mask_itself_scores_one_above_threshold_zero(mask):
    result = iou(mask.astype(float), mask)
    curve = result.curves["iou"][0]
    assert curve[0] == pytest.approx(0.25)
    np.testing.assert_allclose(curve[1:], 1)
    assert result.values["auc"][0] == pytest.approx(100 - 2.5 * 0.75)
    assert result.values["best"][0] == 1


def test_known_curve_of_a_ramp():
    # Levels 0, 1/3, 2/3, 1; the mask is the upper half.
    result = iou([[[0.0, 1, 2, 3]]], [[[0, 0, 1, 1]]], steps=4)
    np.testing.assert_allclose(result.curves["iou"][0], [1 / 2, 2 / 3, 1, 1 / 2, 1 / 2])
    assert result.values["best_threshold"][0] == 0.5
    assert result.values["auc"][0] == pytest.approx(100 * (0.25 + 2 / 3 + 1 + 0.5 + 0.25) / 4)


def test_equals_the_definition_on_random_maps():
    rng = np.random.default_rng(0)
    maps, truth = rng.normal(size=(3, 9, 7)), rng.random((3, 9, 7)) > 0.6
    result = iou(maps, truth)
    for m, g, curve in zip(maps, truth, result.curves["iou"], strict=True):
        unit = (m - m.min()) / (m.max() - m.min())
        for t, value in zip(result.curves["threshold"], curve, strict=True):
            assert value == pytest.approx(((unit >= t) & g).sum() / ((unit >= t) | g).sum())


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan])
def test_constant_and_nan_maps_select_all_at_zero_only(mask, value):
    curve = iou(np.full((1, 4, 4), value), mask).curves["iou"][0]
    assert curve[0] == pytest.approx(0.25)
    np.testing.assert_array_equal(curve[1:], 0)


def test_scale_and_offset_of_the_map_change_nothing(mask):
    maps = np.random.default_rng(1).normal(size=(1, 5, 5))
    a, b = iou(maps, mask), iou(40 * maps - 7, mask)
    np.testing.assert_allclose(a.curves["iou"], b.curves["iou"])


def test_resize_keeps_centres_and_is_exact_on_ramps():
    ramp = np.tile(np.linspace(0, 1, 8), (3, 1))
    fine = resize_bilinear(ramp, 6, 16)
    centres = (np.arange(16) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(fine[0], np.clip(centres, 0, 7) / 7)
    np.testing.assert_array_equal(resize_bilinear(ramp, 3, 8), ramp)
    assert resize_bilinear(np.ones((1, 1)), 4, 3).shape == (4, 3)


def test_wrong_input_is_named(mask):
    with pytest.raises(ShapeError, match=r"\(1, 10, 10\)"):
        iou(np.zeros((2, 5, 5)), mask)
    with pytest.raises(ShapeError, match=r"masks \[0\] have no pixel"):
        iou(np.zeros((1, 5, 5)), np.zeros((1, 5, 5)))
    with pytest.raises(OptionError, match="steps is 0"):
        iou(mask, mask, steps=0)
