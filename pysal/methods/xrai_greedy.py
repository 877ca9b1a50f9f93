"""XRAI's ranking of regions: greedy by mean attribution, in exact arithmetic."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pysal.segments import Regions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Ranked:
    """Regions of one image, best first, and what that makes of its pixels.

    Attributes
    ----------
    value : ndarray of shape (H, W), float64
        Mean attribution of the region that brought the pixel; what no region brought has the mean
        over all such pixels.
    rank : ndarray of shape (H, W), int32
        1 in the region of the largest gain, then 2, ...; pixels that no region brought come last.
    gain : ndarray of shape (R,), float64
        Of the regions taken, in the order in which they were.
    area : ndarray of shape (R,), float64
        Share of the image that they cover together.
    """

    value: Floats
    rank: NDArray[np.int32]
    gain: Floats
    area: Floats


def rank_regions(
    base: NDArray[np.floating],
    regions: Regions,
    *,
    fast: bool = False,
    min_area: int = 50,
    area_threshold: float = 1.0,
) -> Ranked:
    """Add regions one after another, each time the one whose new pixels have the largest mean.

    Parameters
    ----------
    base : ndarray of shape (H, W), float
        Attribution of every pixel.
    regions : Regions
    fast : bool
        Order the regions once, by the mean over all their pixels.
    min_area : int
        Regions that would add fewer pixels are dropped.
    area_threshold : float
        No region is added once more than this share of the image is covered.

    Notes
    -----
    A pixel enters the covered set once, and then the counts and sums of the regions that share it
    are corrected: the work is the sum of the sizes of all regions, not its product with their
    number. Attributions are rounded to whole multiples of a power of two so small that every sum of
    them is exact: sums that were corrected many times equal fresh ones, and equal gains are equal.
    Of regions with the same gain the first is taken.
    """
    whole, unit = _fixed_point(np.asarray(base, np.float64).ravel())
    covered = np.zeros(whole.size, bool)
    order = _by_mean if fast else _greedily
    taken: list[NDArray[np.int32]] = []
    gains: list[float] = []
    areas: list[float] = []
    num_covered = 0
    for region in order(whole, regions, covered, min_area):
        if num_covered > area_threshold * whole.size:
            break
        new = regions[region]
        new = new[~covered[new]]
        covered[new] = True
        num_covered += len(new)
        taken.append(new)
        gains.append(float(whole[new].sum() / len(new)))
        areas.append(num_covered / whole.size)
    value, rank = _paint(whole, taken, gains, covered)
    return Ranked(
        (value * unit).reshape(regions.shape),
        rank.reshape(regions.shape),
        np.array(gains) * unit,
        np.array(areas),
    )


def _greedily(
    whole: Floats, regions: Regions, covered: NDArray[np.bool_], least: int
) -> Iterator[int]:
    """Numbers of regions in the order of their gains, which change with what is covered.

    The caller covers the new pixels of a region before it asks for the next one.
    """
    owners, num = regions.owners, len(regions)
    count = regions.sizes.astype(np.int64)
    total = np.bincount(owners, whole[regions.pixels], num)
    sharing = _Sharing(regions)
    left = np.ones(num, bool)
    while (left := left & (count >= least)).any():
        gain = np.where(left, total / np.maximum(count, 1), -np.inf)
        best = int(gain.argmax())
        new = regions[best]
        new = new[~covered[new]]
        yield best
        left[best] = False
        who, times = sharing(new)
        count -= np.bincount(who, minlength=num)
        total -= np.bincount(who, np.repeat(whole[new], times), num)


def _by_mean(
    whole: Floats, regions: Regions, covered: NDArray[np.bool_], least: int
) -> Iterator[int]:
    """Numbers of regions by their mean over all pixels, without those that add too little."""
    total = np.bincount(regions.owners, whole[regions.pixels], len(regions))
    mean = total / np.maximum(regions.sizes, 1)
    for region in np.argsort(-mean, kind="stable").tolist():
        if np.count_nonzero(~covered[regions[region]]) >= least:
            yield region


class _Sharing:
    """Which regions a pixel belongs to: the regions turned around."""

    def __init__(self, regions: Regions) -> None:
        num = max(len(regions), 1)
        # One sort of (pixel, region) pairs; the pixel is what the counts say it is.
        pairs = np.sort(regions.pixels.astype(np.int64) * num + regions.owners)
        self._regions = pairs % num
        self._times = np.bincount(regions.pixels, minlength=math.prod(regions.shape))
        self._starts = np.cumsum(self._times) - self._times

    def __call__(self, pixels: NDArray[np.int32]) -> tuple[Ints, Ints]:
        """Regions of every pixel, one pixel after another, and how many each has."""
        times = self._times[pixels]
        ends = np.cumsum(times)
        skipped = np.repeat(self._starts[pixels] - (ends - times), times)
        return self._regions[skipped + np.arange(len(skipped))], times


def _fixed_point(values: Floats) -> tuple[Floats, float]:
    """Values as whole numbers, in float64, times a unit; any sum of them is below 2^53."""
    exponent = math.frexp(float(np.abs(values).sum()))[1]
    unit = math.ldexp(1.0, exponent - 52)
    return np.rint(values / unit), unit


def _paint(
    whole: Floats,
    taken: list[NDArray[np.int32]],
    gains: list[float],
    covered: NDArray[np.bool_],
) -> tuple[Floats, NDArray[np.int32]]:
    """Gain and rank of every pixel."""
    value, rank = np.empty(whole.size), np.empty(whole.size, np.int32)
    for place, index in enumerate(np.argsort(-np.array(gains), kind="stable").tolist()):
        value[taken[index]], rank[taken[index]] = gains[index], place + 1
    rest = ~covered
    if rest.any():
        value[rest], rank[rest] = whole[rest].mean(), len(taken) + 1
    return value, rank
