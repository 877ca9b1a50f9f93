"""Meaningful perturbations: Adam on a mask under jitter and noise, with any filler."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, take, to_host
from pysal.cams import min_max
from pysal.masking import MaskedScore
from pysal.maskopt.groups import in_groups, join
from pysal.maskopt.jitter import Filling, Jitter, draw_shifts
from pysal.maskopt.options import noise_deviation
from pysal.maskopt.smooth import Smooth
from pysal.optim import L1, TV, Penalty, Sum, Trail, descend
from pysal.progress import Progress
from pysal.resample import UPSAMPLING, Resample
from pysal.types import Array, Noise, Passes, Target
from pysal.work import Work

SHARE = 64
"""Images in one evaluation where each is there once per class; bounds the memory."""


@dataclasses.dataclass(frozen=True)
class Perturbed:
    """Keep masks (N, h, w) on the host; loss and score (N, iterations) before each step."""

    mask: Array
    trace: Mapping[str, NDArray[Any]]


def optimize_perturbation(
    work: Work,
    start: Array,
    filling: Callable[[slice], Filling],
    seed: NDArray[np.uint64],
    options: Mapping[str, Any],
    progress: Progress | None,
) -> Perturbed:
    """Optimize masks with Adam.

    Parameters
    ----------
    work : Work
    start : ndarray of shape (N, h, w), float32
    filling : Filling
    seed : ndarray of shape (N,), uint64
        Of jitter and noise.
    options : mapping
        What `resolve_perturb` returned.
    progress : callable, optional
        Called as progress(done, total), in iterations of images.
    """
    steps = options["iterations"]
    classes = _top(work, options["top"])
    trails: list[Trail] = []
    for rows, report in in_groups(len(work), steps, progress, max(1, SHARE // options["top"])):
        term = _Term(work, rows, filling(rows), seed[rows], classes[rows], options)
        first = work.clf.to_device(np.ascontiguousarray(start[rows]))
        trails.append(
            descend(
                term,
                first,
                rate=options["rate"],
                steps=steps,
                penalty=_penalty(options),
                progress=report,
            )
        )
    return Perturbed(
        join([to_host(trail.variable) for trail in trails], options["size"]),
        {
            "loss": join([trail.loss for trail in trails], (steps,)),
            "score": join([trail.data for trail in trails], (steps,)),
        },
    )


def display(mask: Array, image: tuple[int, int], options: Mapping[str, Any]) -> Array:
    """Map (N, H, W) of keep masks, as the option `output` wants it."""
    large = Resample(UPSAMPLING[options["upsampling"]], mask.shape[1:], image, mask)(mask)
    if options["output"] == "smoothed":
        large = Smooth(options["smoothing"], image, mask)(large)
    removed: Array = 1 - large
    return min_max(removed) if options["output"] == "minmax" and len(mask) else removed


class _Term:
    """Score of the perturbed images of one group, and its slope in the masks; a `Drawn`."""

    def __init__(
        self,
        work: Work,
        rows: slice,
        filling: Filling,
        seed: NDArray[np.uint64],
        classes: NDArray[np.int64],
        options: Mapping[str, Any],
    ) -> None:
        self._work, self._filling, self._seed = work, filling, seed
        self._jitter = options["jitter"]
        self._images = Jitter(work.batch[rows], self._jitter, work.x)
        self._upsample = Resample(
            UPSAMPLING[options["upsampling"]], options["size"], work.size, work.x
        )
        self._smooth = Smooth(options["smoothing"], work.size, work.x)
        self._std = noise_deviation(options, work.clf.preprocess)
        self._classes = classes.shape[1]
        self._target = Target(classes.reshape(-1), work.target.kind)
        # Each image is there once per class.
        self._row = np.repeat(np.arange(len(seed)), self._classes)
        self._number = rows.start + self._row

    def value_and_grad(self, variable: AnyArray, step: int) -> tuple[AnyArray, AnyArray]:
        """Scores (n,), and gradient (n, h, w); the smoothing is not in it, as published."""
        shifts = draw_shifts(self._seed, self._jitter, step)
        images = self._images(shifts)
        mask = self._smooth(self._upsample(variable))
        fill, mask = self._filling(images, mask, shifts)
        images, fill, mask = (take(array, self._row) for array in (images, fill, mask))
        masked = MaskedScore(self._work.clf, images, fill, self._target, images=self._number)
        noise = None if self._std is None else Noise(self._std, self._seed[self._row], step)
        values, grad = masked.value_and_grad(mask, noise)
        self._work.passes += masked.passes
        if self._classes > 1:
            values = values.reshape(-1, self._classes).sum(axis=1)
            grad = grad.reshape(-1, self._classes, *grad.shape[1:]).sum(axis=1)
        return values, self._upsample.adjoint(grad)


def _top(work: Work, top: int) -> NDArray[np.int64]:
    """Classes whose scores are summed, (N, top): the target alone, or the highest ones."""
    if top == 1:
        return work.target.index[:, None]
    scores = work.clf.score(work.batch, work.target.kind)
    work.passes += Passes(len(work), 0)
    return np.argsort(-scores, axis=1, kind="stable")[:, :top].astype(np.int64)


def _penalty(options: Mapping[str, Any]) -> Penalty:
    """Mask size and total variation."""
    terms: list[Penalty] = [L1(options["l1"], options["reduction"])]
    if options["l2"]:
        shape = options["exponent"], options["reduction"], options["isotropic"]
        terms.append(TV(options["l2"], *shape))
    return Sum(tuple(terms))
