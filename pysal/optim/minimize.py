"""The driver: minimizes a data term plus penalties over masks in [0, 1], many images at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pysal.optim.descent import Descent, Steepest, dot
from pysal.optim.penalty import Penalty, Sum
from pysal.optim.search import Line, Search
from pysal.types import Array

Float = NDArray[np.float64]
Rows = NDArray[np.intp]
Schedule = Callable[[int, Penalty, Float], Penalty]


class DataTerm(Protocol):
    """The part of the objective that asks the network."""

    def value(self, masks: Array, rows: Rows) -> NDArray[np.floating]:
        """Noise-free values of (n, m, h, w) masks that belong to the images `rows`: (n, m)."""

    def grad(self, masks: Array, step: int) -> Array:
        """Descent information at one mask per image, (N, h, w); may be noisy or integrated."""


@dataclasses.dataclass(frozen=True)
class Result:
    """Where the optimizer ended and how it came there.

    Attributes
    ----------
    mask : ndarray of shape (N, h, w), float32
    loss, data : ndarray of shape (N, steps + 1)
        Objective and data term, the start included.
    step : ndarray of shape (N, steps)
        Accepted step sizes.
    """

    mask: Array
    loss: Float
    data: Float
    step: Float


def minimize(
    term: DataTerm,
    mask: Array,
    *,
    search: Search,
    steps: int,
    penalty: Penalty | None = None,
    descent: Descent | None = None,
    start: NDArray[np.floating] | None = None,
    schedule: Schedule | None = None,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Walk `steps` times against the gradient and clip to [0, 1] after each step.

    Parameters
    ----------
    term : DataTerm
    mask : ndarray of shape (N, h, w), float32, in [0, 1]
        Where to start.
    search : Search
        Picks the step size of every image.
    steps : int
    penalty : Penalty, optional
    descent : Descent, optional
        Default: steepest descent.
    start : ndarray of shape (N,), optional
        Data term at `mask`, where it is known; saves N evaluations.
    schedule : callable, optional
        `schedule(step, penalty, change)` gives the penalty from this step on; `change` (N,) is the
        change of the data term since the start.
    progress : callable, optional
        Called with the number of steps done.

    Returns
    -------
    Result

    Notes
    -----
    Cost: `steps` gradients, the evaluations of the search, and N evaluations if `start` is not
    given. The objective at the current masks is the number that the search saw when it accepted
    them: the data term has no noise, so it is not evaluated again.
    """
    penalty, descent = penalty or Sum(), descent or Steepest()
    rows = np.arange(len(mask))
    if start is None:
        start = term.value(mask[:, None], rows)[:, 0]
    data = [np.asarray(start, np.float64)]
    loss = [data[0] + penalty.value(mask[:, None], rows)[:, 0]]
    taken: list[Float] = []
    move: Array | None = None
    for step in range(steps):
        current = loss[-1]
        if schedule is not None:
            penalty = schedule(step, penalty, data[-1] - data[0])
            current = data[-1] + penalty.value(mask[:, None], rows)[:, 0]
        grad = term.grad(mask, step) + penalty.grad(mask)
        move = descent(grad, move)
        line = Line(
            _evaluator(term, penalty, mask, move),
            current,
            dot(grad, move),
            taken[-1] if taken else None,
        )
        accepted = search(line)
        mask = _walk(mask[:, None], move[:, None], accepted.step[:, None])[:, 0]
        taken.append(accepted.step)
        data.append(accepted.data)
        loss.append(accepted.loss)
        if progress is not None:
            progress(step + 1)
    step_sizes = np.stack(taken, 1) if taken else np.empty((len(mask), 0))
    return Result(mask, np.stack(loss, 1), np.stack(data, 1), step_sizes)


def _walk(mask: Array, move: Array, steps: Float) -> Array:
    """Clipped masks after steps of sizes (n, m): masks and moves (n, 1, h, w) -> (n, m, h, w)."""
    sizes = steps[:, :, None, None].astype(np.float32)
    return np.clip(mask - sizes * move, 0, 1)


def _evaluator(
    term: DataTerm, penalty: Penalty, mask: Array, move: Array
) -> Callable[[Float, Rows], tuple[Float, Float]]:
    """Data term and objective along the moves, as a search asks for them."""

    def evaluate(steps: Float, rows: Rows) -> tuple[Float, Float]:
        masks = _walk(mask[rows, None], move[rows, None], steps)
        data = np.asarray(term.value(masks, rows), np.float64)
        return data, data + penalty.value(masks, rows)

    return evaluate
