"""Maps in a frame, tight boxes, overlaps and held-out choices, against loops."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from placed import one, resized_slowly

from pysal.errors import OptionError, ShapeError
from pysal.heatmap import ConstantMapWarning
from pysal.places import (
    ALPHAS,
    box_ious,
    check_truth,
    checked_maps,
    held_out,
    known_pixels,
    mask_ious,
    random_maps,
    resized,
    threshold_boxes,
    threshold_grid,
    warn_left_out,
)


@pytest.mark.parametrize("old", [(1, 1), (1, 5), (7, 4), (12, 10), (30, 21)])
@pytest.mark.parametrize("new", [(12, 10), (1, 3), (5, 40)])
def test_resize_is_the_loop(old, new):
    saliency = np.random.default_rng(0).normal(size=old)
    assert_allclose(resized(saliency, new), resized_slowly(saliency, new), atol=1e-12)


def test_resize_is_that_of_torch():
    torch = pytest.importorskip("torch")
    saliency = np.random.default_rng(1).normal(size=(7, 9))
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(saliency)[None, None], (50, 33), mode="bilinear", align_corners=False
    )
    assert_allclose(resized(saliency, (50, 33)), theirs[0, 0].numpy(), atol=1e-12)


def test_resize_keeps_constants_tied_and_ramps_straight():
    assert (resized(np.full((7, 7), 0.1), (50, 31)) == 0.1).all()
    ramp = np.tile(np.linspace(0, 1, 8), (3, 1))
    centres = (np.arange(16) + 0.5) / 2 - 0.5
    assert_allclose(resized(ramp, (6, 16))[0], np.clip(centres, 0, 7) / 7)
    assert resized(ramp, (3, 8)) is ramp


def test_checked_maps_say_what_is_wrong():
    maps = np.random.default_rng(0).normal(size=(4, 3, 3))
    assert_array_equal(checked_maps("x", maps, 4), maps)
    maps[1, 0, 0], maps[2] = np.nan, np.inf
    with pytest.warns(UserWarning, match=r"x: 2 of 4 maps \(number 1, 2\) have NaN or inf"):
        found = checked_maps("x", maps, 4)
    assert not found[1:3].any()
    assert_array_equal(found[3], maps[3])
    with pytest.warns(ConstantMapWarning, match=r"1 of 1 maps \(number 0\)"):
        checked_maps("x", np.ones((1, 3, 3)), 1)
    assert checked_maps("x", np.zeros((0, 3, 3)), 0).shape == (0, 3, 3)
    for shape in ((3, 3), (2, 3, 3), (1, 0, 3)):
        with pytest.raises(ShapeError, match="N = 1"):
            checked_maps("x", np.zeros(shape), 1)


def test_random_maps_depend_on_their_seed_only():
    maps = random_maps([3, 5, 3], (4, 6))
    assert_array_equal(maps[0], maps[2])
    assert (maps[0] != maps[1]).any()
    assert maps.min() >= 0
    assert maps.max() < 1
    assert_array_equal(random_maps([5], (4, 6))[0], maps[1])


def test_known_pixels():
    mask = np.zeros((12, 10), bool)
    mask[3, 4] = True
    both, boxes = one([[0, 0, 2, 1]], mask), one([[0, 0, 2, 1]])
    size = both.size
    assert known_pixels(both.region(0), size, "boxes").sum() == 2
    assert_array_equal(known_pixels(both.region(0), size, "mask"), mask)
    assert_array_equal(known_pixels(both.region(0), size, "either"), mask)
    assert known_pixels(boxes.region(0), size, "either").sum() == 2
    assert known_pixels(boxes.region(0), size, "mask") is None
    assert known_pixels(boxes.region(1), size, "boxes") is None
    # A box between pixel centres holds none.
    assert known_pixels(one([[0.6, 0, 1.4, 5]]).region(0), size, "boxes") is None


def test_truths_are_counted_and_left_out_ones_named():
    assert check_truth("x", [one()], 1)[0].size == (12, 10)
    with pytest.raises(OptionError, match="x: 1 truths for 2 images"):
        check_truth("x", [one()], 2)
    warn_left_out("x", [], 2, "box")
    with pytest.warns(UserWarning, match=r"x: 2 of 9 images \(number 4, 7\) have no box; their"):
        warn_left_out("x", [4, 7], 9, "box")


def test_threshold_boxes_are_the_tightest_ones():
    rng = np.random.default_rng(0)
    for shape in ((9, 13), (1, 4), (5, 1)):
        saliency = rng.normal(size=shape).round(1)
        thresholds = np.append(np.linspace(-2, 2, 9), saliency.max())
        boxes, empty = threshold_boxes(saliency, thresholds)
        for threshold, box, none in zip(thresholds, boxes, empty, strict=True):
            rows, columns = np.nonzero(saliency >= threshold)
            assert none == (len(rows) == 0)
            tight = (0, 0, shape[1], shape[0])
            if len(rows):
                tight = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert tuple(box) == tight


def painted(box, scale=20):
    """Pixels of a box on a fine grid."""
    mask = np.zeros((10 * scale, 10 * scale), bool)
    left, top, right, bottom = (round(scale * v) for v in box)
    mask[top:bottom, left:right] = True
    return mask


def test_box_ious_are_those_of_painted_boxes():
    ours = np.array([[0, 0, 10, 10], [2, 3, 5, 4], [8, 8, 9, 10], [4, 4, 4, 6]])
    theirs = np.array([[1.5, 2.25, 4.5, 9], [8, 8, 9, 10], [3, 3, 3, 3], [0, 0, 10, 10.0]])
    found = box_ious(ours, theirs)
    for i, a in enumerate(map(painted, ours)):
        for j, b in enumerate(map(painted, theirs)):
            union = (a | b).sum()
            assert found[i, j] == pytest.approx((a & b).sum() / union if union else 0)
    assert box_ious(ours, np.zeros((0, 4))).shape == (4, 0)


def test_mask_ious_are_those_of_painted_boxes():
    rng = np.random.default_rng(2)
    mask = rng.random((10, 7)) > 0.5
    boxes = np.array([[0, 0, 7, 10], [2, 3, 5, 4], [6, 9, 7, 10]])
    for box, found in zip(boxes, mask_ious(boxes, mask), strict=True):
        inside = np.zeros_like(mask)
        inside[box[1] : box[3], box[0] : box[2]] = True
        assert found == pytest.approx((inside & mask).sum() / (inside | mask).sum())


def test_held_out_halves_judge_each_other():
    #                 even        odd         even        odd
    losses = np.array([[1.0, 0, 5], [0, 4, 3], [1, 0, 5], [0, 9, 9]])
    loss, chosen = held_out(losses, np.array([0.1, 0.2, 0.3]))
    assert_array_equal(chosen, [0.2, 0.1])
    assert loss == pytest.approx((1 + 4 + 1 + 9) / 4)
    loss, chosen = held_out(losses, np.array([0.1, 0.2, 0.3]), first=1)
    assert_array_equal(chosen, [0.2])
    assert loss == pytest.approx((4 + 0 + 9) / 3)


def test_held_out_skips_images_that_do_not_count():
    losses = np.array([[1.0, 0], [0, 1], [np.nan, np.nan], [0, 7], [0.5, 0]])
    loss, chosen = held_out(losses, np.array([0.0, 1.0]))
    assert_array_equal(chosen, [1, 0])
    assert loss == pytest.approx((1 + 1 + 7 + 0.5) / 4)
    alone = held_out(losses[:1], np.array([0.0, 1.0]))
    assert np.isnan(alone[0])
    assert_array_equal(alone[1], [1, np.nan])
    assert np.isnan(held_out(losses[:0], np.array([0.0, 1.0]))[0])


def test_threshold_grid():
    assert_array_equal(threshold_grid("x", [0, 0.5], None), [0, 0.5])
    assert_array_equal(threshold_grid("x", ALPHAS, 3.0)[[0, 1, 19, 20]], [0, 0.05, 0.95, 3])
    for alphas, alpha in (([], None), ("max", None), ([-0.1], None), ([0.1], 1.5), ([None], None)):
        with pytest.raises(OptionError, match="x: alpha"):
            threshold_grid("x", alphas, alpha, 1)
