"""Pictures of 8 bits for AIC and SIC: made on several threads, scored in batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pysal.classifier import Classifier
from pysal.finite import check_finite
from pysal.types import Array, Passes

TOGETHER = 64
"""Pictures that become one batch; changes no result."""

Pictures = NDArray[np.uint8]
_In = TypeVar("_In")
_Out = TypeVar("_Out")


def to_pictures(clf: Classifier, batch: Array) -> Pictures:
    """What the model sees, as RGB (N, H, W, 3) of 8 bits; exact where photos came as such."""
    rgb = clf.preprocess.denormalize(batch)
    return np.asarray(np.rint(255 * rgb), np.uint8)


class Judge:
    """Predictions of a classifier on pictures.

    Attributes
    ----------
    passes : Passes
        What was evaluated so far.
    """

    def __init__(self, clf: Classifier) -> None:
        self._clf = clf
        self.passes = Passes()

    def __call__(
        self, pictures: Pictures, classes: NDArray[np.int64], images: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Probability of a class, and whether it is the top one, of pictures (n, H, W, 3): (n,).

        `images` are the numbers of the images that the pictures belong to, for the errors.
        """
        chance = np.empty(len(pictures))
        is_top = np.empty(len(pictures), bool)
        for first in range(0, len(pictures), TOGETHER):
            rows = slice(first, first + TOGETHER)
            values = pictures[rows].astype(np.float32) / np.float32(255)
            scores = self._clf.score(self._clf.preprocess.normalize(values))
            check_finite(scores, images[rows], "score of a picture")
            chance[rows] = scores[np.arange(len(scores)), classes[rows]]
            is_top[rows] = scores.argmax(axis=1) == classes[rows]
        self.passes += Passes(len(pictures), 0)
        return chance, is_top

    def series(
        self, pictures: Pictures, classes: NDArray[np.int64], images: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The same for T pictures of each image, (n, T, H, W, 3): (n, T)."""
        count = pictures.shape[1]
        flat = pictures.reshape(-1, *pictures.shape[2:])
        chance, is_top = self(flat, np.repeat(classes, count), np.repeat(images, count))
        shape = len(pictures), count
        return chance.reshape(shape), is_top.reshape(shape)


def on_threads(
    function: Callable[[_In], _Out], jobs: Iterable[_In], workers: int | None
) -> Iterator[_Out]:
    """Results of `function` for every job, in order; it must spend its time outside Python."""
    count = workers or available_workers()
    if count == 1:
        yield from map(function, jobs)
        return
    with ThreadPoolExecutor(count) as pool:
        yield from pool.map(function, jobs)


def available_workers() -> int:
    """Cores that this process may use."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
