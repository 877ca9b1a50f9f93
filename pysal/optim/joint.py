"""Two masks per image that are optimized together, stacked into one of twice the height."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, namespace
from pysal.optim.penalty import Penalty


def stack(first: AnyArray, second: AnyArray) -> AnyArray:
    """Masks (..., h, w) twice -> (..., 2 h, w); a search then walks both with one step."""
    return namespace(first).concatenate((first, second), -2)


def halves(masks: AnyArray) -> tuple[AnyArray, AnyArray]:
    """(..., 2 h, w) -> (..., h, w) twice."""
    height = masks.shape[-2] // 2
    return masks[..., :height, :], masks[..., height:, :]


@dataclasses.dataclass(frozen=True)
class OfProduct:
    """A penalty of the product of the two masks.

    Attributes
    ----------
    penalty : Penalty
    """

    penalty: Penalty

    def value(self, masks: AnyArray, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Values of (n, m, 2 h, w): (n, m)."""
        first, second = halves(masks)
        return self.penalty.value(first * second, rows)

    def grad(self, masks: AnyArray) -> AnyArray:
        """Gradient, (N, 2 h, w)."""
        first, second = halves(masks)
        grad = self.penalty.grad(first * second)
        return stack(second * grad, first * grad)
