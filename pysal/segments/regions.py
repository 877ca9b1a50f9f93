"""Regions: sets of pixels of one image that may overlap, as flat indices instead of masks."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import ShapeError

Pixels = NDArray[np.int32]
Bools = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Regions:
    """R sets of pixels, stored one after another.

    Attributes
    ----------
    pixels : ndarray of shape (T,), int32
        Flat indices of all regions; ascending within each.
    starts : ndarray of shape (R + 1,), int64
        Region r is `pixels[starts[r] : starts[r + 1]]`.
    shape : (H, W)
    """

    pixels: Pixels
    starts: NDArray[np.int64]
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, region: int) -> Pixels:
        return self.pixels[self.starts[region] : self.starts[region + 1]]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Pixels per region, (R,)."""
        return np.diff(self.starts)

    @property
    def owners(self) -> NDArray[np.int64]:
        """Region of every element of `pixels`, (T,)."""
        return np.repeat(np.arange(len(self)), self.sizes)

    @classmethod
    def from_labels(cls, maps: ArrayLike, dilation: int = 0) -> Regions:
        """Every label of every map becomes a region, grown by a disc.

        Parameters
        ----------
        maps : array_like of shape (H, W) or (S, H, W), int
        dilation : int
            Radius of the disc in pixels; 0 leaves the segments as they are.

        Returns
        -------
        Regions
            Ordered by map, then by label.

        Raises
        ------
        ShapeError
            If the array has another shape or no integers.
        """
        maps = np.asarray(maps)
        maps = maps[None] if maps.ndim == 2 else maps
        if maps.ndim != 3 or 0 in maps.shape[1:] or not np.issubdtype(maps.dtype, np.integer):
            raise ShapeError(
                f"label maps have shape {maps.shape} and dtype {maps.dtype}; expected integers, "
                "(H, W) or (S, H, W)"
            )
        height, width = maps.shape[1:]
        found: list[Pixels] = []
        for labels in maps:
            order = np.argsort(labels, axis=None, kind="stable").astype(np.int32)
            cuts = np.flatnonzero(np.diff(labels.ravel()[order])) + 1
            parts = np.split(order, cuts)
            found += [_grown(part, (height, width), dilation) for part in parts]
        return cls._join(found, (height, width))

    @classmethod
    def from_masks(cls, masks: ArrayLike) -> Regions:
        """Regions from masks of shape (R, H, W), bool.

        Raises
        ------
        ShapeError
            If the array has another shape.
        """
        masks = np.asarray(masks, bool)
        if masks.ndim != 3:
            raise ShapeError(f"masks have shape {masks.shape}; expected (R, H, W)")
        found = [np.flatnonzero(mask).astype(np.int32) for mask in masks]
        return cls._join(found, (masks.shape[1], masks.shape[2]))

    def masks(self) -> Bools:
        """The regions as masks of shape (R, H, W)."""
        masks = np.zeros((len(self), math.prod(self.shape)), bool)
        masks[self.owners, self.pixels] = True
        return masks.reshape(-1, *self.shape)

    @classmethod
    def _join(cls, found: list[Pixels], shape: tuple[int, int]) -> Regions:
        starts = np.cumsum([0, *map(len, found)], dtype=np.int64)
        pixels = np.concatenate([np.empty(0, np.int32), *found])
        return cls(pixels, starts, shape)


def dilate(mask: Bools, radius: int) -> Bools:
    """Grow a mask (H, W) by a disc: all pixels at most `radius` away from one of its own.

    Notes
    -----
    The disc is the union of its rows. Rows nearer to the middle are longer, so the mask is widened
    step by step and each width is laid where it belongs: 4 * radius shifts instead of one per
    element of the disc.
    """
    out = np.zeros_like(mask)
    wide, width = mask, 0
    for row, half in _half_widths(radius):
        for _ in range(half - width):
            wide = _widen(wide)
        width = half
        if row == 0:
            out |= wide
        elif row < len(mask):
            out[row:] |= wide[:-row]
            out[:-row] |= wide[row:]
    return out


@functools.lru_cache(maxsize=16)
def _half_widths(radius: int) -> tuple[tuple[int, int], ...]:
    """Rows of a disc from its rim to its middle, and how far each reaches to one side."""
    return tuple((row, math.isqrt(radius**2 - row**2)) for row in range(radius, -1, -1))


def _widen(mask: Bools) -> Bools:
    """Grow a mask by one pixel to the left and right."""
    out = mask.copy()
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    return out


def _grown(pixels: Pixels, shape: tuple[int, int], radius: int) -> Pixels:
    """Dilate one segment within its bounding box, as far as the image goes."""
    if radius == 0:
        return pixels
    rows, columns = np.divmod(pixels, np.int32(shape[1]))
    # Indices ascend, so the first and last row are known.
    top, left = max(int(rows[0]) - radius, 0), max(int(columns.min()) - radius, 0)
    bottom = min(int(rows[-1]) + radius + 1, shape[0])
    right = min(int(columns.max()) + radius + 1, shape[1])
    box = np.zeros((bottom - top, right - left), bool)
    box[rows - top, columns - left] = True
    rows, columns = np.nonzero(dilate(box, radius))
    return ((rows + top) * shape[1] + columns + left).astype(np.int32)
