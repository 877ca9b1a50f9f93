"""The driver: minimizes a data term plus penalties over masks in [0, 1], many images at once.

Masks, gradients and directions stay on the device where the first mask is; objectives and step
sizes, a few numbers per image and step, come back to the host, where the searches decide.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, dot, take, to_host, to_like
from pysal.optim.descent import Descent, Steepest
from pysal.optim.penalty import Penalty, Sum
from pysal.optim.search import Line, Search

Float = NDArray[np.float64]
Rows = NDArray[np.intp]
Schedule = Callable[[int, Penalty, Float], Penalty]


class DataTerm(Protocol):
    """The part of the objective that asks the network."""

    def value(self, masks: AnyArray, rows: Rows) -> NDArray[np.floating]:
        """Noise-free values of (n, m, h, w) masks of the images `rows`: (n, m), on the host."""

    def grad(self, masks: AnyArray, step: int) -> AnyArray:
        """Descent information at one mask per image, (N, h, w); may be noisy or integrated."""


@dataclasses.dataclass(frozen=True)
class Result:
    """Where the optimizer ended and how it came there.

    Attributes
    ----------
    mask : array of shape (N, h, w), float32
        Where the first mask was.
    loss, data : ndarray of shape (N, steps + 1)
        Objective and data term, the start included.
    step : ndarray of shape (N, steps)
        Accepted step sizes.
    """

    mask: AnyArray
    loss: Float
    data: Float
    step: Float


def minimize(
    term: DataTerm,
    mask: AnyArray,
    *,
    search: Search,
    steps: int,
    penalty: Penalty | None = None,
    descent: Descent | None = None,
    start: NDArray[np.floating] | None = None,
    schedule: Schedule | None = None,
    later: Mapping[int, DataTerm] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Walk `steps` times against the gradient and clip to [0, 1] after each step.

    Parameters
    ----------
    term : DataTerm
    mask : array of shape (N, h, w), float32, in [0, 1]
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
    later : mapping of int to DataTerm, optional
        Data terms that replace the one before from these steps on, counted from 0. The objective
        at the current masks is evaluated anew then, for N evaluations; in `Result` a step's values
        are those of the term it was taken on.
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
    move: AnyArray | None = None
    for step in range(steps):
        known, current = data[-1], loss[-1]
        if later and step in later:
            term = later[step]
            known = np.asarray(term.value(mask[:, None], rows)[:, 0], np.float64)
        if schedule is not None:
            penalty = schedule(step, penalty, known - data[0])
        if schedule is not None or (later and step in later):
            current = known + penalty.value(mask[:, None], rows)[:, 0]
        grad = term.grad(mask, step) + penalty.grad(mask)
        move = descent(grad, move)
        line = Line(
            _evaluator(term, penalty, mask, move),
            current,
            to_host(dot(grad, move)),
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


def _walk(mask: AnyArray, move: AnyArray, steps: Float) -> AnyArray:
    """Clipped masks after steps of sizes (n, m): masks and moves (n, 1, h, w) -> (n, m, h, w)."""
    sizes = to_like(steps[:, :, None, None].astype(np.float32), mask)
    return (mask - sizes * move).clip(0, 1)


def _evaluator(
    term: DataTerm, penalty: Penalty, mask: AnyArray, move: AnyArray
) -> Callable[[Float, Rows], tuple[Float, Float]]:
    """Data term and objective along the moves, as a search asks for them."""

    def evaluate(steps: Float, rows: Rows) -> tuple[Float, Float]:
        masks = _walk(take(mask, rows)[:, None], take(move, rows)[:, None], steps)
        data = np.asarray(term.value(masks, rows), np.float64)
        return data, data + penalty.value(masks, rows)

    return evaluate
