"""Masked evaluation of a batch for methods and metrics: counts the passes, refuses bad numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.classifier import Classifier
from pysal.errors import CapabilityError
from pysal.types import Array, Noise, Passes, Target


class MaskedScore:
    """Scores, and path gradients, of images under keep masks.

    Parameters
    ----------
    clf : Classifier
    batch, baseline : ndarray of shape (N, C, H, W), float32
        Where a mask is 1 the image shows, where it is 0 the baseline.
    target : Target of length N
    first : int
        Number of the first image in the caller's batch, for the errors.

    Attributes
    ----------
    passes : Passes
        What was evaluated so far.
    """

    def __init__(
        self, clf: Classifier, batch: Array, baseline: Array, target: Target, first: int = 0
    ) -> None:
        self._clf, self._batch, self._baseline = clf, batch, baseline
        self._target, self._first = target, first
        self.passes = Passes()

    def score(self, masks: Array, rows: NDArray[np.intp] | None = None) -> Array:
        """Scores under masks (n, M, h, w) of the images `rows` (default: all), (n, M).

        Raises
        ------
        CapabilityError
            If a score is NaN or infinite.

        Notes
        -----
        Cost: n * M forward.
        """
        rows = np.arange(len(self._batch)) if rows is None else rows
        # All the images in order need no copy.
        part = slice(None) if len(rows) == len(self._batch) else rows
        out = self._clf.score_masked(
            self._batch[part], self._baseline[part], masks, self._target[part]
        )
        self.passes += Passes(out.size, 0)
        self._check(out, rows, "score")
        return out

    def path_grad(
        self, masks: Array, *, nodes: Array, weights: Array, noise: Noise | None = None
    ) -> Array:
        """Integrated mask gradient of shape (N, h, w); see `Classifier.path_grad`.

        Raises
        ------
        CapabilityError
            If a score or gradient is NaN or infinite, or the engine has no gradient.

        Notes
        -----
        Cost: N * S forward, N * S backward.
        """
        values, grad = self._clf.path_grad(
            self._batch,
            self._baseline,
            masks,
            self._target,
            nodes=nodes,
            weights=weights,
            noise=noise,
        )
        self.passes += Passes(values.size, values.size)
        rows = np.arange(len(masks))
        self._check(values, rows, "score on the path")
        self._check(grad, rows, "gradient")
        return grad

    def _check(self, values: Array, rows: NDArray[np.intp], what: str) -> None:
        """Refuse values of which one is not finite; axis 0 follows `rows`."""
        finite = np.isfinite(values)
        if finite.all():
            return
        image = self._first + rows[~finite.reshape(len(rows), -1).all(axis=1)][0]
        raise CapabilityError(
            f"the {what} of image {image} is NaN or infinite under a mask; expected finite "
            "numbers: check the preprocessing record and the precision of the engine"
        )
