"""Changed networks on ONNX Runtime: what its engines have in common."""

from __future__ import annotations

import copy
import dataclasses
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from pysal.backends.ort_model import ModelFiles
from pysal.backends.ort_session import Session, Workers
from pysal.backends.scores import in_kind
from pysal.classifier import Classifier
from pysal.prepared import LOGITS, multiplier_name
from pysal.redraw import How
from pysal.surgery import check_channels
from pysal.types import Array, ScoreKind

Self = TypeVar("Self", bound="OrtSurgery")


class OrtSurgery(Classifier):
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
        other.info = dataclasses.replace(self.info, name=name, sha256="")
        other._start()
        return other

    @abstractmethod
    def _start(self) -> None:
        """Begin without sessions."""


class OrtSurgeryOnCpu(OrtSurgery):
    """The same for the engine that runs image by image on worker threads."""

    _input: str
    _threads: int

    def _start(self) -> None:
        self._workers = Workers(self._threads)
        self._sessions: dict[tuple[Any, ...], Session] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def _session(self, key: tuple[Any, ...], rows: int) -> Session:
        """Session for a graph of `ModelFiles`."""

    def score_scaled(
        self, batch: Array, factors: Mapping[str, Array], kind: ScoreKind = "probability"
    ) -> Array:
        """Scores of every class with channels multiplied; see `Surgery`."""
        batch = self.check_batch(batch)
        found = self.check_factors(factors, len(batch))
        session = self._session(("scaled", tuple(found)), len(batch))
        sample = session.buffers()
        for layer, rows in found.items():
            check_channels(layer, rows.shape[1], sample[multiplier_name(layer)].shape[1])
        logits = np.empty((len(batch), self.info.num_classes), np.float32)

        def work(row: int) -> None:
            buffers = session.buffers()
            np.copyto(buffers[self._input][0], batch[row])
            for layer, rows in found.items():
                buffers[multiplier_name(layer)].reshape(-1)[:] = rows[row]
            session.run()
            logits[row] = buffers[LOGITS][0]

        self._workers.each(len(batch), work)
        return in_kind(logits, kind, self.info.output_kind)
