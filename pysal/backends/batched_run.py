"""A computation on static buffers, and the targets that its rows are set to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, empty_like, to_like
from pysal.backends.scores import in_kind
from pysal.prepared import INPUT, LOGITS, SEED, SEED_PROBABILITY
from pysal.types import ScoreKind


class Run(Protocol):
    """A network of a fixed number of rows, from static input buffers to outputs.

    Attributes
    ----------
    rows : int
        R; every call computes all of them.
    inputs : mapping of str to array
        Buffers to write to, of one kind and on one device: the image `prepared.INPUT`,
        (R, C, H, W), C-contiguous on a CPU; for gradients the cotangents `prepared.SEED` and
        `prepared.SEED_PROBABILITY`, (R, K).
    outputs : mapping of str to array
        There from the start, with the numbers of the last call, which the next one may overwrite:
        `prepared.LOGITS`, (R, K), and taps or the gradient, all float32.
    """

    rows: int

    @property
    def inputs(self) -> Mapping[str, AnyArray]:
        """See the class."""

    @property
    def outputs(self) -> Mapping[str, AnyArray]:
        """See the class."""

    def __call__(self) -> None:
        """Enqueue the computation on the current stream."""


class TargetedRun:
    """A run whose rows look at one class each.

    Parameters
    ----------
    run : Run
    output_kind : str
        As in `ModelInfo`.

    Attributes
    ----------
    run : Run
    image : array of shape (R, C, H, W)
        Buffer of the images.
    """

    def __init__(self, run: Run, output_kind: str) -> None:
        self.run, self._output_kind = run, output_kind
        self.image = image = run.inputs[INPUT]
        self._row = to_like(np.arange(run.rows), image)
        self._index = to_like(np.zeros(run.rows, np.int64), image)
        self._one = empty_like(image, (run.rows,))
        self._one[...] = 1.0
        self._set: tuple[str, bytes] | None = None

    def __call__(
        self, index: NDArray[np.int64] | None, kind: ScoreKind, rows: int | None = None
    ) -> AnyArray:
        """Compute, and return scores of the first rows: those of `index`, (n,), or all, (n, K)."""
        if index is not None:
            self._aim(index, kind)
            rows = len(index)
        self.run()
        scores = in_kind(self.run.outputs[LOGITS][:rows], kind, self._output_kind)
        return scores if index is None else scores[self._row[:rows], self._index[:rows]]

    def _aim(self, index: NDArray[np.int64], kind: ScoreKind) -> None:
        """Set the classes and cotangents of the first rows, unless they are set so already."""
        wanted = kind, index.tobytes()
        if wanted == self._set:
            return
        self._set = None  # until all buffers are written
        rows, inputs = len(index), self.run.inputs
        self._index[:rows] = to_like(index, self.image)
        if SEED in inputs:
            inputs[SEED][...] = 0.0
            inputs[SEED_PROBABILITY][...] = 0.0
            seed = inputs[SEED if kind == "logit" else SEED_PROBABILITY]
            # The ones come from the device too: a number would be copied there, and waited for.
            seed[self._row[:rows], self._index[:rows]] = self._one[:rows]
        self._set = wanted
