"""Adam on masks, for objectives that are drawn anew at every step and known only there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, namespace, to_host
from pysal.optim.penalty import Penalty, Sum

Float = NDArray[np.float64]


class Drawn(Protocol):
    """A data term of which every step sees another sample: jitter, noise, fillers."""

    def value_and_grad(self, variable: AnyArray, step: int) -> tuple[AnyArray, AnyArray]:
        """Values (N,), on any device, and gradient (N, h, w) like `variable`."""


@dataclasses.dataclass(frozen=True)
class Trail:
    """Where Adam ended and what it saw on its way.

    Attributes
    ----------
    variable : array of shape (N, h, w), float32
        Where the first one was.
    loss, data : ndarray of shape (N, steps)
        Objective and data term before each step, as drawn.
    """

    variable: AnyArray
    loss: Float
    data: Float


class Adam:
    """First and second moments of a gradient, per element.

    Parameters
    ----------
    decay, decay2 : float
        Of the moments; published 0.9 and 0.999.
    eps : float
        Added to the root of the second moment; published 1e-8.

    References
    ----------
    .. [1] Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 1.
    """

    def __init__(self, decay: float = 0.9, decay2: float = 0.999, eps: float = 1e-8) -> None:
        self._decay, self._decay2, self._eps = decay, decay2, eps
        self._first: AnyArray = 0.0
        self._second: AnyArray = 0.0
        self._steps = 0

    def __call__(self, grad: AnyArray) -> AnyArray:
        """Direction to walk against, of about unit length per element."""
        self._steps += 1
        self._first = self._decay * self._first + (1 - self._decay) * grad
        self._second = self._decay2 * self._second + (1 - self._decay2) * grad * grad
        mean = self._first / (1 - self._decay**self._steps)
        square = self._second / (1 - self._decay2**self._steps)
        return mean / (namespace(grad).sqrt(square) + self._eps)


def descend(
    term: Drawn,
    start: AnyArray,
    *,
    rate: float | Callable[[int], float],
    steps: int,
    penalty: Penalty | None = None,
    clip: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Trail:
    """Take `steps` steps of Adam; the value of each comes with its gradient.

    Parameters
    ----------
    term : Drawn
    start : array of shape (N, h, w), float32
        A mask, or any variable.
    rate : float or callable
        Learning rate, or rate(step), counted from 0.
    steps : int
    penalty : Penalty, optional
        Of the variable itself.
    clip : bool
        To [0, 1] after each step.
    progress : callable, optional
        Called with the number of steps done.

    Returns
    -------
    Trail

    Notes
    -----
    Cost: `steps` gradients, no other evaluations; images do not see each other.
    """
    penalty, adam = penalty or Sum(), Adam()
    variable, rows = start, np.arange(len(start))
    data: list[Float] = []
    loss: list[Float] = []
    for step in range(steps):
        value, grad = term.value_and_grad(variable, step)
        data.append(to_host(value).astype(np.float64))
        loss.append(data[-1] + penalty.value(variable[:, None], rows)[:, 0])
        move = adam(grad + penalty.grad(variable))
        variable = variable - (rate(step) if callable(rate) else rate) * move
        if clip:
            variable = variable.clip(0, 1)
        if progress is not None:
            progress(step + 1)
    shape = (len(start), steps)
    return Trail(variable, *(np.stack(v, 1) if v else np.empty(shape) for v in (loss, data)))
