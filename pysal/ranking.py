"""The order in which cells of a map are changed, most salient first, and areas under the curves."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import ShapeError
from pysal.heatmap import upsample

TIES = ("stable", "reverse", "random")
"""Rules for equal cells: ascending index, descending index, random orders."""

Float = NDArray[np.float64]


def saliency_cells(
    maps: ArrayLike, num_images: int, size: tuple[int, int] | None = None, *, stacklevel: int = 3
) -> Float:
    """Maps that can be ranked.

    Parameters
    ----------
    maps : array_like of shape (N, h, w)
        Higher = more important; of any real type. Infinite values rank as they are.
    num_images : int
        N.
    size : tuple of int, optional
        (H, W): maps of another size are upsampled bilinearly with aligned corners. Default: cells
        stay those of the map.
    stacklevel : int
        Of the warning.

    Returns
    -------
    ndarray of shape (N, h, w) or (N, H, W), float64
        A map with NaN is constant (metrics specification 0.2).

    Raises
    ------
    ShapeError
        If there is not one map per image, or maps to be upsampled are infinite somewhere.

    Warns
    -----
    UserWarning
        If a map has NaN in some of its cells: then it is most likely wrong.
    """
    values = np.asarray(maps)
    if values.ndim != 3 or len(values) != num_images or 0 in values.shape[1:]:
        raise ShapeError(
            f"maps have shape {values.shape}; expected (N, h, w), one per image, N = {num_images}"
        )
    if not (np.issubdtype(values.dtype, np.floating) or np.issubdtype(values.dtype, np.integer)):
        values = values.astype(np.float64)
    missing = np.isnan(values).any(axis=(1, 2))
    partly = missing & ~np.isnan(values).all(axis=(1, 2))
    if partly.any():
        shown = ", ".join(map(str, np.flatnonzero(partly)[:5]))
        warnings.warn(
            f"{partly.sum()} of {len(values)} maps (number {shown}) have NaN in some cells; each "
            "is scored as a constant map",
            stacklevel=stacklevel,
        )
    values = np.where(missing[:, None, None], 0, values)
    if size is not None and values.shape[1:] != tuple(size):
        # An empty batch has nothing to enlarge, and `upsample` refuses none.
        large = np.empty((0, *size), np.float32)
        values = upsample(values.astype(np.float32), size) if num_images else large
    return values.astype(np.float64)


def tie_orders(
    tie: str, cells: int, seeds: NDArray[np.uint64], orders: int = 1
) -> Iterator[NDArray[np.intp]]:
    """Orders in which equal cells are taken.

    Parameters
    ----------
    tie : {"stable", "reverse", "random"}
        Ascending index; descending index, as an ascending sort that is then reversed has it;
        random.
    cells : int
    seeds : ndarray of shape (n,)
        One per image, for "random".
    orders : int
        How many there are of "random"; of the others there is one.

    Yields
    ------
    ndarray of shape (n, cells) or (1, cells)
        Cells, the first one first; one row where all images have the same.

    Notes
    -----
    An image's orders depend on its own seed only: permutations of numpy's `default_rng`, in turn.
    """
    if tie != "random":
        rising = np.arange(cells)[None]
        yield rising if tie == "stable" else rising[:, ::-1]
        return
    generators = {int(seed): np.random.default_rng(int(seed)) for seed in seeds}
    for _ in range(orders):
        drawn = {seed: generator.permutation(cells) for seed, generator in generators.items()}
        rows = [drawn[int(seed)] for seed in seeds] if len(drawn) > 1 else list(drawn.values())
        yield np.stack(rows)


def rank_cells(maps: Float, order: NDArray[np.intp]) -> NDArray[np.int32]:
    """Rank of every cell, 0 = most salient.

    Parameters
    ----------
    maps : ndarray of shape (N, h, w)
        Without NaN.
    order : ndarray of shape (N, h * w) or (1, h * w)
        Of `tie_orders`.

    Returns
    -------
    ndarray of shape (N, h, w), int32
    """
    falling = -maps.reshape(len(maps), order.shape[1])
    shuffled = np.take_along_axis(falling, np.broadcast_to(order, falling.shape), axis=1)
    first = np.argsort(shuffled, axis=1, kind="stable")
    sequence = np.take_along_axis(np.broadcast_to(order, falling.shape), first, axis=1)
    ranks = np.empty(sequence.shape, np.int32)
    places = np.arange(sequence.shape[1], dtype=np.int32)[None]
    np.put_along_axis(ranks, sequence, places, axis=1)
    return ranks.reshape(maps.shape)


def area_under(curves: Float, abscissa: Float) -> Float:
    """Area under curves (N, T) over their abscissa (T,), by the trapezoid rule: (N,)."""
    heights = (curves[:, 1:] + curves[:, :-1]) / 2
    area: Float = np.einsum("nt,t->n", heights, np.diff(abscissa))
    return area
