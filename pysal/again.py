"""Explaining again, for metrics that ask how maps change when something else does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pysal.classifier import Classifier
from pysal.counted import CountedClassifier
from pysal.errors import OptionError, ShapeError
from pysal.types import Array, Passes, Target

Explain = Callable[..., Array]
"""(classifier, batch, target, **options) -> maps (N, h, w)."""


class Again:
    """A function that makes maps, with its results checked and its passes counted.

    Parameters
    ----------
    explain : callable
        explain(classifier, batch (N, C, H, W), target, **options) -> maps (N, h, w).
    owner : str
        Who asks: errors start with it.

    Attributes
    ----------
    passes : Passes
        What all explanations took, of whichever classifier.
    """

    def __init__(self, explain: Explain, owner: str) -> None:
        self._explain, self._owner = explain, owner
        self.passes = Passes()

    def __call__(self, clf: Classifier, batch: Array, target: Target, **options: Any) -> Array:
        """Maps (N, h, w), float32.

        Raises
        ------
        OptionError
            If the function does not take the options.
        ShapeError
            If there is not one map per image.
        """
        self._check_options(options)
        counted = CountedClassifier(clf)
        maps = np.asarray(self._explain(counted, batch, target, **options), np.float32)
        self.passes += counted.passes
        if maps.ndim != 3 or len(maps) != len(batch) or 0 in maps.shape[1:]:
            raise ShapeError(
                f"{self._owner}: explain gives maps of shape {maps.shape}; expected (N, h, w), one "
                f"per image, N = {len(batch)}"
            )
        return maps

    def _check_options(self, options: Mapping[str, Any]) -> None:
        """Refuse options that a function of the caller's cannot be called with."""
        try:
            inspect.signature(self._explain).bind(None, None, None, **options)
        except TypeError as error:
            raise OptionError(
                f"{self._owner}: explain cannot be called with {', '.join(options) or 'no options'}"
                f" ({error}); expected explain(classifier, batch, target, **options)"
            ) from error


def check_maps(maps: Any, num_images: int) -> Array:
    """Maps as float32 (N, h, w).

    Raises
    ------
    ShapeError
        If there is not one map per image.
    """
    values = np.asarray(maps, np.float32)
    if values.ndim != 3 or len(values) != num_images or 0 in values.shape[1:]:
        raise ShapeError(
            f"maps have shape {values.shape}; expected (N, h, w), one per image, N = {num_images}"
        )
    return values
