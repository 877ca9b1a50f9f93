"""A path that moves first what changes the score least: Guided IG."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, is_host, namespace, root, to_host, to_like
from pysal.paths.idgi import directions
from pysal.paths.integral import Integral, Network, Report, blocks
from pysal.paths.straight import STEPS
from pysal.values import number, share, whole

TOLERANCE = 1e-9
"""Relative and absolute difference of lengths that count as equal."""

FAR = 3e38
"""Size of the gradient of a feature that is not to be chosen: above all others, and no NaN."""


@dataclasses.dataclass(frozen=True)
class Guided:
    """Steps of equal L1 length, made of the features with the smallest gradients.

    Attributes
    ----------
    steps : int
        T, gradients per input.
    fraction : float in (0, 1]
        Share of the features that a pass inside a step selects.
    max_dist : float in [0, 1]
        How far a feature may be from the straight line, in units of its own way.
    """

    steps: int
    fraction: float
    max_dist: float

    def num_scores(self, idgi: bool) -> int:
        """T, and one for the end where it is asked for."""
        return self.steps + idgi

    def integrals(
        self,
        network: Network,
        x: AnyArray,
        origin: AnyArray,
        images: NDArray[np.intp],
        *,
        idgi: bool = False,
        report: Report | None = None,
    ) -> Iterator[Integral]:
        """Integrate; the inputs of a group advance together, one gradient each per step.

        Notes
        -----
        Cost per input: T forward and backward; with IDGI one forward more, for the end.
        """
        for rows in blocks(len(x)):
            yield self._group(network, x[rows], origin[rows], images[rows], rows, idgi, report)

    def _group(
        self,
        network: Network,
        x: AnyArray,
        origin: AnyArray,
        images: NDArray[np.intp],
        rows: slice,
        idgi: bool,
        report: Report | None,
    ) -> Integral:
        """Walk all steps with one group of inputs."""
        xp, shape = namespace(x), tuple(x.shape)
        line = _Line(_flat(origin), _flat(x))
        at = line.start
        riemann = xp.zeros_like(at)
        inner, step = 0.0, 0.0
        scores = np.empty((len(x), self.num_scores(idgi)), np.float32)
        for t in range(self.steps):
            point = xp.asarray(at, dtype=x.dtype).reshape(shape)
            values, grads = network.value_and_grad(point, images)
            scores[:, t] = to_host(values)
            moved = self._advance(at, line, grads.reshape(len(x), -1), t)
            riemann += (moved - at) * grads.reshape(len(x), -1)
            at = moved
            if idgi:
                previous = scores[:, max(t - 1, 0)]
                inner, step = _idgi(inner, step, scores[:, t] - previous, grads)
            if report is not None:
                report(len(x))
        if idgi:
            end = xp.asarray(at, dtype=x.dtype).reshape(shape)
            scores[:, -1] = network.score_at(end, images)
            inner, _ = _idgi(inner, step, scores[:, -1] - scores[:, -2], None)
        found = xp.asarray(riemann, dtype=x.dtype).reshape(shape)
        return Integral(rows, found, inner if idgi else None, scores)

    def _advance(self, at: AnyArray, line: _Line, grads: AnyArray, t: int) -> AnyArray:
        """Points at the end of step t. On the host row by row: rows need different passes."""
        rows = range(len(at)) if is_host(at) else [slice(None)]
        out = namespace(at).empty_like(at)
        for row in rows:
            one = slice(row, row + 1) if isinstance(row, int) else row
            out[one] = self._step(at[one], line[one], grads[one], t)
        return out

    def _step(self, at: AnyArray, line: _Line, grads: AnyArray, t: int) -> AnyArray:
        """Spend one step's length on the features of smallest gradient; rows of (n, D)."""
        xp = namespace(at)
        now = (t + 1) / self.steps
        low, high = max(now - self.max_dist, 0.0), min(now + self.max_dist, 1.0)
        most, goal = line.at(high), line.length * (1 - now)
        if low > 0:
            at = _mixed((at - line.start) / line.divisor < low, line.at(low), at)
        size = xp.abs(grads)
        rank = math.floor(self.fraction * (at.shape[1] - 1))
        left = xp.abs(at - line.stop).sum(axis=1, keepdims=True)
        busy, there = left >= 0, at == most
        while True:
            busy = busy & (left - goal > TOLERANCE * left.clip(1.0, None))
            size = xp.maximum(size, FAR * xp.asarray(there, dtype=size.dtype))
            chosen = busy & (size <= _smallest(size, rank)) & (size < FAR)
            way = (most - at) * chosen
            reach = xp.abs(way).sum(axis=1, keepdims=True)
            part = (left - goal) / (reach + (reach == 0))
            whole = (reach == 0) | (part > 1)
            if not bool(whole.all()):
                at = at + way * (part * ~whole)
            # Nothing left to choose: rounding has kept the length above its goal.
            busy = busy & whole & chosen.any(axis=1, keepdims=True)
            if not bool(busy.any()):
                return at
            at, left, there = _mixed(chosen & whole, most, at), left - reach * whole, chosen


class _Line:
    """Straight lines of features, (n, D), float64.

    Attributes
    ----------
    start, stop : array of shape (n, D)
    divisor : array of shape (n, D)
        Their difference, 1 where that is 0.
    length : array of shape (n, 1)
        L1 distance.
    """

    def __init__(self, start: AnyArray, stop: AnyArray) -> None:
        xp = namespace(start)
        self.start, self.stop, self._way = start, stop, stop - start
        self.divisor = self._way + (self._way == 0)
        self.length = xp.abs(self._way).sum(axis=1, keepdims=True)

    def __getitem__(self, rows: slice) -> _Line:
        part = object.__new__(_Line)
        vars(part).update({name: array[rows] for name, array in vars(self).items()})
        return part

    def at(self, position: float) -> AnyArray:
        """Features at a position from 0 to 1, always by the same expression."""
        return self.start + self._way * position


def _mixed(mask: AnyArray, yes: AnyArray, no: AnyArray) -> AnyArray:
    """`yes` where a mask holds, else `no`, to the bit; faster than `where` on masks like noise."""
    return yes * mask + no * ~mask


def _idgi(
    total: AnyArray, step: AnyArray, changes: NDArray[np.float32], grads: AnyArray | None
) -> tuple[AnyArray, AnyArray]:
    """Give the score's change over the last step to its direction; return the next direction."""
    if not isinstance(step, float):
        total = total + to_like(changes, step)[:, None, None, None] * step
    if grads is None:
        return total, 0.0
    squares, inverse = directions(grads)
    return total, squares * inverse[:, None, None, None]


def _flat(images: AnyArray) -> AnyArray:
    """Images (n, C, H, W) as features (n, D), float64."""
    xp = namespace(images)
    return xp.asarray(images, dtype=xp.float64).reshape(len(images), -1)


def _smallest(values: AnyArray, rank: int) -> AnyArray:
    """The value of this rank in every row, from 0 for the smallest: (n, D) -> (n, 1)."""
    if root(values) == "torch":
        return values.kthvalue(rank + 1, dim=1, keepdim=True).values
    return namespace(values).partition(values, rank, axis=1)[:, rank : rank + 1]


def guided_path(
    owner: str, *, steps: int = STEPS, fraction: float = 0.25, max_dist: float = 0.02
) -> Guided:
    """Path of Guided IG; an OptionError if a value is not allowed."""
    return Guided(
        whole(owner, "steps", steps),
        number(owner, "fraction", fraction, lambda v: 0 < v <= 1, "a number above 0 and at most 1"),
        share(owner, "max_dist", max_dist),
    )
