"""Searches decide how far to walk along a direction, for every image by itself."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclasses.dataclass(frozen=True)
class Line:
    """The ray on which a search walks, and what is known of it.

    Attributes
    ----------
    evaluate : callable
        `evaluate(steps, rows)` gives the data term and the whole objective, both (n, m), at the
        clipped masks that the steps (n, m) lead to in the images `rows` (n,).
    loss : ndarray of shape (N,)
        Objective at step 0.
    slope : ndarray of shape (N,)
        Inner product of gradient and direction; the squared norm of the gradient if they are equal.
    before : ndarray of shape (N,) or None
        Step sizes that were accepted last time.
    """

    evaluate: Callable[[Float, Rows], tuple[Float, Float]]
    loss: Float
    slope: Float
    before: Float | None = None


@dataclasses.dataclass(frozen=True)
class Accepted:
    """Step sizes with the data term and the objective at their ends, each of shape (N,)."""

    step: Float
    data: Float
    loss: Float


class Search(Protocol):
    """Picks one step size per image."""

    def __call__(self, line: Line) -> Accepted:
        """Return the accepted steps."""


@dataclasses.dataclass(frozen=True)
class Fixed:
    """The same step for every image. Cost: one evaluation per image, to know the objective."""

    step: float

    def __call__(self, line: Line) -> Accepted:
        """Return `step` for all images."""
        steps = np.full((len(line.loss), 1), self.step)
        data, loss = line.evaluate(steps, np.arange(len(steps)))
        return Accepted(steps[:, 0], data[:, 0], loss[:, 0])


@dataclasses.dataclass(frozen=True)
class Armijo:
    """The revised Armijo rule of I-GOS: the first step of a shrinking ladder that pays for itself.

    A step a is accepted if J(clip(M - a D)) <= J(M) - a * slope * <T, D>, with gradient T and
    direction D; for steepest descent the product is the squared 2-norm of T over the mask. When
    a falls below `least`, that last step is used untested.

    Attributes
    ----------
    most, least : float
        Largest step that is tried and the bound where shrinking stops.
    shrink : float in (0, 1)
        Ratio of one step to the one before.
    slope : float
        Share of the decrease of the linear model that a step must reach.
    chunk : int
        Steps of the ladder that are evaluated in one batch. The result does not depend on it; a
        small one saves evaluations, a large one rounds. On photos with the published options
        most searches end at the last steps and most others within the first five, so 4 costs
        hardly more than 1.
    warm : bool
        Start one step above the step accepted last time, instead of at `most`.

    Notes
    -----
    Cost: per image the evaluations up to the end of the chunk that holds the accepted step.

    References
    ----------
    .. [1] Qi, Khorram, Li, "Visualizing Deep Networks by Optimizing with Integrated Gradients",
       AAAI 2020, the revised Armijo condition; defaults of github.com/zhongangqi/IGOS.
    """

    most: float = 200.0
    least: float = 1e-5
    shrink: float = 0.2
    slope: float = 1e-4
    chunk: int = 4
    warm: bool = False

    @functools.cached_property
    def ladder(self) -> Float:
        """Every step that can be accepted, from `most` down; only the last may be below `least`."""
        steps = [self.most]
        while steps[-1] >= self.least:
            steps.append(steps[-1] * self.shrink)
        return np.array(steps)

    def __call__(self, line: Line) -> Accepted:
        """Return the first acceptable step per image."""
        images = len(line.loss)
        rung = self._first(line)
        step, data, loss = (np.empty(images) for _ in range(3))
        waiting = np.arange(images)
        while waiting.size:
            left = len(self.ladder) - int(rung[waiting].max())
            width = min(self.chunk, left)
            # A last step by itself would be a batch of one image, what engines run worst.
            width += self.chunk > 1 and left - width == 1
            index = rung[waiting, None] + np.arange(width)
            steps = self.ladder[index]
            values, losses = line.evaluate(steps, waiting)
            enough = line.loss[waiting, None] - steps * self.slope * line.slope[waiting, None]
            fits = (losses <= enough) | (index == len(self.ladder) - 1)
            done, at = fits.any(axis=1), fits.argmax(axis=1)
            rows, columns = np.flatnonzero(done), at[done]
            step[waiting[rows]] = steps[rows, columns]
            data[waiting[rows]] = values[rows, columns]
            loss[waiting[rows]] = losses[rows, columns]
            rung[waiting] += width
            waiting = waiting[~done]
        return Accepted(step, data, loss)

    def _first(self, line: Line) -> Rows:
        """Index on the ladder at which the search of each image begins."""
        if not self.warm or line.before is None:
            return np.zeros(len(line.loss), np.intp)
        last = np.searchsorted(-self.ladder, -line.before)
        return np.maximum(last - 1, 0)
