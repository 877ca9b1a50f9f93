"""Descents turn a gradient into the direction to walk against. All state is per image.

Gradients and directions are on the device where the network runs.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

from pysal.arrays import AnyArray, dot, namespace


class Descent(Protocol):
    """Direction from the gradient and the direction of the step before."""

    def __call__(self, grad: AnyArray, before: AnyArray | None) -> AnyArray:
        """Direction (N, h, w) like `grad`; its product with `grad` is never negative."""


@dataclasses.dataclass(frozen=True)
class Steepest:
    """The gradient itself."""

    def __call__(self, grad: AnyArray, before: AnyArray | None) -> AnyArray:
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

    def __call__(self, grad: AnyArray, before: AnyArray | None) -> AnyArray:
        """Direction per image."""
        if before is None:
            return grad
        move = grad + float(self.factor) * before
        uphill = dot(grad, move) <= 0
        return namespace(grad).where(uphill[:, None, None], grad, move)
