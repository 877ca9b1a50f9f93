"""Tight boxes around what a map marks, and their overlap with known boxes and masks.

A box is left, top, right, bottom in pixels: the box of one pixel at row 2, column 5 is 5, 2, 6, 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.truth import Boxes, Mask

Float = NDArray[np.float64]
Ints = NDArray[np.int64]


def threshold_boxes(saliency: Float, thresholds: Float) -> tuple[Ints, Mask]:
    """Tightest box around all pixels with saliency >= threshold, for every threshold.

    Parameters
    ----------
    saliency : ndarray of shape (H, W)
    thresholds : ndarray of shape (T,)

    Returns
    -------
    boxes : ndarray of shape (T, 4), int64
        The whole frame where nothing reaches the threshold.
    empty : ndarray of shape (T,), bool
        Where nothing does.

    Notes
    -----
    O(H * W + T * (H + W)): a row is inside as soon as its maximum reaches the threshold.
    """
    boxes = np.empty((len(thresholds), 4), np.int64)
    empty = thresholds > saliency.max()
    for axis, first in ((0, 0), (1, 1)):
        reached = saliency.max(axis=axis) >= thresholds[:, None]
        reached[empty] = True
        boxes[:, first] = reached.argmax(axis=1)
        boxes[:, first + 2] = reached.shape[1] - reached[:, ::-1].argmax(axis=1)
    return boxes, empty


def box_ious(boxes: NDArray[np.number], known: Boxes) -> Float:
    """Intersection over union of boxes (T, 4) with known boxes (k, 4), as areas: (T, k).

    Boxes without area have IoU 0 with everything.
    """
    ours, theirs = np.asarray(boxes, np.float64)[:, None], np.asarray(known, np.float64)[None]
    corner = np.minimum(ours[..., 2:], theirs[..., 2:]) - np.maximum(ours[..., :2], theirs[..., :2])
    shared = np.clip(corner, 0, None).prod(axis=-1)
    union = _area(ours) + _area(theirs) - shared
    return np.asarray(shared / np.where(union > 0, union, 1), np.float64)


def mask_ious(boxes: Ints, mask: Mask) -> Float:
    """Intersection over union of boxes (T, 4), whole pixels, with a mask (H, W): (T,)."""
    table = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    table[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)
    left, top, right, bottom = boxes.T
    shared = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    union = table[-1, -1] + (right - left) * (bottom - top) - shared
    return np.asarray(shared / np.maximum(union, 1), np.float64)


def _area(boxes: Float) -> Float:
    """Areas of boxes (..., 4)."""
    return np.asarray(np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(axis=-1), np.float64)
