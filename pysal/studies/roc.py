"""Area under the ROC curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.similarity.ranks import average_ranks

Float = NDArray[np.float64]


def roc_auc(scores: Float, members: NDArray[np.bool_]) -> Float:
    """How often a member scores higher than an image that is none, ties counting half.

    Parameters
    ----------
    scores : ndarray of shape (..., K, N)
    members : ndarray of shape (K, N), bool

    Returns
    -------
    ndarray of shape (..., K), float64
        NaN where all images are members, or none.

    Notes
    -----
    Mann-Whitney: (sum of the members' ranks - P (P + 1) / 2) / (P (N - P)).
    """
    positive = members.sum(axis=-1)
    pairs = positive * (members.shape[-1] - positive)
    above = (average_ranks(scores) * members).sum(axis=-1) - positive * (positive + 1) / 2
    found: Float = np.where(pairs > 0, above / np.maximum(pairs, 1), np.nan)
    return found
