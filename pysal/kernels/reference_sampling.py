"""Compositions without masks in memory, and what RISE sums, in numpy: their definition.

Arguments are those that `pysal.kernels.sampling` has checked; see there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.kernels.interpolation import Axis, interpolate, mirrored, upsample
from pysal.types import Array

Ints = NDArray[np.int32]


def blend_patches(
    image: Array, baseline: Array, corners: Ints, height: int, width: int, out: Array, threads: int
) -> Array:
    """Images with one window each from the baseline."""
    for version, (top, left) in enumerate(corners.tolist()):
        rows = slice(max(top, 0), max(top + height, 0))
        columns = slice(max(left, 0), max(left + width, 0))
        out[:, version] = image
        out[:, version, :, rows, columns] = baseline[:, :, rows, columns]
    return out


def blend_segments(
    image: Array,
    baseline: Array,
    labels: Ints,
    keep: NDArray[np.uint8],
    out: Array,
    threads: int,
) -> Array:
    """Images in which segments are switched off."""
    segments = keep.shape[2]
    for n, label in enumerate(labels):
        known = (label >= 0) & (label < segments)
        index = np.where(known, label, segments)
        for version, on in enumerate(keep[n] != 0):
            shown = np.append(on, True)[index]
            out[n, version] = np.where(shown, image[n], baseline[n])
    return out


def blend_grids(
    image: Array,
    baseline: Array | None,
    grids: Array,
    offsets: Ints,
    up_height: int,
    up_width: int,
    out: Array,
    threads: int,
) -> Array:
    """Images under upsampled, shifted grids."""
    axes = _grid_axes(grids, up_height, up_width)
    for version, (grid, offset) in enumerate(zip(grids, offsets.tolist(), strict=True)):
        mask = _mask(grid, axes, offset, (image.shape[2], image.shape[3]))
        if baseline is None:
            out[:, version] = mask * image
        else:
            out[:, version] = mask * image + (np.float32(1) - mask) * baseline
    return out


def blend_ranked(
    image: Array, baseline: Array, ranks: Ints, thresholds: Ints, out: Array, threads: int
) -> Array:
    """Images whose cells of low rank are taken by the baseline."""
    size = (image.shape[2], image.shape[3])
    for version, threshold in enumerate(thresholds):
        mask = upsample((ranks >= threshold).astype(np.float32), size)[:, None]
        out[:, version] = mask * image + (np.float32(1) - mask) * baseline
    return out


def rise_accumulate(
    grids: Array,
    offsets: Ints,
    weights: NDArray[np.float64],
    up_height: int,
    up_width: int,
    height: int,
    width: int,
    square: bool,
    threads: int,
) -> NDArray[np.float64]:
    """Weighted sums of masks, or of their squares; grids of one offset are added first."""
    axes = _grid_axes(grids, up_height, up_width)
    total = np.zeros((len(weights), height, width))
    for at in np.unique(offsets, axis=0):
        same = np.flatnonzero((offsets == at).all(axis=1))
        rows, columns = (
            axis.cut(int(i), size).matrix(n, np.float64)
            for axis, i, size, n in zip(axes, at, (height, width), grids.shape[1:], strict=True)
        )
        for n in range(len(weights)):  # one by one, so that no image meets another
            factors, some = weights[n, same], grids[same].astype(np.float64)
            if square:
                for factor, grid in zip(factors, some, strict=True):
                    mask = rows @ grid @ columns.T
                    total[n] += factor * (mask * mask)
            else:
                total[n] += rows @ np.tensordot(factors, some, 1) @ columns.T
    return total


def _grid_axes(grids: Array, up_height: int, up_width: int) -> tuple[Axis, Axis]:
    return mirrored(grids.shape[1], up_height), mirrored(grids.shape[2], up_width)


def _mask(grid: Array, axes: tuple[Axis, Axis], offset: list[int], size: tuple[int, int]) -> Array:
    """One grid at the size of the image."""
    rows, columns = (axis.cut(i, s) for axis, i, s in zip(axes, offset, size, strict=True))
    return interpolate(grid, rows, columns)
