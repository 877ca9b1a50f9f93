"""Histograms of oriented gradients of maps, as vectors that can be correlated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

ORIENTATIONS, BLOCK = 9, 3
TINY = 1e-5
CUT = 0.2
"""Upper bound of an entry of a block between its two normalizations (L2-Hys)."""


def hog(maps: Float, cell: int = 16) -> Float:
    """Histograms of oriented gradients: (..., H, W) -> (..., D), float64.

    Parameters
    ----------
    maps : ndarray of shape (..., H, W), float64
        Finite numbers.
    cell : int
        Pixels per side of a cell; rows and columns that fill no cell are left out.

    Returns
    -------
    ndarray of shape (..., D)
        D = 9 * 3 * 3 * number of blocks; zeros where a map is constant. D is 0 where not even one
        block of 3 x 3 cells fits.

    Notes
    -----
    Central differences, zero at the border; 9 unsigned orientations without interpolation; means
    over cells; every block of 3 x 3 cells divided by its 2-norm, cut at 0.2, and divided again.
    These are the defaults of scikit-image, whose numbers this gives.

    References
    ----------
    .. [1] Dalal, Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005.
    """
    cells = _cells(np.asarray(maps, np.float64), cell)
    rows, columns = (max(n - BLOCK + 1, 0) for n in cells.shape[-3:-1])
    if not rows or not columns:
        return np.zeros((*maps.shape[:-2], 0))
    view = np.lib.stride_tricks.sliding_window_view(cells, (BLOCK, BLOCK), axis=(-3, -2))
    blocks = np.moveaxis(view, -3, -1)  # (..., rows, columns, 3, 3, 9)
    blocks = blocks.reshape(*blocks.shape[:-3], BLOCK * BLOCK * ORIENTATIONS)
    blocks = _unit(np.minimum(_unit(blocks), CUT))
    return blocks.reshape(*maps.shape[:-2], rows * columns * BLOCK * BLOCK * ORIENTATIONS)


def _cells(maps: Float, cell: int) -> Float:
    """Mean gradient per cell and orientation: (..., rows, columns, 9)."""
    down, right = np.zeros_like(maps), np.zeros_like(maps)
    down[..., 1:-1, :] = maps[..., 2:, :] - maps[..., :-2, :]
    right[..., 1:-1] = maps[..., 2:] - maps[..., :-2]
    size = np.hypot(right, down)
    angle = np.rad2deg(np.arctan2(down, right)) % 180
    part = np.minimum((angle // (180 / ORIENTATIONS)).astype(np.intp), ORIENTATIONS - 1)
    rows, columns = maps.shape[-2] // cell, maps.shape[-1] // cell
    found = np.empty((*maps.shape[:-2], rows, columns, ORIENTATIONS))
    for orientation in range(ORIENTATIONS):
        chosen = np.where(part == orientation, size, 0)[..., : rows * cell, : columns * cell]
        tiles = chosen.reshape(*maps.shape[:-2], rows, cell, columns, cell)
        found[..., orientation] = tiles.mean(axis=(-3, -1))
    return found


def _unit(blocks: Float) -> Float:
    """Divide by the 2-norm, which is never zero."""
    return blocks / np.sqrt(np.square(blocks).sum(axis=-1, keepdims=True) + TINY**2)
