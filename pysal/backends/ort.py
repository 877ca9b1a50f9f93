"""ONNX Runtime on the CPU.

Every image is one run of batch 1 on one thread, and the threads take images in turn. On two cores
that is as fast as one batched run or faster (nodes that ONNX Runtime does not split scale too, and
activations stay in the caches), memory is set by the number of threads and not by N, and the
numbers of an image do not depend on its neighbours. Single images use all threads inside the run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from pysal import kernels
from pysal.backends.ort_model import Built, open_files
from pysal.backends.ort_session import Session, Workers, available_threads
from pysal.backends.record import find_labels, find_preprocess
from pysal.classifier import Classifier
from pysal.prepared import INPUT, LOGITS, SEED, SEED_PROBABILITY, gradient_name
from pysal.preprocess import Preprocess
from pysal.types import Array, ModelInfo, Noise, ScoreKind, Target

PARTIAL_BYTES = 2**26
"""Per-node mask gradients are kept for as many images at a time as fit in this."""


class OrtClassifier(Classifier):
    """An ONNX classifier, with gradients, on ONNX Runtime's CPU provider.

    Parameters
    ----------
    path : path-like
        An ONNX classifier, or a gradient model written by `pysal export`.
    threads : int, optional
        Default: the cores that the process may use.
    preprocess, labels
        As for `open_classifier`.
    input_shape : tuple of int, optional
        (C, H, W), for files that leave the image size open.

    Notes
    -----
    Safe to share between threads. Sessions are built on first use and kept.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        preprocess: Preprocess | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        labels: Sequence[str] | str | os.PathLike[str] | None = None,
        input_shape: tuple[int, int, int] | None = None,
    ) -> None:
        self._files = open_files(path, input_shape)
        self._threads = threads or available_threads()
        self._workers = Workers(self._threads)
        self._sessions: dict[tuple[Any, ...], Session] = {}
        self._lock = threading.Lock()
        facts, metadata = self._files.facts, self._files.metadata
        shape = tuple(facts["input_shape"])
        self._input = facts["input"]
        self.preprocess = find_preprocess(preprocess, metadata, Path(path), shape)
        self.info = ModelInfo(
            name=facts["name"],
            input_shape=shape,
            num_classes=facts["num_classes"],
            sha256=facts["sha256"],
            output_kind=facts["output_kind"],
            layers=tuple(facts["layers"]),
            engine=f"ort (CPU, {self._threads} thread{'s' * (self._threads > 1)})",
            versions={"onnxruntime": ort.__version__},
            opset=facts["opset"],
            labels=find_labels(labels, metadata, facts["num_classes"]),
        )

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

    def value_and_grad(
        self, batch: Array, target: Target, *, wrt: str = INPUT, rules: str = "gradient"
    ) -> tuple[Array, Array]:
        """Score of the target and its gradient at `wrt`; see `Classifier`."""
        batch = self.check_batch(batch)
        target = self.check_target(target, len(batch))
        session = self._gradient(rules, wrt, len(batch))
        name = gradient_name(wrt)
        value = np.empty(len(batch), np.float32)
        grad = np.empty((len(batch), *session.buffers()[name].shape[1:]), np.float32)

        def work(row: int) -> None:
            buffers = session.buffers()
            np.copyto(buffers[self._input][0], batch[row])
            value[row] = self._run_gradient(session, int(target.index[row]), target.kind)
            grad[row] = buffers[name][0]

        self._workers.each(len(batch), work)
        return value, grad

    def score_masked(
        self,
        batch: Array,
        baseline: Array,
        masks: Array,
        target: Target,
        *,
        noise: Noise | None = None,
    ) -> Array:
        """Score of the target on composed images; each is composed on the thread that runs it."""
        target = self.check_target(target, len(batch))
        n, m = masks.shape[:2]
        session = self._forward((), n * m)
        out = np.empty((n, m), np.float32)

        def work(row: int) -> None:
            i, j = divmod(row, m)
            buffers = session.buffers()
            self._compose(buffers, batch, baseline, masks[i : i + 1, j : j + 1], i, j, noise)
            session.run()
            out[i, j] = self._in_kind(buffers[LOGITS], target.kind)[0, target.index[i]]

        self._workers.each(n * m, work)
        return out

    def path_grad(
        self,
        batch: Array,
        baseline: Array,
        masks: Array,
        target: Target,
        *,
        nodes: Array,
        weights: Array,
        noise: Noise | None = None,
    ) -> tuple[Array, Array]:
        """Weighted mean of mask gradients; compose, run and reduce happen node by node."""
        target = self.check_target(target, len(batch))
        steps, size = len(nodes), masks.shape[1:]
        nodes = np.asarray(nodes, np.float32)
        factors = nodes * np.asarray(weights, np.float32)
        session = self._gradient("gradient", INPUT, len(batch) * steps)
        values = np.empty((len(batch), steps), np.float32)
        grad = np.empty(masks.shape, np.float32)
        group = max(1, PARTIAL_BYTES // (4 * steps * size[0] * size[1]))
        for first in range(0, len(batch), group):
            rows = range(first, min(first + group, len(batch)))
            partial = np.empty((len(rows), steps, *size), np.float32)

            def work(row: int, rows: range = rows, partial: Array = partial) -> None:
                i, s = rows[row // steps], row % steps
                mask = masks[i : i + 1, None]
                buffers = session.buffers()
                self._compose(buffers, batch, baseline, mask, i, s, noise, nodes[s : s + 1])
                values[i, s] = self._run_gradient(session, int(target.index[i]), target.kind)
                partial[row // steps, s] = kernels.path_accumulate(
                    buffers[gradient_name(INPUT)][None],
                    batch[i : i + 1],
                    baseline[i : i + 1],
                    factors[s : s + 1],
                    size,
                    threads=1,
                )[0]

            self._workers.each(len(rows) * steps, work)
            grad[rows.start : rows.stop] = partial.sum(axis=1)
        return values, grad

    def close(self) -> None:
        """Stop the worker threads and drop the sessions."""
        self._workers.close()
        self._sessions.clear()

    def _compose(
        self,
        buffers: Mapping[str, Array],
        batch: Array,
        baseline: Array,
        mask: Array,
        image: int,
        node: int,
        noise: Noise | None,
        nodes: Array | None = None,
    ) -> None:
        """Write one composed image into this thread's input buffer."""
        one = slice(image, image + 1)
        kernels.blend(
            batch[one],
            baseline[one],
            mask,
            nodes=nodes,
            first_node=node,
            noise=noise and Noise(noise.std, noise.seed[one], noise.step),
            out=buffers[self._input][None],
            threads=1,
        )

    def _run_gradient(self, session: Session, index: int, kind: ScoreKind) -> np.float32:
        """Run with the one-hot seed of a class; return its score."""
        buffers = session.buffers()
        seed = buffers[SEED if kind == "logit" else SEED_PROBABILITY]
        seed[0, index] = 1.0
        try:
            session.run()
        finally:
            seed[0, index] = 0.0
        score: np.float32 = self._in_kind(buffers[LOGITS], kind)[0, index]
        return score

    def _in_kind(self, logits: Array, kind: ScoreKind) -> Array:
        """Logits in a score space: softmax, or sigmoid for multi-label models."""
        if kind == "logit":
            return logits.copy()
        if self.info.output_kind == "sigmoid":
            return (0.5 * (1.0 + np.tanh(0.5 * logits))).astype(np.float32)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)

    def _forward(self, taps: tuple[str, ...], rows: int) -> Session:
        return self._session(("forward", taps), rows)

    def _gradient(self, rules: str, wrt: str, rows: int) -> Session:
        return self._session(("gradient", rules, wrt), rows)

    def _session(self, key: tuple[Any, ...], rows: int) -> Session:
        """Session for a graph: one thread per image, or all threads for a single image."""
        threads = self._threads if rows < self._threads else 1
        with self._lock:
            if (*key, threads) not in self._sessions:
                what, *arguments = key
                built: Built = getattr(self._files, what)(*arguments)
                model, shapes, outputs = built
                self._sessions[(*key, threads)] = Session(
                    model, threads=threads, shapes=shapes, outputs=outputs
                )
            return self._sessions[(*key, threads)]
