"""One ONNX Runtime session shared by worker threads, each with its own bound buffers."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime as ort

from pysal.backends.reason import one_line
from pysal.types import Array

Buffers = Mapping[str, Array]


class Session:
    """A session that runs one image at a time, from any number of threads.

    Parameters
    ----------
    model : bytes or str
        Serialized model, or a path.
    threads : int
        Threads inside one run.
    shapes : mapping of str to tuple
        Shape of every input and output for one image; buffers of these shapes are bound once per
        thread and reused by every run.
    outputs : sequence of str
    """

    def __init__(
        self,
        model: bytes | str,
        *,
        threads: int,
        shapes: Mapping[str, tuple[int, ...]],
        outputs: Sequence[str],
    ) -> None:
        self._session = open_session(model, threads)
        self._shapes = shapes
        self._outputs = tuple(outputs)
        self._inputs = tuple(i.name for i in self._session.get_inputs())
        self._local = threading.local()

    def buffers(self) -> Buffers:
        """Input and output arrays of the calling thread, by name."""
        if not hasattr(self._local, "buffers"):
            self._bind()
        buffers: Buffers = self._local.buffers
        return buffers

    def run(self) -> None:
        """Compute this thread's outputs from its inputs."""
        with one_line(f"ONNX Runtime {ort.__version__} fails while it runs the model"):
            self._session.run_with_iobinding(self._local.binding)

    def _bind(self) -> None:
        binding, buffers = self._session.io_binding(), {}
        for names, bind in (
            (self._inputs, binding.bind_input),
            (self._outputs, binding.bind_output),
        ):
            for name in names:
                array = np.zeros(self._shapes[name], np.float32)
                bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
                buffers[name] = array
        self._local.binding, self._local.buffers = binding, buffers


def open_session(
    model: bytes | str,
    threads: int,
    *,
    rows: int = 1,
    providers: Sequence[Any] = ("CPUExecutionProvider",),
) -> ort.InferenceSession:
    """Open a session for batches of `rows`; what ONNX Runtime refuses is a CapabilityError."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_free_dimension_override_by_name("N", rows)
    if profile := os.environ.get("PYSAL_ORT_PROFILE"):
        options.enable_profiling = True
        options.profile_file_prefix = profile
    with one_line(f"ONNX Runtime {ort.__version__} refuses the model"):
        return ort.InferenceSession(model, options, providers=list(providers))


class Workers:
    """Threads that take rows of a batch one by one."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = (
            ThreadPoolExecutor(threads, thread_name_prefix="pysal") if threads > 1 else None
        )

    def each(self, rows: int, work: Callable[[int], Any]) -> None:
        """Call work(row) for every row, in any order; the first error is raised."""
        if self._pool is None or rows <= 1:
            for row in range(rows):
                work(row)
            return
        counter = itertools.count()

        def drain() -> None:
            while (row := next(counter)) < rows:
                work(row)

        futures = [self._pool.submit(drain) for _ in range(min(self.threads, rows))]
        for future in futures:
            future.result()

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def available_threads() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
