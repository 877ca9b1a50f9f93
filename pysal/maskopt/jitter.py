"""Images that move under their masks, and what shows where the mask removes them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, empty_like, to_like
from pysal.draws import JITTER, whole
from pysal.resample import Resample
from pysal.types import Array

Shifts = NDArray[np.intp]


class Filling(Protocol):
    """What shows where the mask is 0, and how the mask itself is shown."""

    def __call__(
        self, images: AnyArray, mask: AnyArray, shifts: Shifts
    ) -> tuple[AnyArray, AnyArray]:
        """Fillers (n, C, H, W) and masks (n, H, W) to compose with.

        `images` are shifted by `shifts` (n, 2) already, `mask` is at their size.
        """


class Jitter:
    """Images that are shifted by a few pixels at every step.

    Parameters
    ----------
    images : ndarray of shape (N, C, H, W), float32
    most : int
        Shifts are 0 to most - 1 per axis; 0 for none.
    like : array
        Where the shifted images will be.

    Notes
    -----
    Images are enlarged by `most` pixels, bilinearly, and cropped; the publications resize the
    original photo to that size, which is not at hand here.
    """

    def __init__(self, images: Array, most: int, like: AnyArray) -> None:
        self._size = height, width = images.shape[2], images.shape[3]
        larger = Resample("centred", self._size, (height + most, width + most), images)
        self._large = to_like(np.ascontiguousarray(larger(images)), like)

    def __call__(self, shifts: Shifts) -> AnyArray:
        """Crops at the shifts (N, 2)."""
        height, width = self._size
        if tuple(self._large.shape[2:]) == self._size:
            return self._large
        out = empty_like(self._large, (*self._large.shape[:2], height, width))
        for image, (y, x) in enumerate(shifts.tolist()):
            out[image] = self._large[image, :, y : y + height, x : x + width]
        return out


def draw_shifts(seed: NDArray[np.uint64], most: int, step: int) -> Shifts:
    """Shifts of a step, (N, 2), 0 to most - 1; each image draws its own."""
    if not most:
        return np.zeros((len(seed), 2), np.intp)
    drawn = [whole(int(s), JITTER, most, 2, step=step) for s in seed]
    return np.array(drawn, np.intp).reshape(-1, 2)


class Baseline:
    """Baseline images that move with their images; a `Filling`. Parameters as for `Jitter`."""

    def __init__(self, images: Array, most: int, like: AnyArray) -> None:
        self._shifted = Jitter(images, most, like)

    def __call__(
        self, images: AnyArray, mask: AnyArray, shifts: Shifts
    ) -> tuple[AnyArray, AnyArray]:
        """Shifted baselines, and the mask as it is."""
        return self._shifted(shifts), mask
