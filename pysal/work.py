"""A method at work on a batch: inputs checked, passes counted, bad numbers refused, time taken."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, take, to_host
from pysal.classifier import Classifier
from pysal.compose import Composer
from pysal.finite import check_finite
from pysal.heatmap import upsample
from pysal.prepared import INPUT
from pysal.types import Array, Attribution, Passes, ScoreKind, Target

SWEEP = 16
"""Points of a path whose gradients are held at once; changes no result."""


class Work:
    """What every method does besides its formula.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    method : str

    Attributes
    ----------
    batch : ndarray of shape (N, C, H, W), float32
        Checked.
    x : array of shape (N, C, H, W)
        The same images where the engine computes.
    target : Target of length N
    passes : Passes
        What was evaluated so far; methods that ask the network past this object add theirs.
    """

    def __init__(self, clf: Classifier, batch: Array, target: Target, method: str) -> None:
        self._begin = time.perf_counter()
        self.clf, self._method = clf, method
        self.batch = clf.check_batch(batch)
        self.target = clf.check_target(target, len(self.batch))
        self.x = clf.to_device(self.batch)
        self.passes = Passes()
        self._score: Array | None = None

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the images."""
        return self.batch.shape[2], self.batch.shape[3]

    def score(self) -> Array:
        """Score of the target on the images themselves, (N,); warns where it is tiny.

        Warns
        -----
        UserWarning
            If a target's probability is below 0.01.

        Notes
        -----
        Cost: N forward at the first call; then it is known.
        """
        if self._score is None:
            scores = self.clf.score(self.batch, self.target.kind)
            self.passes += Passes(len(self.batch), 0)
            score = scores[np.arange(len(self.batch)), self.target.index]
            self._known(score)
            self._warn_low(score, scores)
        assert self._score is not None
        return self._score

    def value_and_grad(
        self,
        x: AnyArray,
        images: NDArray[np.intp] | None = None,
        *,
        kind: ScoreKind | None = None,
        wrt: str = INPUT,
        rules: str = "gradient",
    ) -> tuple[AnyArray, AnyArray]:
        """Score and gradient at inputs x (n, C, H, W) that belong to the images `images` (n,).

        Raises
        ------
        CapabilityError
            If one is NaN or infinite.

        Notes
        -----
        Cost: n forward, n backward.
        """
        images, target = self._of(images, kind)
        value, grad = self.clf.value_and_grad(x, target, wrt=wrt, rules=rules)
        self.passes += Passes(len(images), len(images))
        check_finite(value, images, "score")
        check_finite(grad, images, "gradient")
        if x is self.x and target.kind == self.target.kind:
            self._known(to_host(value))
        return value, grad

    def score_at(
        self,
        x: AnyArray,
        images: NDArray[np.intp] | None = None,
        *,
        kind: ScoreKind | None = None,
    ) -> Array:
        """Score at inputs x (n, C, H, W) that belong to the images `images`, (n,), on the host.

        Raises
        ------
        CapabilityError
            If one is NaN or infinite.

        Notes
        -----
        Cost: n forward.
        """
        images, target = self._of(images, kind)
        scores = to_host(self.clf.score(x, target.kind))
        self.passes += Passes(len(images), 0)
        score: Array = scores[np.arange(len(images)), target.index]
        check_finite(score, images, "score")
        return score

    def layer_grad(
        self, layer: str, *, kind: ScoreKind | None = None
    ) -> tuple[Array, Array, Array]:
        """Score (N,), activation of a layer, and the gradient there, both (N, ...), on the host.

        Notes
        -----
        Cost: as `Classifier.layer_grad`, N forward and N backward where the engine can.
        """
        images, target = self._of(None, kind)
        (value, activation, grad), cost = self.clf.layer_grad(self.batch, target, layer)
        self.passes += cost
        check_finite(grad, images, f"gradient at {layer}")
        check_finite(activation, images, f"activation of {layer}")
        if target.kind == self.target.kind:
            self._known(value)
        return value, activation, grad

    def activations(self, layers: Sequence[str], x: Array | None = None) -> Mapping[str, Array]:
        """Activations of layers on the images, or on x. Cost: one forward each."""
        x = self.batch if x is None else x
        found = self.clf.activations(x, layers)
        self.passes += Passes(len(x), 0)
        return found

    def backward(
        self,
        layer: str,
        signal: Array,
        images: NDArray[np.intp] | None = None,
        *,
        wrt: str = INPUT,
        rules: str = "gradient",
    ) -> Array:
        """What a signal at a layer becomes at `wrt` under a rule table.

        Parameters
        ----------
        signal : ndarray of shape (n, ...)
        images : ndarray of shape (n,), optional
            Image that each signal belongs to; default: all, in order.

        Notes
        -----
        Cost: n forward, n backward.
        """
        images = np.arange(len(self.batch)) if images is None else images
        batch = take(self.batch, images)
        back = self.clf.backward(batch, layer, signal, wrt=wrt, rules=rules)
        self.passes += Passes(len(images), len(images))
        check_finite(back, images, "signal")
        return back

    def score_composed(self, compose: Composer, count: int) -> Array:
        """Score of the target on `count` perturbed versions of every image, (N, count).

        Notes
        -----
        Cost: N * count forward; memory is set by the engine's batch and not by `count`.
        """
        scores = self.clf.score_composed(compose, len(self.batch), count, self.target)
        self.passes += Passes(scores.size, 0)
        check_finite(scores, np.arange(len(self.batch)), "score of a perturbed version")
        return scores

    def sweep(
        self, points: Callable[[int, int, int], AnyArray], count: int
    ) -> Iterator[tuple[int, int, AnyArray, AnyArray]]:
        """Scores and gradients at `count` points of every image, some at a time, in order.

        Parameters
        ----------
        points : callable
            points(image, first, number) gives inputs (number, C, H, W), where the engine computes.
        count : int

        Yields
        ------
        image, first : int
        values : array of shape (number,)
        grads : array of shape (number, C, H, W)

        Notes
        -----
        Cost: N * count forward, N * count backward.
        """
        for image in range(len(self.batch)):
            for first in range(0, count, SWEEP):
                x = points(image, first, min(SWEEP, count - first))
                yield image, first, *self.value_and_grad(x, np.full(len(x), image))

    def finish(
        self,
        native: Array,
        options: Mapping[str, Any],
        *,
        map: Array | None = None,
        trace: Mapping[str, NDArray[Any]] | None = None,
    ) -> Attribution:
        """The result: `map` is `native` upsampled with aligned corners where it is not given."""
        native = np.ascontiguousarray(native, np.float32)
        check_finite(native, np.arange(len(self.batch)), "map")
        if map is None:
            empty = np.empty((0, *self.size), np.float32)
            map = upsample(native, self.size) if len(native) else empty
        return Attribution(
            map=np.ascontiguousarray(map, np.float32),
            native=native,
            target=self.target,
            score=self.score(),
            method=self._method,
            options=dict(options),
            passes=self.passes,
            seconds=time.perf_counter() - self._begin,
            trace=dict(trace or {}),
            model=self.clf.info,
        )

    def _of(
        self, images: NDArray[np.intp] | None, kind: ScoreKind | None
    ) -> tuple[NDArray[np.intp], Target]:
        """Image numbers, and their targets in a score space."""
        images = np.arange(len(self.batch)) if images is None else images
        return images, Target(self.target.index[images], kind or self.target.kind)

    def _known(self, score: Array) -> None:
        """Keep the score of the images, which a gradient brings along."""
        if self._score is None:
            check_finite(score, np.arange(len(self.batch)), "score")
            self._score = np.asarray(score, np.float32)

    def _warn_low(self, score: Array, scores: Array) -> None:
        """Say which targets the model does not see."""
        low = score < 0.01
        if self.target.kind == "logit" and self.clf.info.output_kind == "sigmoid":
            low = score < np.log(0.01 / 0.99)
        elif self.target.kind == "logit":
            low = score < np.log(0.01) + np.logaddexp.reduce(scores, axis=1)
        if low.any():
            shown = ", ".join(map(str, np.flatnonzero(low)[:5]))
            warnings.warn(
                f"{low.sum()} of {len(low)} images (number {shown}) have a target probability "
                "below 0.01; their maps are not meaningful: choose a class that the model sees "
                "there",
                stacklevel=4,
            )
