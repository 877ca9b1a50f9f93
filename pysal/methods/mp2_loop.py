"""The loop of MP2: remove the cells with the largest gradients until the score is at chance."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, take, to_host, to_like
from pysal.errors import OptionError
from pysal.maskopt.groups import in_groups, join
from pysal.progress import Progress
from pysal.resample import UPSAMPLING, Resample
from pysal.types import Array
from pysal.values import choice, number, size, whole
from pysal.work import Work

Rows = NDArray[np.intp]
Shape = tuple[int, int]


class Removal(Protocol):
    """What shows in the holes, and what the gradient is measured along."""

    def __call__(
        self, rows: Rows, keep: NDArray[np.bool_]
    ) -> tuple[AnyArray, Callable[[AnyArray], AnyArray]]:
        """Fillers (n, C, H, W) of the images `rows`, and the score of every pixel for removal.

        The second takes the gradient at the composed images, (n, C, H, W), to (n, H, W), whose sum
        over a cell is what the score loses with it, to first order.
        """


@dataclasses.dataclass(frozen=True)
class Removed:
    """Maps at the mask's and the image's resolution, and the trace."""

    native: Array
    map: Array
    trace: dict[str, NDArray[Any]]


def resolve_removal(owner: str, given: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """Return the options that MP2 and MP2-G share, checked and with defaults filled in.

    Raises
    ------
    OptionError
        If one is outside its allowed values.
    """
    names = ("size", "cells", "selection", "chance", "upsampling", "output")
    values = {name: given[name] for name in names}
    values["size"] = size(owner, "size", values["size"], work.size)
    values["cells"] = whole(owner, "cells", values["cells"])
    choice(owner, "selection", values["selection"], ("magnitude", "decrease"))
    choice(owner, "upsampling", values["upsampling"], UPSAMPLING)
    choice(owner, "output", values["output"], ("binary", "ranks"))
    values["chance"] = _chance(owner, values["chance"], work)
    return values


def remove_cells(
    work: Work, removal: Removal, options: Mapping[str, Any], progress: Progress | None
) -> Removed:
    """Remove cells step by step from every image that is still above chance.

    Parameters
    ----------
    work : Work
    removal : Removal
    options : mapping
        What `resolve_removal` returned.
    progress : callable, optional
        Called as progress(done, total), in steps of images.

    Notes
    -----
    Cost: one forward and one backward per image and step, and one more at the end.
    """
    shape, upsampling = options["size"], UPSAMPLING[options["upsampling"]]
    steps = -(-shape[0] * shape[1] // options["cells"])
    when, scores = [], []
    for rows, report in in_groups(len(work), steps, progress):
        upsample = Resample(upsampling, shape, work.size, work.x)
        group = _Group(work, removal, np.arange(rows.start, rows.stop), shape, upsample)
        group.run(options, steps, report)
        when.append(group.when)
        scores.append(np.stack(group.scores, 1))
    step = join(when, shape).astype(np.int64)
    native = _as_map(step, options["output"])
    return Removed(
        native,
        Resample(upsampling, shape, work.size, native)(native),
        {"score": _padded(scores), "steps": step.max(axis=(1, 2), initial=-1) + 1},
    )


def _chance(owner: str, chance: Any, work: Work) -> float:
    """Score at which removal stops; by default 1 / K, rounded to one digit as published."""
    if chance is None:
        if work.target.kind != "probability":
            raise OptionError(
                f"{owner}: chance is None; a logit has no level of chance: give the logit to stop "
                'at, or explain with kind="probability"'
            )
        return float(f"{1 / work.clf.info.num_classes:.0e}")
    return number(owner, "chance", chance, lambda v: True, "a finite number, or None for 1 / K")


def _as_map(step: NDArray[np.int64], output: str) -> Array:
    """Map of removal steps: 1 where removed, or 1 - k / K for step k of K; 0 where not."""
    removed = (step >= 0).astype(np.float32)
    if output == "binary":
        return removed
    count = np.maximum(step.max(axis=(1, 2), keepdims=True, initial=0) + 1, 1)
    return (removed * (1 - step / count)).astype(np.float32)


class _Group:
    """Images that advance together; those that are done drop out."""

    def __init__(
        self, work: Work, removal: Removal, numbers: Rows, shape: Shape, upsample: Resample
    ) -> None:
        self._work, self._removal, self._numbers = work, removal, numbers
        self._upsample = upsample
        # Step at which each cell went, from 0; -1 where it is still there.
        self.when: NDArray[np.int64] = np.full((len(numbers), *shape), -1, np.int64)
        self.scores: list[NDArray[np.float64]] = []

    def run(
        self, options: Mapping[str, Any], steps: int, report: Callable[[int], None] | None
    ) -> None:
        """Remove until every image is done."""
        chance, cells = options["chance"], options["cells"]
        active = np.arange(len(self._numbers))
        for step in range(steps + 1):
            score, change = self._evaluate(active)
            strength = abs(change) if options["selection"] == "magnitude" else change
            self.scores.append(np.full(len(self._numbers), np.nan))
            self.scores[-1][active] = score
            active, strength = active[score > chance], strength[score > chance]
            if step == steps or not active.size:
                break
            active = self._remove(active, strength, cells, step)
            if report is not None:
                report(step)
        if report is not None:
            report(steps)

    def _evaluate(self, active: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores of the composed images, (n,), and what they lose with a cell, (n, h, w)."""
        rows = self._numbers[active]
        removed = to_like((self.when[active] >= 0).astype(np.float32), self._work.x)
        keep = 1 - self._upsample(removed)
        fill, pixels = self._removal(rows, to_host(keep) > 0.5)
        shown = keep[:, None] * take(self._work.x, rows) + (1 - keep[:, None]) * fill
        value, grad = self._work.value_and_grad(shown, rows)
        cells = self._upsample.adjoint(pixels(grad))
        return to_host(value).astype(np.float64), to_host(cells).astype(np.float64)

    def _remove(self, active: Rows, strength: NDArray[np.float64], cells: int, step: int) -> Rows:
        """Remove the strongest cells; return the images where any had strength."""
        stuck = []
        for image, gradient in zip(active.tolist(), strength, strict=True):
            when = self.when[image].reshape(-1)
            free = np.flatnonzero(when < 0)
            gradient = gradient.reshape(-1)[free]
            if free.size and not gradient.any():
                stuck.append(image)
                continue
            when[free[np.argsort(-gradient, kind="stable")[:cells]]] = step
        if stuck:
            shown = ", ".join(map(str, self._numbers[stuck][:5]))
            warnings.warn(
                f"{len(stuck)} images (number {shown}) have no gradient in any cell that is left, "
                "and stop above chance: what fills a hole there equals the image; use another "
                "filler or gradient",
                stacklevel=5,
            )
        return active[~np.isin(active, stuck)]


def along(difference: AnyArray) -> Callable[[AnyArray], AnyArray]:
    """Score of removal by a filler: the gradient's product with image minus filler."""
    return lambda grad: (difference * grad).sum(axis=1)


def size_of_gradient(grad: AnyArray) -> AnyArray:
    """Sum of the gradient's sizes over channels."""
    return abs(grad).sum(axis=1)


def _padded(scores: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Scores of all groups, (N, T); NaN after the end of an image or group."""
    length = max((part.shape[1] for part in scores), default=1)
    wide = [
        np.pad(part, ((0, 0), (0, length - part.shape[1])), constant_values=np.nan)
        for part in scores
    ]
    return np.concatenate(wide) if wide else np.empty((0, length))
