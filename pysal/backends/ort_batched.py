"""ONNX Runtime in batches of a fixed size: what is the same on every device."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from pysal.arrays import AnyArray
from pysal.backends.batched import BatchedClassifier
from pysal.backends.files import Built, model_info, open_files
from pysal.backends.on_files import OnFiles
from pysal.backends.ort_run import HostMemory, Memory, OrtRun
from pysal.backends.ort_session import read_header
from pysal.backends.record import find_preprocess
from pysal.backends.threads import available_threads
from pysal.preprocess import Preprocess


class OrtBatchedClassifier(BatchedClassifier, OnFiles):
    """An ONNX classifier that runs R images at a time; here on the CPU.

    The base of `OrtCudaClassifier`. On a CPU `OrtClassifier` is faster, with one image per thread.

    Parameters
    ----------
    path, preprocess, labels, input_shape
        As for `OrtClassifier`.
    rows : int
        R, images per run.
    lowering : {"ort", "portable"}
        How the backward pass is written, see `export.build_gradient`; a prepared file has its own.
    threads : int, optional
        Threads of a run on the CPU. Default: the cores that the process may use.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rows: int = 20,
        threads: int | None = None,
        preprocess: Preprocess | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        labels: Sequence[str] | str | os.PathLike[str] | None = None,
        input_shape: tuple[int, int, int] | None = None,
        lowering: str = "ort",
    ) -> None:
        super().__init__(rows)
        self._threads = threads or available_threads()
        self._memory = self._find_memory()
        self._files = open_files(path, read_header, input_shape=input_shape, lowering=lowering)
        versions = {"onnxruntime": ort.__version__}
        self.info = model_info(self._files, self._engine(), versions, labels)
        self.preprocess = find_preprocess(
            preprocess, self._files.metadata, Path(path), self.info.input_shape
        )

    def _find_memory(self) -> Memory:
        """Where the buffers are."""
        return HostMemory()

    def _engine(self) -> str:
        """What runs the model, for `ModelInfo.engine`."""
        return f"ort (CPU, {self._threads} threads, batches of {self._rows})"

    def _providers(self) -> Sequence[Any]:
        """Execution providers, as `onnxruntime.InferenceSession` takes them."""
        return ("CPUExecutionProvider",)

    def _open(self, built: Built) -> OrtRun:
        """Open a graph on the device."""
        return OrtRun(
            built,
            rows=self._rows,
            image=self._files.facts["input"],
            memory=self._memory,
            providers=self._providers(),
            threads=self._threads,
        )

    def _scaled_run(self, *layers: str) -> OrtRun:
        return self._open(self._files.scaled(layers))

    def _forward_run(self, taps: tuple[str, ...]) -> OrtRun:
        return self._open(self._files.forward(taps))

    def _gradient_run(self, rules: str, wrt: str) -> OrtRun:
        return self._open(self._files.gradient(rules, wrt))

    def _take(self, array: AnyArray) -> AnyArray:
        return np.asarray(array, np.float32)
