"""What sampling methods draw: grids with offsets, and rows of switches.

Numbers are counter-based, `pysal.draws`: sample v of an image depends on the image's seed and on v,
not on the number of samples, the batch or the order of work.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from pysal.draws import uniform
from pysal.types import Array

GRIDS, OFFSETS, SWITCHES = 11, 12, 13
"""Streams of `pysal.draws`."""


@dataclasses.dataclass(frozen=True)
class GridDraw:
    """Random grids of RISE, one set per seed.

    Parameters
    ----------
    size : tuple of int
        (H, W) of the images.
    samples : int
        V.
    cells : int
        s: grids have s x s cells.
    keep : float
        Probability that a cell is 1.

    Notes
    -----
    Methods specification 5.2: a cell is q = ceil(H / s) pixels, grids are upsampled to (s + 1) q,
    and offsets are uniform from 0 to q - 1; along W likewise.
    """

    size: tuple[int, int]
    samples: int
    cells: int
    keep: float

    @property
    def cell(self) -> tuple[int, int]:
        """The size q of a cell along both axes."""
        return -(-self.size[0] // self.cells), -(-self.size[1] // self.cells)

    @property
    def up_size(self) -> tuple[int, int]:
        """Size of the upsampled grids."""
        return (self.cells + 1) * self.cell[0], (self.cells + 1) * self.cell[1]

    def __call__(self, seed: int) -> tuple[Array, NDArray[np.int32]]:
        """Grids (V, s, s), float32, and offsets (V, 2), int32."""
        shares = uniform(seed, GRIDS, (self.samples, self.cells, self.cells))
        places = uniform(seed, OFFSETS, (self.samples, 2)).astype(np.float64)
        grids: Array = (shares < self.keep).astype(np.float32)
        return grids, (places * self.cell).astype(np.int32)


def switches(seed: int, samples: int, segments: int, keep: float) -> NDArray[np.bool_]:
    """Rows of LIME, (samples, segments): which segments are on; the first row has all of them."""
    on: NDArray[np.bool_] = uniform(seed, SWITCHES, (samples, segments)) < keep
    on[:1] = True
    return on


def distinct(seeds: NDArray[np.uint64]) -> tuple[list[int], list[int]]:
    """The different seeds, and for every image which of them is its own."""
    values, which = np.unique(seeds, return_inverse=True)
    return values.tolist(), which.tolist()
