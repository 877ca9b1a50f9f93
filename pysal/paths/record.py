"""Integrals as maps: which of the two, reduced over channels, and how complete they are."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, namespace, to_host
from pysal.channels import REDUCTIONS, reduce_channels, warn_empty
from pysal.classifier import Classifier
from pysal.paths.integral import Integral, Network, Path, meter
from pysal.types import Array, Attribution
from pysal.values import choice, flag

LARGE = 0.1
"""Residual from which on results warn."""


class IncompleteWarning(UserWarning):
    """The attributions of an image are far from adding up to the change of its score."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which maps of a path come out, and how.

    Attributes
    ----------
    idgi : bool
        The result is the IDGI map, else the method's own.
    both : bool
        Both maps are in the trace.
    reduce : str
        A name of `REDUCTIONS`.
    channels : bool
        The result before the reduction is in the trace.
    """

    idgi: bool
    both: bool
    reduce: str
    channels: bool

    @property
    def with_idgi(self) -> bool:
        """Whether IDGI is needed at all."""
        return self.idgi or self.both


def wanted(owner: str, options: Mapping[str, Any], idgi: bool) -> Wanted:
    """What options ask for, checked; an OptionError if a value is not allowed."""
    return Wanted(
        flag(owner, "idgi", idgi),
        flag(owner, "both", options["both"]),
        choice(owner, "reduce", options["reduce"], REDUCTIONS),
        flag(owner, "channels", options["channels"]),
    )


@dataclasses.dataclass(frozen=True)
class Collected:
    """Maps of all inputs.

    Attributes
    ----------
    native : ndarray of shape (N, H, W), float32
    totals : ndarray of shape (N,), float64
        Sum of the attribution over channels and pixels.
    scores : ndarray of shape (N, P), float32
    others : mapping
        Rows of the trace that the caller asked for.
    """

    native: Array
    totals: NDArray[np.float64]
    scores: Array
    others: dict[str, Array]

    def trace(self, owner: str, score: Array) -> dict[str, NDArray[Any]]:
        """Trace of a result whose images have these scores; warns where it is far from complete.

        Warns
        -----
        IncompleteWarning
            If a residual is above 10 %.
        UserWarning
            If a map is zero everywhere.
        """
        warn_empty(owner, self.native)
        missing = residual(self.totals, score.astype(np.float64) - self.scores[:, 0])
        large = np.flatnonzero((missing > LARGE) & self.native.any(axis=(1, 2)))
        if large.size:
            shown = ", ".join(map(str, large[:5]))
            warnings.warn(
                f"{owner}: the attributions of {large.size} of {len(missing)} images (number "
                f"{shown}) miss the change of the score by up to {missing[large].max():.0%}; use "
                "more steps, or another baseline where image and baseline score alike",
                IncompleteWarning,
                stacklevel=3,
            )
        return {"score": self.scores, "residual": missing, **self.others}


class Job(Network, Protocol):
    """Images to explain; `pysal.work.Work` is one."""

    clf: Classifier
    batch: Array
    x: AnyArray

    def score(self) -> Array:
        """Score of the explained class on the images, (N,)."""

    def finish(
        self,
        native: Array,
        options: Mapping[str, Any],
        *,
        trace: Mapping[str, NDArray[Any]] | None = None,
    ) -> Attribution:
        """The result."""


def explain(
    job: Job,
    owner: str,
    path: Path,
    origin: Array,
    asked: Wanted,
    options: Mapping[str, Any],
    progress: Callable[[float, float], None] | None,
) -> Attribution:
    """Integrate from `origin` (N, C, H, W) to the images of a job, and make maps of that."""
    score = job.score()
    images = np.arange(len(job.batch))
    found = collect(
        path.integrals(
            job,
            job.x,
            job.clf.to_device(origin),
            images,
            idgi=asked.with_idgi,
            report=meter(progress, len(images) * path.steps),
        ),
        job.batch.shape,
        path.num_scores(asked.with_idgi),
        asked,
    )
    return job.finish(found.native, options, trace=found.trace(owner, score))


def residual(totals: NDArray[np.float64], changes: NDArray[np.float64]) -> NDArray[np.float64]:
    """|sum(A) - change| / |change| per image, 0 where both are 0 and infinite where one is."""
    gap, size = np.abs(totals - changes), np.abs(changes)
    known = size > 0
    ratio = gap / np.where(known, size, 1)
    return np.where(known, ratio, np.where(gap > 0, np.inf, 0.0))


def collect(
    integrals: Iterable[Integral], shape: tuple[int, ...], num_scores: int, asked: Wanted
) -> Collected:
    """Reduce integrals as they come; N x C x H x W numbers are kept only where asked for.

    Parameters
    ----------
    integrals : iterable of Integral
    shape : tuple of int
        (N, C, H, W).
    num_scores : int
        P.
    asked : Wanted
    """
    count, _, height, width = shape
    names = ("riemann", "idgi") if asked.both else ("idgi" if asked.idgi else "riemann",)
    result = "idgi" if asked.idgi else "riemann"
    maps: dict[str, Array] = {n: np.empty((count, height, width), np.float32) for n in names}
    channels: Array = np.empty(shape if asked.channels else (0,), np.float32)
    totals, scores = np.empty(count), np.empty((count, num_scores), np.float32)
    for found in integrals:
        for name in names:
            maps[name][found.rows] = to_host(reduce_channels(getattr(found, name), asked.reduce))
        chosen = getattr(found, result)
        totals[found.rows], scores[found.rows] = _sums(chosen), found.scores
        if asked.channels:
            channels[found.rows] = to_host(chosen)
    others = dict(maps) if asked.both else {}
    if asked.channels:
        others["channels"] = channels
    return Collected(maps[result], totals, scores, others)


def _sums(attributions: AnyArray) -> NDArray[np.float64]:
    """Sum of each attribution of (k, C, H, W), in float64."""
    xp = namespace(attributions)
    return to_host(attributions.sum(axis=(1, 2, 3), dtype=xp.float64))
