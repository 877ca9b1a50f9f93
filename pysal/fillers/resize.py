"""Bilinear resizing with half-pixel centres, of images and of what is known of them."""

from __future__ import annotations

import functools

import numpy as np

from pysal.fillers.filler import Keep
from pysal.types import Array


def resize(image: Array, size: tuple[int, ...]) -> Array:
    """Bilinear, half-pixel centres, no antialiasing: (C, h, w) -> (C, *size)."""
    if image.shape[1:] == tuple(size):
        return image
    rows, columns = (_taps(a, b) for a, b in zip(image.shape[1:], size, strict=True))
    return np.ascontiguousarray(rows @ image @ columns.T, np.float32)


def resize_known(image: Array, keep: Keep, size: tuple[int, int]) -> tuple[Array, Array]:
    """Resize an image from its known pixels alone.

    Parameters
    ----------
    image : ndarray of shape (C, H, W), float32
    keep : ndarray of shape (H, W), bool
    size : tuple of int
        (h, w).

    Returns
    -------
    resized : ndarray of shape (C, h, w), float32
        The bilinear weights of hidden pixels go to the known ones; 0 where there are none.
    share : ndarray of shape (h, w), float32
        Weight of the known pixels, 0 to 1: the resized mask.
    """
    share = resize(keep[None].astype(np.float32), size)[0]
    total = resize(np.where(keep, image, np.float32(0)), size)
    some = share > 1e-6
    return np.where(some, total / np.where(some, share, 1), np.float32(0)), share


@functools.lru_cache(maxsize=64)
def _taps(length: int, out_length: int) -> Array:
    """Interpolation matrix (out_length, length) of one axis; shared, so read-only."""
    at = np.clip((np.arange(out_length) + 0.5) * length / out_length - 0.5, 0, length - 1)
    low = at.astype(np.intp)
    high = np.minimum(low + 1, length - 1)
    matrix = np.zeros((out_length, length), np.float32)
    rows = np.arange(out_length)
    matrix[rows, low] = 1 - (at - low)
    matrix[rows, high] += (at - low).astype(np.float32)
    matrix.flags.writeable = False
    return matrix
