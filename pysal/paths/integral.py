"""What a path gives, what it needs, and the walk along the points of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, to_host
from pysal.paths.idgi import Idgi

CHUNK = 20
"""Points of a path, or images on a guided path, whose gradients are held at once."""

Report: TypeAlias = Callable[[int], None]
"""Takes the number of points that were evaluated since the last call."""

Part: TypeAlias = "tuple[AnyArray, Callable[[AnyArray], AnyArray]]"
"""Points (n, C, H, W), and what makes of their gradients a part of the Riemann sum, (C, H, W)."""


class Network(Protocol):
    """Scores and gradients of the explained class; `pysal.work.Work` is one."""

    def value_and_grad(self, x: AnyArray, images: NDArray[np.intp]) -> tuple[AnyArray, AnyArray]:
        """Scores (n,) and gradients (n, C, H, W) at inputs that belong to the images (n,)."""

    def score_at(self, x: AnyArray, images: NDArray[np.intp]) -> NDArray[Any]:
        """Scores (n,) at inputs that belong to the images (n,), on the host."""


@dataclasses.dataclass(frozen=True)
class Integral:
    """Attributions of some of the inputs along their paths.

    Attributes
    ----------
    rows : slice
        Which inputs, k of them.
    riemann : array of shape (k, C, H, W)
        sum_j g_j * (x_{j+1} - x_j): the method's own attribution.
    idgi : array of shape (k, C, H, W) or None
        From the same gradients, where it was asked for.
    scores : ndarray of shape (k, P), float32
        Along the path; the first is that of its start.
    """

    rows: slice
    riemann: AnyArray
    idgi: AnyArray | None
    scores: NDArray[np.float32]


class Path(Protocol):
    """A family of paths, one for every input."""

    @property
    def steps(self) -> int:
        """Gradients per input."""

    def num_scores(self, idgi: bool) -> int:
        """P, the scores that an integral lists."""

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
        """Integrate from the origins to the inputs x, both (n, C, H, W), some at a time.

        Parameters
        ----------
        network : Network
        x, origin : array of shape (n, C, H, W), float32
            Where the engine computes.
        images : ndarray of shape (n,)
            Image that each input belongs to: its class is explained.
        idgi : bool
            Whether to compute IDGI as well.
        report : callable, optional
        """


def walk(
    network: Network,
    row: int,
    image: NDArray[np.intp],
    parts: Iterable[Part],
    *,
    start: float | None = None,
    idgi: bool = False,
    report: Report | None = None,
) -> Integral:
    """Integrate along one path whose points do not depend on each other.

    Parameters
    ----------
    network : Network
    row : int
        Number of the input.
    image : ndarray of shape (1,)
        Image that it belongs to.
    parts : iterable of Part
        Points in the order of the path, made as they are needed.
    start : float, optional
        Score at the start, where that is not one of the points.
    idgi, report
        As for `Path.integrals`.
    """
    total: AnyArray = 0.0
    sums = Idgi(start) if idgi else None
    scores = [np.array([] if start is None else [start], np.float32)]
    for points, weigh in parts:
        values, grads = network.value_and_grad(points, image.repeat(len(points)))
        scores.append(to_host(values))
        total = total + weigh(grads)
        if sums is not None:
            sums.add(scores[-1], grads)
        if report is not None:
            report(len(points))
    inner = None if sums is None else sums.total[None]
    return Integral(slice(row, row + 1), total[None], inner, np.concatenate(scores)[None])


def blocks(total: int, size: int = CHUNK) -> Iterator[slice]:
    """Cut `total` rows into slices of up to `size`."""
    for first in range(0, total, size):
        yield slice(first, min(first + size, total))


def scores_at(network: Network, x: AnyArray, images: NDArray[np.intp]) -> NDArray[Any]:
    """Scores of inputs (n, C, H, W), some at a time: (n,)."""
    scores = np.empty(len(x), np.float32)
    for rows in blocks(len(x)):
        scores[rows] = network.score_at(x[rows], images[rows])
    return scores


def meter(progress: Callable[[float, float], None] | None, total: int) -> Report | None:
    """Add up numbers of points for a callback progress(done, total)."""
    if progress is None:
        return None
    done = 0

    def report(number: int) -> None:
        nonlocal done
        done += number
        progress(done, total)

    return report
