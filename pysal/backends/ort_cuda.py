"""ONNX Runtime on CUDA: batches of a fixed size between buffers that stay on the GPU.

Buffers are CuPy arrays, bound once by address. ONNX Runtime computes on a stream of ours and does
not wait for it; events put it between the work of the caller's current stream. What is not CUDA's
own is in `ort_batched` and `ort_run` and runs on CPUs too; this file was not executed on a GPU yet.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort

from pysal.arrays import AnyArray
from pysal.backends.cuda_memory import CudaMemory
from pysal.backends.files import Built
from pysal.backends.ort_batched import OrtBatchedClassifier
from pysal.backends.ort_run import OrtRun
from pysal.backends.reason import reason
from pysal.errors import CapabilityError
from pysal.preprocess import Preprocess

PROVIDER = "CUDAExecutionProvider"
ROWS = 20
"""Images per run: the points of the published path; a line search has 12 candidates."""


class OrtCudaClassifier(OrtBatchedClassifier):
    """An ONNX classifier, with gradients, on ONNX Runtime's CUDA provider.

    Parameters
    ----------
    path, preprocess, labels, input_shape
        As for `OrtClassifier`.
    device : str
        "cuda" or "cuda:N".
    precision : {"fp32", "tf32"}
        Whether multiplications may round their factors to TensorFloat-32.
    rows : int
        R, images per run.
    threads : int, optional
        Threads for nodes that have no CUDA kernel.
    lowering : {"ort", "portable"}
        How the backward pass is written, see `export.build_gradient`; a prepared file has its own.
    cuda_graph : bool
        Replay runs from CUDA graphs, where every node of the model is on the GPU.
    provider_options : mapping of str to str, optional
        More options of the CUDA provider, for instance {"prefer_nhwc": "1"}.

    Raises
    ------
    MissingDependencyError
        If CuPy is not installed.
    CapabilityError
        If ONNX Runtime has no CUDA here, or not this precision.

    Notes
    -----
    Device arrays are CuPy arrays. Safe to share between threads; calls take turns.
    """

    prefers_batches = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        device: str = "cuda",
        precision: str | None = "fp32",
        rows: int = ROWS,
        threads: int | None = None,
        preprocess: Preprocess | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        labels: Sequence[str] | str | os.PathLike[str] | None = None,
        input_shape: tuple[int, int, int] | None = None,
        lowering: str = "ort",
        cuda_graph: bool = True,
        provider_options: Mapping[str, str] | None = None,
    ) -> None:
        self._precision = check_precision(precision)
        self._wanted, self._graphs = device, cuda_graph
        self._more = dict(provider_options or {})
        super().__init__(
            path,
            rows=rows,
            threads=threads,
            preprocess=preprocess,
            labels=labels,
            input_shape=input_shape,
            lowering=lowering,
        )

    def to_device(self, array: np.ndarray) -> AnyArray:
        """Copy a host array to the GPU."""
        return self._take(array)

    def _find_memory(self) -> CudaMemory:
        self._cuda = ort_memory(self._wanted)
        return self._cuda

    def _engine(self) -> str:
        number = self._cuda.device[1]
        tf32 = ", tf32" if self._precision == "tf32" else ""
        return f"ort (cuda:{number} {self._cuda.name}{tf32}, batches of {self._rows})"

    def _providers(self) -> Sequence[Any]:
        options = {
            "device_id": str(self._cuda.device[1]),
            "user_compute_stream": str(self._cuda.stream.ptr),
            "use_tf32": str(int(self._precision == "tf32")),
            "enable_cuda_graph": str(int(self._graphs)),
        }
        return ((PROVIDER, {**options, **self._more}), "CPUExecutionProvider")

    def _open(self, built: Built) -> OrtRun:
        """Open a graph and run it once, so that it is captured here; uncaptured where need be."""
        try:
            run = super()._open(built)
            run()
        except CapabilityError as error:
            if not self._graphs:
                raise
            self._graphs = False
            run = super()._open(built)
            run()
            warnings.warn(
                f"the network cannot be captured in a CUDA graph and runs without: {reason(error)}",
                UserWarning,
                stacklevel=2,
            )
        return run

    def _take(self, array: AnyArray) -> AnyArray:
        return self._cuda.take(array, self.info.name)

    def _ordered(self) -> contextlib.AbstractContextManager[None]:
        """Wait for the buffers' last user, and let the next one wait for this."""
        return self._cuda.turn()


def ort_memory(device: str) -> CudaMemory:
    """Buffers and stream, with run options that let ONNX Runtime return before it is done."""
    options = ort.RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    return CudaMemory(device, "ort", lambda stream: options)


def check_precision(precision: str | None) -> str:
    """Return the precision; None is "fp32"."""
    precision = precision or "fp32"
    if precision not in ("fp32", "tf32"):
        raise CapabilityError(
            f'precision "{precision}" is not of engine "ort", which has fp32 and tf32 on CUDA; '
            'open the torch module with engine "pytorch" for fp16 and bf16'
        )
    return precision
