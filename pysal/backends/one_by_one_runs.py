"""Engines that run one image at a time, on worker threads: sessions, scores and activations.

Every image is one run of batch 1 on one thread, and the threads take images in turn. On two cores
that is as fast as one batched run or faster (nodes that an engine does not split scale too, and
activations stay in the caches), memory is set by the number of threads and not by N, and the
numbers of an image do not depend on its neighbours. Single images use all threads inside the run.
"""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pysal.backends.files import Built, ModelFiles, model_info
from pysal.backends.on_files import OnFiles
from pysal.backends.record import find_preprocess
from pysal.backends.scores import in_kind
from pysal.backends.threads import Workers
from pysal.prepared import INPUT, LOGITS, multiplier_name
from pysal.preprocess import Preprocess
from pysal.surgery import check_channels
from pysal.types import Array, ScoreKind

Buffers = Mapping[str, Array]


class Session(Protocol):
    """A graph that runs one image at a time, from any number of threads."""

    def buffers(self) -> Buffers:
        """Input and output arrays of the calling thread, by name; the same at every call."""

    def run(self) -> None:
        """Compute this thread's outputs from its inputs."""


class OneByOneRuns(OnFiles):
    """What runs image by image: sessions, scores, activations.

    Parameters
    ----------
    files : ModelFiles
    path : Path
        Where the .json of the preprocessing may be beside.
    engine, detail : str
        Name of the engine and what else there is to say, for `ModelInfo.engine`.
    versions : mapping of str to str
    threads : int
    preprocess, labels
        As for `open_classifier`.
    """

    def __init__(
        self,
        files: ModelFiles,
        path: Path,
        *,
        engine: str,
        detail: str = "",
        versions: Mapping[str, str],
        threads: int,
        preprocess: Preprocess | Mapping[str, Any] | str | os.PathLike[str] | None,
        labels: Sequence[str] | str | os.PathLike[str] | None,
    ) -> None:
        self._files, self._threads = files, threads
        self._start()
        self._input: str = files.facts["input"]
        where = f"{engine} (CPU, {threads} thread{'s' * (threads > 1)}{detail})"
        self.info = model_info(files, where, versions, labels)
        self.preprocess = find_preprocess(preprocess, files.metadata, path, self.info.input_shape)

    @abstractmethod
    def _open(self, built: Built, threads: int) -> Session:
        """A session for a graph, with this many threads inside one run.

        With one, up to `self._threads` threads run it at the same time.
        """

    def _start(self) -> None:
        self._workers = Workers(self._threads)
        self._sessions: dict[tuple[Any, ...], Session] = {}
        self._lock = threading.Lock()

    def prepare(self, needs: Collection[str]) -> None:
        """Build the sessions for batches; see `Classifier`."""
        self._forward((), self._threads)
        if "grad" in needs:
            self._gradient("gradient", INPUT, self._threads)

    def score(self, batch: Array, kind: ScoreKind = "probability") -> Array:
        """Scores of every class: (N, C, H, W) -> (N, K). Cost: N forward."""
        batch = self.check_batch(batch)
        session = self._forward((), len(batch))
        logits = np.empty((len(batch), self.info.num_classes), np.float32)

        def work(row: int) -> None:
            buffers = session.buffers()
            np.copyto(buffers[self._input][0], batch[row])
            session.run()
            logits[row] = buffers[LOGITS][0]

        self._workers.each(len(batch), work)
        return self._in_kind(logits, kind)

    def activations(self, batch: Array, layers: Sequence[str]) -> dict[str, Array]:
        """Activations of named layers, {name: array of N rows}. Cost: N forward."""
        batch = self.check_batch(batch)
        session = self._forward(tuple(layers), len(batch))
        sample = session.buffers()
        found = {
            name: np.empty((len(batch), *sample[name].shape[1:]), np.float32) for name in layers
        }

        def work(row: int) -> None:
            buffers = session.buffers()
            np.copyto(buffers[self._input][0], batch[row])
            session.run()
            for name in layers:
                found[name][row] = buffers[name][0]

        self._workers.each(len(batch), work)
        return found

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
        return self._in_kind(logits, kind)

    def close(self) -> None:
        """Stop the worker threads and drop the sessions."""
        self._workers.close()
        self._sessions.clear()

    def _in_kind(self, logits: Array, kind: ScoreKind) -> Array:
        return in_kind(logits, kind, self.info.output_kind)

    def _forward(self, taps: tuple[str, ...], rows: int) -> Session:
        return self._session(("forward", taps), rows)

    def _gradient(
        self,
        rules: str,
        wrt: str,
        rows: int,
        taps: tuple[str, ...] = (),
        start: str | None = None,
    ) -> Session:
        return self._session(("gradient", rules, wrt, taps, start), rows)

    def _session(self, key: tuple[Any, ...], rows: int) -> Session:
        """Session for a graph: one thread per image, or all threads for a single image."""
        threads = self._threads if rows < self._threads else 1
        with self._lock:
            if (*key, threads) not in self._sessions:
                what, *arguments = key
                built: Built = getattr(self._files, what)(*arguments)
                self._sessions[(*key, threads)] = self._open(built, threads)
            return self._sessions[(*key, threads)]
