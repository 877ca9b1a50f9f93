"""Masks of FIDO: what its variable means, how masks are drawn, and the gradients back to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, namespace, to_like
from pysal.draws import DROPOUT, uniform
from pysal.resample import Resample

LEAST = 2.0**-20
"""Drop probabilities are kept this far from 0 and 1, where float32 has no logarithm of the rest."""


class Drawn(NamedTuple):
    """Keep masks of a step, and the way back.

    Attributes
    ----------
    keep : array of shape (n, S, H, W)
    drop : array of shape (n, H, W)
        What the sparsity term counts.
    back : callable
        back(gradient at keep, gradient at drop) is the gradient of the variable, (n, h, w).
    """

    keep: AnyArray
    drop: AnyArray
    back: Callable[[AnyArray, AnyArray], AnyArray]


@dataclasses.dataclass(frozen=True)
class Concrete:
    """Logits of drop probabilities, and masks drawn from their concrete relaxation.

    The probability, not the logit, is enlarged before drawing; for the result it is the logit.

    Attributes
    ----------
    upsample : Resample
    seed : ndarray of shape (n,), uint64
    samples : int
    temperature : float

    References
    ----------
    .. [1] Chang, Creager, Goldenberg, Duvenaud, "Explaining Image Classifiers by Counterfactual
       Generation", ICLR 2019, section 3; github.com/zzzace2000/FIDO-saliency at 146021d4. Methods
       specification 6.4.
    .. [2] Gal, Hron, Kendall, "Concrete Dropout", NeurIPS 2017, equation 5.
    """

    upsample: Resample
    seed: NDArray[np.uint64]
    samples: int
    temperature: float
    clip = False

    def start(self, size: tuple[int, int], init: float) -> NDArray[np.float32]:
        """First logits, (n, h, w)."""
        return np.full((len(self.seed), *size), init, np.float32)

    def draw(self, variable: AnyArray, step: int) -> Drawn:
        """Masks of this step; every image draws its own."""
        xp = namespace(variable)
        small = sigmoid(variable)
        drop = self.upsample(small).clip(LEAST, 1 - LEAST)
        log_odds = xp.log(drop) - xp.log(1 - drop)
        noise = to_like(self._noise(tuple(drop.shape[1:]), step), variable)
        gone = sigmoid((log_odds[:, None] + noise) / self.temperature)
        # d gone / d log_odds, and d log_odds / d drop
        slope = gone * (1 - gone) / self.temperature
        steep = 1 / (drop * (1 - drop))

        def back(at_keep: AnyArray, at_drop: AnyArray) -> AnyArray:
            at_drop = at_drop - (at_keep * slope).sum(axis=1) * steep
            return self.upsample.adjoint(at_drop) * small * (1 - small)

        return Drawn(1 - gone, drop, back)

    def keep(self, variable: AnyArray, *, large: bool) -> AnyArray:
        """Probability of keeping, (n, h, w) or enlarged."""
        return sigmoid(-(self.upsample(variable) if large else variable))

    def _noise(self, size: tuple[int, ...], step: int) -> NDArray[np.float32]:
        """Logistic noise log u - log(1 - u), (n, S, H, W)."""
        out = np.empty((len(self.seed), self.samples, *size), np.float32)
        for image, seed in enumerate(self.seed.tolist()):
            for sample in range(self.samples):
                u = uniform(seed, DROPOUT, size, step=step, index=sample).astype(np.float64)
                u = u.clip(2.0**-25, 1 - 2.0**-25)
                out[image, sample] = np.log(u) - np.log1p(-u)
        return out


@dataclasses.dataclass(frozen=True)
class Direct:
    """The keep mask itself, without drawing: BBMP in the code of FIDO."""

    upsample: Resample
    count: int
    clip = True

    def start(self, size: tuple[int, int], init: float) -> NDArray[np.float32]:
        """First masks, (n, h, w)."""
        return np.full((self.count, *size), init, np.float32)

    def draw(self, variable: AnyArray, step: int) -> Drawn:
        """The mask, enlarged."""
        keep = self.upsample(variable)

        def back(at_keep: AnyArray, at_drop: AnyArray) -> AnyArray:
            return self.upsample.adjoint(at_keep[:, 0] - at_drop)

        return Drawn(keep[:, None], 1 - keep, back)

    def keep(self, variable: AnyArray, *, large: bool) -> AnyArray:
        """The mask, (n, h, w) or enlarged."""
        return self.upsample(variable) if large else variable


def sigmoid(x: AnyArray) -> AnyArray:
    """1 / (1 + exp(-x)), as a hyperbolic tangent, which does not overflow."""
    return 0.5 * (1 + namespace(x).tanh(0.5 * x))
