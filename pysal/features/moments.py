"""Least-squares problems that share their matrix, filled row by row from a stream."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCK = 256
"""Rows that are summed up together, whatever the batches they come in."""


@dataclasses.dataclass(frozen=True)
class LeastSquares:
    """Problems `|| X w_k - l_k ||^2` for k = 1 ... K, with X of shape (N, m).

    Attributes
    ----------
    correlation : ndarray of shape (K, m)
        l_k^T X.
    squared : ndarray of shape (K,)
        || l_k ||^2.
    matrix : ndarray of shape (N, m) or (m, m)
        X, column by column in memory, or X^T X where that is smaller.
    is_gram : bool
        Which of the two.
    """

    correlation: Floats
    squared: Floats
    matrix: Floats
    is_gram: bool

    def product(self, weights: Floats) -> Floats:
        """Rows w (k, m) times X^T X; features of weight 0 cost nothing."""
        used = np.flatnonzero(weights.any(axis=0))
        if self.is_gram:
            return weights[:, used] @ self.matrix[used]
        return (self.matrix[:, used] @ weights[:, used].T).T @ self.matrix

    def column(self, features: NDArray[np.intp], feature: int) -> Floats:
        """Inner products of one column of X with some of them, (k,)."""
        if self.is_gram:
            return self.matrix[features, feature]
        return self.matrix[:, features].T @ self.matrix[:, feature]


class Rows:
    """Collects rows of X with their labels.

    Parameters
    ----------
    num_features, num_problems : int
        m and K.

    Notes
    -----
    Holds X in float32 while N <= m; beyond that X^T X in float64, so memory stops growing at
    4 m^2 bytes and then is 8 m^2. `finish` takes float64 for either.
    """

    def __init__(self, num_features: int, num_problems: int) -> None:
        self._correlation = np.zeros((num_problems, num_features))
        self._squared = np.zeros(num_problems)
        self._open: list[tuple[NDArray[np.float32], Floats]] = []
        self._kept: list[NDArray[np.float32]] = []
        self._gram: Floats | None = None
        self._num_kept = 0

    def add(self, rows: NDArray[np.floating], labels: NDArray[np.floating]) -> None:
        """Add rows (n, m) with labels (n, K)."""
        for row, label in zip(rows, labels, strict=True):
            self._open.append((row.astype(np.float32), label.astype(np.float64)))
            if len(self._open) == BLOCK:
                self._flush()

    def finish(self) -> LeastSquares:
        """The problems; no row can be added after that."""
        self._flush()
        if self._gram is not None:
            return LeastSquares(self._correlation, self._squared, self._gram, True)
        width = self._correlation.shape[1]
        rows = np.concatenate([np.empty((0, width), np.float32), *self._kept])
        self._kept = []
        matrix = np.asfortranarray(rows, np.float64)
        return LeastSquares(self._correlation, self._squared, matrix, False)

    def _flush(self) -> None:
        """Sum up the rows of one block."""
        if not self._open:
            return
        rows = np.stack([row for row, _ in self._open])
        labels = np.stack([label for _, label in self._open])
        self._open = []
        self._correlation += labels.T @ rows.astype(np.float64)
        self._squared += np.square(labels).sum(axis=0)
        self._num_kept += len(rows)
        if self._gram is not None:
            _add_gram(self._gram, rows)
            return
        self._kept.append(rows)
        if self._num_kept > rows.shape[1]:
            self._gram = np.zeros((rows.shape[1], rows.shape[1]))
            for part in self._kept:
                _add_gram(self._gram, part)
            self._kept = []


def _add_gram(gram: Floats, rows: NDArray[np.float32]) -> None:
    """Add X^T X of some rows, in float64."""
    exact = rows.astype(np.float64)
    gram += exact.T @ exact
