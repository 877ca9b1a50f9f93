"""Images whose holes a filler fills: the -G forms of sampling methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, to_like
from pysal.draws import FILL, child
from pysal.fillers.filler import Filler
from pysal.types import Array


@dataclasses.dataclass(frozen=True)
class Inpainted:
    """Composer of filled images; fillings run on the host, those of one call as a batch.

    Attributes
    ----------
    filler : Filler
    batch : ndarray of shape (N, C, H, W), float32
        On the host.
    keep : callable
        keep(image, first, count) gives masks (count, H, W), bool, False in the holes.
    seed : ndarray of shape (N,), uint64
        Version v of an image is filled with a seed that follows from its own and v.
    """

    filler: Filler
    batch: Array
    keep: Callable[[int, int, int], NDArray[np.bool_]]
    seed: NDArray[np.uint64]

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        """Fill the holes first, first + 1, ... of one image."""
        count = len(out)
        images = np.broadcast_to(self.batch[image], (count, *self.batch.shape[1:]))
        seeds = np.array(
            [child(int(self.seed[image]), FILL, index=first + i) for i in range(count)], np.uint64
        )
        filled: NDArray[Any] = self.filler.fill(images, self.keep(image, first, count), seeds)
        out[...] = to_like(filled, out)
