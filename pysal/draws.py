"""Counter-based random numbers on the host: what an image draws depends on its seed alone.

The value at an element depends on (seed of the image, stream, step, index, element), so the batch
and the order of work change nothing. `types.Noise` is the same idea for noise on images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.types import Array

START, JITTER, DROPOUT, FILL, PROBE = 1, 2, 3, 4, 5
"""Streams: first masks, shifts of the image, sampled masks, seeds of fillers, probe images."""


def uniform(
    seed: int, stream: int, shape: tuple[int, ...], *, step: int = 0, index: int = 0
) -> Array:
    """Uniform numbers in [0, 1), float32, multiples of 2^-24.

    Parameters
    ----------
    seed : int
        Of the image, 0 to 2^64 - 1.
    stream : int
        What the numbers are for; different ones are independent.
    shape : tuple of int
    step, index : int
        Iteration, and number within it.

    Notes
    -----
    Philox4x64-10 as numpy has it, key (seed, stream), counter from (0, 0, step, index) on.

    References
    ----------
    .. [1] Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011.
    """
    generator = np.random.Generator(_philox(seed, stream, step, index))
    return generator.random(shape, np.float32)


def whole(seed: int, stream: int, below: int, count: int, *, step: int = 0) -> NDArray[np.intp]:
    """Whole numbers from 0 to `below` - 1, (count,)."""
    share = uniform(seed, stream, (count,), step=step).astype(np.float64)
    return (share * below).astype(np.intp)


def child(seed: int, stream: int, *, step: int = 0, index: int = 0) -> int:
    """A seed for something that draws by itself, 0 to 2^64 - 1."""
    return int(_philox(seed, stream, step, index).random_raw())


def _philox(seed: int, stream: int, step: int, index: int) -> np.random.Philox:
    key, counter = [seed, stream], [0, 0, step, index]
    return np.random.Philox(key=np.array(key, np.uint64), counter=np.array(counter, np.uint64))
