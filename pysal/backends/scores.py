"""Logits in a score space, with functions that numpy, torch and CuPy share."""

from __future__ import annotations

import numpy as np

from pysal.arrays import AnyArray, namespace
from pysal.types import Array, ScoreKind


def in_kind(logits: AnyArray, kind: ScoreKind, output_kind: str) -> AnyArray:
    """Logits as logits or as probabilities: softmax, or sigmoid for multi-label models.

    Parameters
    ----------
    logits : array of shape (N, K), float32
    kind : {"probability", "logit"}
    output_kind : {"softmax", "sigmoid", "logits"}
        As in `ModelInfo`.

    Returns
    -------
    array of shape (N, K), float32
        For "logit" `logits` itself, not a copy.
    """
    if kind == "logit":
        return logits
    xp = namespace(logits)
    if output_kind == "sigmoid":
        return 0.5 * (1.0 + xp.tanh(0.5 * logits))
    shifted = xp.exp(logits - xp.amax(logits, axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def log_odds_slope(logits: Array, index: int, output_kind: str) -> np.float32:
    """Slope p (1 - p) of a probability against its log-odds, without cancellation near 1.

    Parameters
    ----------
    logits : ndarray of shape (K,), float32
    index : int
    output_kind : {"softmax", "sigmoid", "logits"}
    """
    z = logits.astype(np.float64)
    odds = z[index]
    if output_kind != "sigmoid":
        others = np.delete(z, index)
        top = others.max(initial=-np.inf)
        rest = np.exp(others - top).sum() if len(others) else 0.0
        odds = odds - top - np.log(rest) if rest else np.inf  # one class alone is certain
    return np.float32(np.exp(-np.logaddexp(0.0, odds) - np.logaddexp(0.0, -odds)))
