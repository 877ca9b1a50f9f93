"""What a comparison of two versions of a model finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.types import Passes

TOP = 5
"""Classes whose agreement is counted besides that of the first."""
Float = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class ModelComparison:
    """How two versions of a model answer and explain the same images.

    Pairs are (first, second): of shape (2, N), the first model in row 0.

    Attributes
    ----------
    models : tuple of str
        Names of the two.
    names : tuple of str
        Of the images.
    target : ndarray of shape (N,), int
        The class that both models explain.
    score : ndarray of shape (2, N), float64
        Probability of the target.
    top : ndarray of shape (2, N), int
        Class with the highest score.
    overlap : ndarray of shape (N,), float64
        Share of the five top classes that both models have, 0 to 1.
    correlation : mapping of str to ndarray of shape (N,), float64
        Method -> rank correlation of the two maps, -1 to 1; NaN where a map is constant.
    insertion, deletion : mapping of str to ndarray of shape (2, N), float64
        Method -> areas for the first model's map and for the second's, **both judged on the second
        model**. Higher is better for insertion, lower for deletion.
    options : mapping
    passes : Passes
        Of both models, and of judging.
    seconds : float
    """

    models: tuple[str, str]
    names: tuple[str, ...]
    target: NDArray[np.int64]
    score: Float
    top: NDArray[np.int64]
    overlap: Float
    correlation: Mapping[str, Float]
    insertion: Mapping[str, Float]
    deletion: Mapping[str, Float]
    options: Mapping[str, Any]
    passes: Passes
    seconds: float

    def __len__(self) -> int:
        return len(self.names)

    def answers(self) -> dict[str, float]:
        """Agreement of the top class and of the five top classes, and change of the score."""
        change = self.score[1] - self.score[0]
        return {
            "top agreement": float((self.top[0] == self.top[1]).mean()),
            f"top {TOP} overlap": float(self.overlap.mean()),
            "score change": float(change.mean()),
            "absolute score change": float(np.abs(change).mean()),
        }

    def summary(self) -> dict[str, dict[str, float]]:
        """Method -> means over the images that count; NaN where there is none.

        "correlation" with its smallest value; "insertion" and "deletion" of both maps, and "loss",
        how much better insertion minus deletion of the second model's own map is than that of the
        first model's map: near 0 where the first model's maps serve as well.
        """
        found = {}
        for method, correlation in self.correlation.items():
            known = correlation[~np.isnan(correlation)]
            insertion, deletion = self.insertion[method], self.deletion[method]
            gain = (insertion - deletion)[1] - (insertion - deletion)[0]
            found[method] = {
                "correlation": float(known.mean()) if len(known) else float("nan"),
                "least correlation": float(known.min()) if len(known) else float("nan"),
                "insertion, first": float(insertion[0].mean()),
                "insertion, second": float(insertion[1].mean()),
                "deletion, first": float(deletion[0].mean()),
                "deletion, second": float(deletion[1].mean()),
                "loss": float(gain.mean()),
                "images": float(len(known)),
            }
        return found
