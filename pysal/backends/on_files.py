"""Classifiers over model files: what engines that take ONNX files have in common."""

from __future__ import annotations

import copy
import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from pysal.backends.files import ModelFiles
from pysal.classifier import Classifier
from pysal.redraw import How

Self = TypeVar("Self", bound="OnFiles")


class OnFiles(Classifier):
    """Other weights behind a classifier that is open already."""

    _files: ModelFiles

    def weighted_layers(self) -> tuple[str, ...]:
        """Names of the layers that have weights, in order; see `Surgery`."""
        return self._files.weighted_layers()

    def randomized(
        self: Self, layers: Sequence[str], *, seed: int = 0, how: How = "normal"
    ) -> Self:
        """A classifier with the weights of some layers drawn anew; see `Surgery`."""
        self.check_redraw(layers, how)
        other = copy.copy(self)
        other._files = self._files.randomized(tuple(layers), seed, how)
        name = other._files.facts["name"]
        other.info = dataclasses.replace(self.info, name=name, sha256="", precision_check={})
        other._start()
        return other

    @abstractmethod
    def _start(self) -> None:
        """Begin without sessions."""
