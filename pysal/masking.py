"""Masked evaluation of a batch for methods and metrics: counts the passes, refuses bad numbers.

Images and baselines are brought to the engine's device once; masks and mask gradients live there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, take, to_host
from pysal.classifier import Classifier
from pysal.compose import OnPath
from pysal.finite import check_finite
from pysal.types import Array, Noise, Passes, Target


class MaskedScore:
    """Scores, and path gradients, of images under keep masks.

    Parameters
    ----------
    clf : Classifier
    batch, baseline : array of shape (N, C, H, W), float32
        Where a mask is 1 the image shows, where it is 0 the baseline; on the host or the device.
    target : Target of length N
    first : int
        Number of the first image in the caller's batch, for the errors.
    images : ndarray of shape (N,), optional
        Number of every image instead, where they do not follow each other.

    Attributes
    ----------
    passes : Passes
        What was evaluated so far.
    """

    def __init__(
        self,
        clf: Classifier,
        batch: AnyArray,
        baseline: AnyArray,
        target: Target,
        first: int = 0,
        images: NDArray[np.intp] | None = None,
    ) -> None:
        self._clf, self._target = clf, target
        self._images = first + np.arange(len(batch)) if images is None else images
        self._batch, self._baseline = clf.to_device(batch), clf.to_device(baseline)
        self.passes = Passes()

    def to_device(self, array: NDArray[Any]) -> AnyArray:
        """Bring a host array, for instance the first mask, to where the network runs."""
        return self._clf.to_device(array)

    def score(self, masks: AnyArray, rows: NDArray[np.intp] | None = None) -> Array:
        """Scores under masks (n, M, h, w) of the images `rows` (default: all), (n, M), on the host.

        Raises
        ------
        CapabilityError
            If a score is NaN or infinite.

        Notes
        -----
        Cost: n * M forward.
        """
        rows = np.arange(len(self._batch)) if rows is None else rows
        batch, baseline = take(self._batch, rows), take(self._baseline, rows)
        out = to_host(self._clf.score_masked(batch, baseline, masks, self._target[rows]))
        self.passes += Passes(out.size, 0)
        check_finite(out, self._images[rows], "score under a mask")
        return out

    def path_score(
        self,
        masks: AnyArray,
        rows: NDArray[np.intp],
        *,
        nodes: Array,
        noise: Noise | None = None,
    ) -> Array:
        """Scores at the nodes of the paths to masks (n, h, w) of the images `rows`, (n, S).

        The same composed images as those of `path_grad`; on the host.

        Raises
        ------
        CapabilityError
            If a score is NaN or infinite.

        Notes
        -----
        Cost: n * S forward.
        """
        if noise is not None:
            noise = Noise(noise.std, noise.seed[rows], noise.step)
        points = OnPath(take(self._batch, rows), take(self._baseline, rows), masks, nodes, noise)
        target = self._target[rows]
        out = to_host(self._clf.score_composed(points, len(rows), len(nodes), target))
        self.passes += Passes(out.size, 0)
        check_finite(out, self._images[rows], "score on the path")
        return out

    def value_and_grad(
        self, masks: AnyArray, noise: Noise | None = None
    ) -> tuple[AnyArray, AnyArray]:
        """Scores (N,) under one mask per image, (N, h, w), and their gradients there.

        Raises
        ------
        CapabilityError
            If a score or gradient is NaN or infinite, or the engine has no gradient.

        Notes
        -----
        Cost: N forward, N backward.
        """
        values, grad = self._path(masks, np.ones(1, np.float32), np.ones(1, np.float32), noise)
        return values[:, 0], grad

    def path_grad(
        self, masks: AnyArray, *, nodes: Array, weights: Array, noise: Noise | None = None
    ) -> AnyArray:
        """Integrated mask gradient of shape (N, h, w); see `Classifier.path_grad`.

        Raises
        ------
        CapabilityError
            If a score or gradient is NaN or infinite, or the engine has no gradient.

        Notes
        -----
        Cost: N * S forward, N * S backward.
        """
        return self._path(masks, nodes, weights, noise)[1]

    def _path(
        self, masks: AnyArray, nodes: Array, weights: Array, noise: Noise | None
    ) -> tuple[AnyArray, AnyArray]:
        """Values at all nodes, (N, S), and the integrated gradient; counted and checked."""
        values, grad = self._clf.path_grad(
            self._batch,
            self._baseline,
            masks,
            self._target,
            nodes=nodes,
            weights=weights,
            noise=noise,
        )
        count = len(masks) * len(nodes)
        self.passes += Passes(count, count)
        check_finite(values, self._images, "score on the path")
        check_finite(grad, self._images, "mask gradient")
        return values, grad
