"""Weights drawn anew: what a network is without what it has learnt."""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.types import Array

How = Literal["normal", "shuffle"]
HOWS: tuple[How, ...] = ("normal", "shuffle")


def redraw(values: NDArray[np.floating], name: str, *, seed: int, how: How) -> Array:
    """Random numbers of the shape of a weight.

    Parameters
    ----------
    values : ndarray
        The weight.
    name : str
        Of the weight: it decides the draw together with `seed`, so a weight gets the same numbers
        whichever other weights are drawn anew.
    seed : int
        0 to 2^64 - 1.
    how : {"normal", "shuffle"}
        Independent normal numbers with the mean and standard deviation of the weight, or its own
        numbers in a random order.

    Returns
    -------
    ndarray of the shape of `values`, float32
        A weight whose numbers are all equal comes back as it is.
    """
    key = np.array([seed, zlib.crc32(name.encode())], np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key))
    values = np.asarray(values, np.float64)
    if how == "shuffle":
        drawn = generator.permutation(values.reshape(-1)).reshape(values.shape)
    else:
        spread = values.std() if values.size else 0.0
        drawn = (
            values.mean() + spread * generator.standard_normal(values.shape) if spread else values
        )
    return drawn.astype(np.float32)
