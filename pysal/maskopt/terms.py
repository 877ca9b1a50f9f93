"""Data terms whose descent information is the gradient integrated along a path."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, namespace
from pysal.masking import MaskedScore
from pysal.optim import halves, stack
from pysal.resample import Resample
from pysal.types import Array, Noise

Rows = NDArray[np.intp]

_SPREAD = 0x9E3779B97F4A7C15
"""Odd, so that no two parts of a term share a seed."""


@dataclasses.dataclass(frozen=True)
class PathPoints:
    """Where gradients are taken on a path, and the noise there.

    Attributes
    ----------
    nodes, weights : ndarray of shape (S,), float32
    std : ndarray of shape (C,), float32, or None
    seed : ndarray of shape (N,), uint64
    """

    nodes: Array
    weights: Array
    std: Array | None
    seed: NDArray[np.uint64]

    def noise(self, step: int, parts: int = 1) -> Noise | None:
        """Noise of an iteration for the images, or for several rounds of them, each its own."""
        if self.std is None:
            return None
        seeds = [self.seed ^ np.uint64(part * _SPREAD % 2**64) for part in range(parts)]
        return Noise(self.std, np.concatenate(seeds), step)


@dataclasses.dataclass(frozen=True)
class Deletion:
    """Score under the mask: that of I-GOS."""

    masked: MaskedScore
    points: PathPoints

    def value(self, masks: AnyArray, rows: Rows) -> Array:
        """Scores without noise, (n, m)."""
        return self.masked.score(masks, rows)

    def grad(self, masks: AnyArray, step: int) -> AnyArray:
        """Integrated gradient, (N, h, w)."""
        points = self.points
        noise = points.noise(step)
        return self.masked.path_grad(masks, nodes=points.nodes, weights=points.weights, noise=noise)


class Single:
    """One mask that both deletes from the image and inserts the baseline: that of iGOS+."""

    signs = (1.0, -1.0)
    factor = 1.0
    deletes = (True, False)

    def expand(self, masks: AnyArray) -> tuple[AnyArray, ...]:
        """What every part shows, from masks (n, h, w)."""
        return masks, masks

    def collect(self, masks: AnyArray, grads: tuple[AnyArray, ...]) -> AnyArray:
        """Gradient of the masks from those of the parts."""
        return grads[0] + grads[1]


@dataclasses.dataclass(frozen=True)
class Pair:
    """A mask that deletes, one that inserts, and their product doing both: that of iGOS++.

    Attributes
    ----------
    upsample : Resample or None
        To multiply at the size of the image, as the published code does; None multiplies the
        masks' own cells.
    """

    upsample: Resample | None
    signs = (1.0, -1.0, 1.0, -1.0)
    factor = 0.5
    deletes = (True, False, True, False)

    def expand(self, masks: AnyArray) -> tuple[AnyArray, ...]:
        """What every part shows, from stacked masks (n, 2 h, w)."""
        first, second = self._large(masks)
        both = first * second
        return first, second, both, both

    def collect(self, masks: AnyArray, grads: tuple[AnyArray, ...]) -> AnyArray:
        """Gradient of the stacked masks from those of the parts."""
        first, second = self._large(masks)
        both = grads[2] + grads[3]
        pair = grads[0] + second * both, grads[1] + first * both
        return stack(*(pair if self.upsample is None else map(self.upsample.adjoint, pair)))

    def _large(self, masks: AnyArray) -> tuple[AnyArray, AnyArray]:
        first, second = halves(masks)
        if self.upsample is None:
            return first, second
        return self.upsample(first), self.upsample(second)


@dataclasses.dataclass(frozen=True)
class Bilateral:
    """Deletion minus insertion scores; all parts of all images are one evaluation.

    Attributes
    ----------
    masked : MaskedScore
        The images part after part, (P * N, C, H, W): image and baseline, exchanged for insertion.
    points : PathPoints
    parts : Single or Pair
    step : int or None
        None: values are those at the masks themselves, without noise. Else they are averages over
        the path with the noise of this iteration, the same for all masks that are compared.

    References
    ----------
    .. [1] Khorram, Lawson, Li, "iGOS++: Integrated Gradient Optimized Saliency by Bilateral
       Perturbations", CHIL 2021; the halved gradients of two masks and path averages are those of
       its code, github.com/khorrams/IGOS_pp at b0820a2f. Methods specification 6.6.
    """

    masked: MaskedScore
    points: PathPoints
    parts: Single | Pair
    step: int | None = None

    def value(self, masks: AnyArray, rows: Rows) -> NDArray[np.float64]:
        """Signed sum of the scores, (n, m)."""
        count, total = len(self.parts.signs), len(self.points.seed)
        every = np.concatenate([rows + part * total for part in range(count)])
        out = np.empty((len(rows), masks.shape[1]))
        for m in range(masks.shape[1]):
            shown = namespace(masks).concatenate(self.parts.expand(masks[:, m]), 0)
            scores = self._scores(shown, every).astype(np.float64).reshape(count, len(rows))
            out[:, m] = np.tensordot(self.parts.signs, scores, 1)
        return out

    def grad(self, masks: AnyArray, step: int) -> AnyArray:
        """Integrated gradients of all parts, in terms of the masks."""
        points, count = self.points, len(self.parts.signs)
        shown = namespace(masks).concatenate(self.parts.expand(masks), 0)
        grad = self.masked.path_grad(
            shown, nodes=points.nodes, weights=points.weights, noise=points.noise(step, count)
        )
        factors = (self.parts.factor * sign for sign in self.parts.signs)
        size = len(masks)
        grads = tuple(f * grad[i * size : (i + 1) * size] for i, f in enumerate(factors))
        return self.parts.collect(masks, grads)

    def _scores(self, shown: AnyArray, rows: Rows) -> Array:
        """Score of every part, (P * n,)."""
        if self.step is None:
            return self.masked.score(shown[:, None], rows)[:, 0]
        points, count = self.points, len(self.parts.signs)
        noise = points.noise(self.step, count)
        scores = self.masked.path_score(shown, rows, nodes=points.nodes, noise=noise)
        # Row by row: the order of additions in a matrix product depends on the number of rows.
        out: Array = (scores * points.weights).sum(axis=1)
        return out
