"""The objective of FIDO: log-odds of drawn images, sparsity and smoothness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, namespace, take, to_host
from pysal.draws import FILL, child
from pysal.fillers.filler import Filler
from pysal.methods.fido_masks import Concrete, Direct
from pysal.work import Work

TINY, NEAR = 1e-30, 2.0**-25
"""Least p and 1 - p in a log-odds: float32 has no smaller 1 - p."""


class Objective:
    """Loss of one group of images and its gradient, drawn anew at every step.

    Parameters
    ----------
    work : Work
    rows : slice
        The n images of the group.
    masks : Concrete or Direct
    filler : Filler
    seed : ndarray of shape (n,), uint64
    options : mapping
        "objective", "background", "weight", "tv", "ramp".

    Attributes
    ----------
    odds : list of ndarray of shape (n,)
        Mean log-odds of the steps so far.
    """

    def __init__(
        self,
        work: Work,
        rows: slice,
        masks: Concrete | Direct,
        filler: Filler,
        seed: NDArray[np.uint64],
        options: Mapping[str, Any],
    ) -> None:
        self._work, self._masks = work, masks
        self._x, self._rows = work.x[rows], np.arange(rows.start, rows.stop)
        self._fill = _Fill(filler, self._x, seed, options["background"] == "unpasted")
        self._preserve = options["objective"] == "ssr"
        self._weight, self._tv, self._ramp = options["weight"], options["tv"], options["ramp"]
        self.odds: list[NDArray[np.float64]] = []

    def value_and_grad(self, variable: AnyArray, step: int) -> tuple[NDArray[np.float64], AnyArray]:
        """Loss (n,), and gradient (n, h, w)."""
        drawn = self._masks.draw(variable, step)
        odds, at_keep = self._log_odds(drawn.keep, step)
        self.odds.append(odds.mean(axis=1))
        sign = -1.0 if self._preserve else 1.0
        ramp = min(1.0, step / self._ramp) if self._ramp else 1.0
        amount, at_drop = self._regularizer(drawn.drop)
        grad = drawn.back(sign / odds.shape[1] * at_keep, ramp * at_drop)
        return sign * self.odds[-1] + ramp * amount, grad

    def _log_odds(self, keep: AnyArray, step: int) -> tuple[NDArray[np.float64], AnyArray]:
        """Log-odds of the target (n, S), and their gradients at the masks (n, S, H, W)."""
        count, samples = keep.shape[:2]
        x = self._x[:, None]
        # A mask is rounded as the filler sees it: half of a pixel is a hole.
        fill = self._fill(to_host(keep) > 0.5, step)
        shown = keep[:, :, None] * x + (1 - keep[:, :, None]) * fill
        flat = shown.reshape(count * samples, *shown.shape[2:])
        images = np.repeat(self._rows, samples)
        p, dx = self._work.value_and_grad(flat, images, kind="probability")
        at_p = ((x - fill) * dx.reshape(shown.shape)).sum(axis=2)
        p = p.reshape(count, samples)
        # d o / d p = 1 / (p (1 - p)), where float32 knows p and 1 - p.
        p, rest = p.clip(TINY, 1.0), (1 - p).clip(NEAR, 1.0)
        at_odds = at_p / (p * rest)[:, :, None, None]
        odds = np.log(to_host(p).astype(np.float64)) - np.log(to_host(rest).astype(np.float64))
        return odds, at_odds

    def _regularizer(self, drop: AnyArray) -> tuple[NDArray[np.float64], AnyArray]:
        """Sparsity and squared total variation of the drop map: (n,), and slopes (n, H, W)."""
        float64 = namespace(drop).float64
        sign = -1.0 if self._preserve else 1.0
        # What is asked to be rare: kept pixels for preservation, dropped ones for deletion.
        rare = 1 - drop if self._preserve else drop
        amount = self._weight * to_host(rare.sum(axis=(1, 2), dtype=float64))
        slope = namespace(drop).zeros_like(drop) + sign * self._weight
        if self._tv:
            for ahead, behind in _NEIGHBOURS:
                d = drop[ahead] - drop[behind]
                amount = amount + self._tv * to_host((d * d).sum(axis=(1, 2), dtype=float64))
                slope[ahead] += 2 * self._tv * d
                slope[behind] -= 2 * self._tv * d
        return amount, slope


_ALL = slice(None)
_NEIGHBOURS = (
    ((_ALL, slice(1, None)), (_ALL, slice(None, -1))),
    ((_ALL, _ALL, slice(1, None)), (_ALL, _ALL, slice(None, -1))),
)


class _Fill:
    """Fillers of drawn masks; one that does not depend on mask or seed is asked once."""

    def __init__(
        self, filler: Filler, x: AnyArray, seed: NDArray[np.uint64], unpasted: bool
    ) -> None:
        self._filler, self._x, self._seed, self._unpasted = filler, x, seed, unpasted
        self._image: AnyArray | None = None
        if filler.static and unpasted:
            image, other = (filler.image(x, s) for s in (seed, seed + np.uint64(1)))
            if (to_host(image) == to_host(other)).all():
                self._image = image[:, None]

    def __call__(self, keep: NDArray[np.bool_], step: int) -> AnyArray:
        """Fillers of masks (n, S, H, W): (n, S, C, H, W), or (n, 1, C, H, W) for all samples."""
        if self._image is not None:
            return self._image
        count, samples = keep.shape[:2]
        x = take(self._x, np.repeat(np.arange(count), samples))
        seeds = [
            child(seed, FILL, step=step, index=k)
            for seed in self._seed.tolist()
            for k in range(samples)
        ]
        arguments = x, keep.reshape(-1, *keep.shape[2:]), np.array(seeds, np.uint64)
        fill = self._filler.unpasted(*arguments) if self._unpasted else None
        if fill is None:
            fill = self._filler.fill(*arguments)
        return fill.reshape(count, samples, *fill.shape[1:])
