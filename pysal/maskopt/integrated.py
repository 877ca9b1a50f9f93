"""The optimizers along integrated gradients: I-GOS, iGOS+ and iGOS++, from any first mask."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, to_host
from pysal.masking import MaskedScore
from pysal.maskopt.groups import in_groups, join
from pysal.maskopt.options import noise_deviation
from pysal.maskopt.terms import Bilateral, Deletion, Pair, PathPoints, Single
from pysal.optim import (
    L1,
    TV,
    Armijo,
    BilateralTV,
    DataTerm,
    Fixed,
    Momentum,
    OfProduct,
    Penalty,
    Result,
    Search,
    Steepest,
    Sum,
    halves,
    minimize,
    quadrature,
    stack,
)
from pysal.progress import Progress
from pysal.resample import Resample
from pysal.types import Array
from pysal.work import Work


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is optimized.

    Attributes
    ----------
    work : Work
    fills : tuple of (int, ndarray of shape (N, C, H, W))
        Baselines, each with the iteration from which on it is used; the first with 0.
    seed : ndarray of shape (N,), uint64
        Of the noise.
    start : ndarray of shape (N, h, w), float32, or None
        First keep mask; None is 1 everywhere.
    """

    work: Work
    fills: tuple[tuple[int, Array], ...]
    seed: NDArray[np.uint64]
    start: Array | None = None


@dataclasses.dataclass(frozen=True)
class Found:
    """Keep masks (N, h, w) on the host, and what happened on the way."""

    mask: Array
    trace: Mapping[str, NDArray[Any]]


def optimize_integrated(
    optimizer: str, problem: Problem, options: Mapping[str, Any], progress: Progress | None
) -> Found:
    """Optimize masks along integrated gradients.

    Parameters
    ----------
    optimizer : {"igos", "igos_plus", "igos_pp"}
    problem : Problem
    options : mapping
        What `options.resolve` returned.
    progress : callable, optional
        Called as progress(done, total), in iterations of images.

    Returns
    -------
    Found
        Trace: "loss" (N, iterations + 1), "score" of the same shape, the data term, and "step"
        (N, iterations).
    """
    work, steps = problem.work, options["iterations"]
    results, keeps = [], []
    known = work.score() if optimizer == "igos" and problem.start is None else None
    for rows, report in in_groups(len(work), steps, progress):
        group = _Group(optimizer, problem, options, rows)
        result = minimize(
            group.term(0),
            group.start(),
            search=_search(options),
            steps=steps,
            penalty=group.penalty(),
            descent=Momentum(options["momentum"]) if options["momentum"] else Steepest(),
            start=None if known is None else known[rows],
            schedule=l1_schedule(steps) if options.get("l1_schedule") else None,
            later=group.later(),
            progress=report,
        )
        results.append(result)
        keeps.append(to_host(group.keep(result)))
        for masked in group.phases.values():
            work.passes += masked.passes
    return Found(
        join(keeps, options["size"]),
        {
            "loss": join([r.loss for r in results], (steps + 1,)),
            "score": join([r.data for r in results], (steps + 1,)),
            "step": join([r.step for r in results], (steps,)),
        },
    )


class _Group:
    """Images that are optimized together: their terms, penalty and first masks."""

    def __init__(
        self, optimizer: str, problem: Problem, options: Mapping[str, Any], rows: slice
    ) -> None:
        self._problem, self._options, self._rows = problem, options, rows
        work = problem.work
        preprocess = work.clf.preprocess
        nodes, weights = quadrature(options["nodes"], options["steps"])
        std = noise_deviation(options, preprocess)
        self._points = PathPoints(nodes, weights, std, problem.seed[rows])
        self._parts: Single | Pair | None = None
        if optimizer == "igos_plus":
            self._parts = Single()
        elif optimizer == "igos_pp":
            large = Resample("aligned", options["size"], work.size, work.x)
            self._parts = Pair(large if options["product"] == "image" else None)
        self.phases = {first: self._masked(fill[rows]) for first, fill in problem.fills}

    def _masked(self, fill: Array) -> MaskedScore:
        """The network on this group's images under masks; for two directions, both."""
        work = self._problem.work
        image, target = work.batch[self._rows], work.target[self._rows]
        numbers = np.arange(self._rows.start, self._rows.stop)
        if self._parts is None:
            return MaskedScore(work.clf, image, fill, target, images=numbers)
        deletes = self._parts.deletes
        shown = np.concatenate([image if d else fill for d in deletes])
        hidden = np.concatenate([fill if d else image for d in deletes])
        every = np.tile(np.arange(len(image)), len(deletes))
        return MaskedScore(work.clf, shown, hidden, target[every], images=numbers[every])

    def term(self, step: int) -> DataTerm:
        """Data term of an iteration."""
        masked = self.phases[max(first for first in self.phases if first <= step)]
        if self._parts is None:
            return Deletion(masked, self._points)
        drawn = step if self._options["objective"] == "path" else None
        return Bilateral(masked, self._points, self._parts, drawn)

    def later(self) -> dict[int, DataTerm]:
        """Terms that replace the first: with other baselines, or drawn anew at every step."""
        steps = range(1, self._options["iterations"])
        drawn = self._options.get("objective") == "path"
        return {step: self.term(step) for step in steps if drawn or step in self.phases}

    def penalty(self) -> Penalty:
        """Mask size and total variation; bilateral, and of the product, where that is asked for."""
        options, work = self._options, self._problem.work
        terms: list[Penalty] = [L1(options["l1"])]
        if options["l2"] and self._parts is None:
            terms.append(TV(options["l2"]))
        elif options["l2"]:
            # The differences of neighbours count in ImageNet-normalized units.
            unit = work.clf.preprocess.noise_std(1.0)[:, None, None]
            image = work.clf.to_device(work.batch[self._rows] / unit)
            terms.append(BilateralTV(options["l2"], image, options["size"], options["sigma"]))
        penalty = Sum(tuple(terms))
        return OfProduct(penalty) if isinstance(self._parts, Pair) else penalty

    def start(self) -> AnyArray:
        """First masks, on the device."""
        problem, work = self._problem, self._problem.work
        shape = (self._rows.stop - self._rows.start, *self._options["size"])
        mask = np.ones(shape, np.float32) if problem.start is None else problem.start[self._rows]
        if isinstance(self._parts, Pair):
            mask = stack(mask, mask)
        return work.clf.to_device(np.ascontiguousarray(mask, np.float32))

    def keep(self, result: Result) -> AnyArray:
        """Keep mask of each image, (n, h, w)."""
        if isinstance(self._parts, Pair):
            first, second = halves(result.mask)
            return first * second
        return result.mask


def l1_schedule(
    iterations: int,
) -> Callable[[int, Penalty, NDArray[np.float64]], Penalty]:
    """Weaken l1 in the images whose score has hardly moved, as the first published code does."""
    looks = {iterations // 2: (1e-3, 10.0), int(iterations / 1.25): (1e-2, 5.0)}

    def schedule(step: int, penalty: Penalty, change: NDArray[np.float64]) -> Penalty:
        if step not in looks or not isinstance(penalty, Sum):
            return penalty
        least, divisor = looks[step]
        factor = np.where(np.abs(change) <= least, 1 / divisor, 1.0)
        return Sum(tuple(L1(t.weight * factor) if isinstance(t, L1) else t for t in penalty.terms))

    return schedule


def _search(options: Mapping[str, Any]) -> Search:
    """Line search, or one step size."""
    if options["search"] == "fixed":
        return Fixed(options["step_size"])
    ladder = {key: options[key] for key in ("slope", "shrink", "chunk")}
    return Armijo(options["step_max"], options["step_min"], warm=options["warm_start"], **ladder)
