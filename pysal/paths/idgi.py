"""IDGI: every change of the score along a path, given to where the gradient points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, namespace, to_like


def directions(grads: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Squares of gradients and what makes their sums one.

    Parameters
    ----------
    grads : array of shape (n, C, H, W), float32

    Returns
    -------
    squares : array of shape (n, C, H, W), float32
        Of the gradient over its largest magnitude, so that squares of tiny ones do not vanish.
    inverse : array of shape (n,), float32
        1 / sum(squares); 0 where the gradient is zero: such a step has no direction.
    """
    xp = namespace(grads)
    top = xp.amax(xp.abs(grads), axis=(1, 2, 3))
    zero = top == 0
    scaled = grads / (top + zero)[:, None, None, None]
    squares = scaled * scaled
    return squares, ~zero / (squares.sum(axis=(1, 2, 3)) + zero)


class Idgi:
    """The sum of one path, chunk by chunk: sum_j (g_j * g_j) d_j / ||g_j||^2.

    Parameters
    ----------
    start : float, optional
        Score at the start of a path whose first point lies behind it. Then d_j is the change of the
        score up to point j, else the change from it to the next one.

    Attributes
    ----------
    total : array of shape (C, H, W)

    References
    ----------
    .. [1] Yang, Wang, Bilgic: IDGI: A Framework to Eliminate Explanation Noise from Integrated
       Gradients. CVPR 2023, Algorithm 1; methods specification 2.4.
    """

    def __init__(self, start: float | None = None) -> None:
        self._behind = start is not None
        self._last = start
        self._open: AnyArray = 0.0
        self.total: AnyArray = 0.0

    def add(self, scores: NDArray[Any], grads: AnyArray) -> None:
        """Add the next points of the path: scores (n,), on the host, gradients (n, C, H, W)."""
        squares, inverse = directions(grads)
        known = [] if self._last is None else [self._last]
        changes = np.diff(np.concatenate([known, scores])).astype(np.float32)
        self._last = float(scores[-1])
        if not self._behind:
            if known:
                self.total = self.total + float(changes[0]) * self._open
                changes = changes[1:]
            self._open = squares[-1] * inverse[-1]
            squares, inverse = squares[:-1], inverse[:-1]
        weights = to_like(changes, grads) * inverse
        self.total = self.total + namespace(grads).tensordot(weights, squares, 1)
