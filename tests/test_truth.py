"""What is known of a photo: regions, boxes as pixels, parts of the frame."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pysal.errors import InputError, ShapeError
from pysal.truth import Region, Truth, box_mask


def dog(boxes=((1, 2, 4, 6),), mask=None, **more) -> Region:
    return Region("dog", frozenset({7, 8}), np.array(boxes, float), mask, **more)


def test_a_box_holds_the_pixels_whose_centres_lie_in_it():
    mask = box_mask(np.array([[1.4, 0, 3.6, 2], [0, 2.5, 1, 3.5]]), (4, 5))
    expected = np.zeros((4, 5), bool)
    expected[0:2, 1:4] = True  # centres 1.5, 2.5, 3.5
    expected[2, 0] = True  # centre 2.5 is inside, 3.5 is the end
    assert_array_equal(mask, expected)
    assert not box_mask(np.zeros((0, 4)), (4, 5)).any()
    assert box_mask(np.array([[-3, -3, 9, 9.0]]), (4, 5)).all()
    assert not box_mask(np.array([[3, 3, 1, 1.0]]), (4, 5)).any()


def test_voc_boxes_hold_their_pixels():
    """1-based inclusive xmin..xmax is the box xmin - 1, xmax."""
    mask = box_mask(np.array([[2 - 1, 3 - 1, 4, 3.0]]), (5, 5))
    assert_array_equal(np.argwhere(mask), [[2, 1], [2, 2], [2, 3]])


def test_regions_belong_to_classes():
    truth = Truth((8, 6), 7, (dog(), Region("cat", frozenset({1}), np.zeros((0, 4)))))
    assert truth.region(7) is truth.region(8) is truth.regions[0]
    assert truth.region(1).name == "cat"
    assert truth.region(0) is None


def test_pixels_are_the_mask_or_the_boxes():
    assert dog().pixels((8, 6)).sum() == 12
    mask = np.zeros((8, 6), bool)
    mask[5, 5] = True
    assert dog(mask=mask).pixels((8, 6)) is mask


def test_what_is_given_loosely_is_made_exact():
    region = Region("x", [3], [[0, 1, 2, 3]])
    assert region.boxes.dtype == np.float64
    assert region.classes == frozenset({3})
    assert Region("x", frozenset({3}), []).boxes.shape == (0, 4)


def test_cut_moves_and_clips():
    mask = np.zeros((8, 6), bool)
    mask[2:6, 1:4] = True
    far = Region("far", frozenset({2}), np.array([[0, 0, 1, 1.0]]))
    truth = Truth((8, 6), 7, (dog(((1, 2, 4, 6), (0, 0, 1, 1)), mask, difficult=True), far))
    part = truth.cut(2, 1, 6, 5)
    assert part.size == (4, 4)
    assert part.label == 7
    assert [r.name for r in part.regions] == ["dog"]
    assert_array_equal(part.regions[0].boxes, [[0, 1, 2, 4]])
    assert_array_equal(part.regions[0].mask, mask[1:5, 2:6])
    assert part.regions[0].difficult
    # Masks and boxes stay together.
    assert_array_equal(box_mask(part.regions[0].boxes, part.size), part.regions[0].mask)


def test_cut_rounds_and_keeps_the_whole():
    truth = Truth((8, 6), None, (dog(),))
    assert truth.cut(0, 0, 6, 8) is truth
    assert truth.cut(-5, -5, 60, 80) is truth
    assert truth.cut(0.4, 0.6, 5.6, 7.4).size == (6, 6)
    assert truth.cut(4, 6, 6, 8).regions == ()
    # What is lost as a box may be kept as a mask.
    mask = np.ones((8, 6), bool)
    kept = Truth((8, 6), None, (dog(mask=mask),)).cut(4, 6, 6, 8)
    assert kept.regions[0].boxes.shape == (0, 4)
    with pytest.raises(ShapeError, match="no pixel of the frame"):
        truth.cut(6, 0, 9, 8)


def test_wrong_truths_are_one_line():
    with pytest.raises(ShapeError, match=r"size \(0, 4\)"):
        Truth((0, 4))
    with pytest.raises(ShapeError, match=r'boxes of "dog" have shape \(1, 3\)'):
        dog(((1, 2, 3),))
    with pytest.raises(InputError, match='boxes of "dog" have NaN'):
        dog(((1, 2, 3, np.nan),))
    with pytest.raises(ShapeError, match=r"the frame has \(8, 6\)"):
        Truth((8, 6), None, (dog(mask=np.zeros((6, 8), bool)),))
    with pytest.raises(ShapeError, match="dtype uint8"):
        dog(mask=np.zeros((8, 6), np.uint8))
