"""Logits in a score space, with functions that numpy, torch and CuPy share."""

from __future__ import annotations

from pysal.arrays import AnyArray, namespace
from pysal.types import ScoreKind


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
