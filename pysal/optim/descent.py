"""Descents turn a gradient into the direction to walk against. All state is per image."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pysal.types import Array


class Descent(Protocol):
    """Direction from the gradient and the direction of the step before."""

    def __call__(self, grad: Array, before: Array | None) -> Array:
        """Direction (N, h, w) like `grad`; its product with `grad` is never negative."""


@dataclasses.dataclass(frozen=True)
class Steepest:
    """The gradient itself."""

    def __call__(self, grad: Array, before: Array | None) -> Array:
        """Return `grad`."""
        return grad


@dataclasses.dataclass(frozen=True)
class Momentum:
    """Heavy ball: `grad + factor * before`, started anew in images where that would go uphill.

    Attributes
    ----------
    factor : float in [0, 1)

    References
    ----------
    .. [1] Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; the
       restart where the direction turns against the gradient follows O'Donoghue and Candes,
       "Adaptive Restart for Accelerated Gradient Schemes", 2015, the gradient scheme.
    """

    factor: float

    def __call__(self, grad: Array, before: Array | None) -> Array:
        """Direction per image."""
        if before is None:
            return grad
        move = grad + np.float32(self.factor) * before
        uphill = dot(grad, move) <= 0
        return np.where(uphill[:, None, None], grad, move)


def dot(a: Array, b: Array) -> NDArray[np.float64]:
    """Inner product of two maps per image, in float64: (N, h, w) twice -> (N,)."""
    product: NDArray[np.float64] = np.einsum("nhw,nhw->n", a, b, dtype=np.float64)
    return product
