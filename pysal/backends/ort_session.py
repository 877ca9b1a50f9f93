"""One ONNX Runtime session shared by worker threads, each with its own bound buffers."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from pysal.backends.files import Header
from pysal.backends.one_by_one_runs import Buffers
from pysal.backends.reason import one_line


class OrtSession:
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
    # the default rounds what meets integer weights to 8 bits, which the model did not ask for
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    if profile := os.environ.get("PYSAL_ORT_PROFILE"):
        options.enable_profiling = True
        options.profile_file_prefix = profile
    with one_line(f"ONNX Runtime {ort.__version__} refuses the model"):
        return ort.InferenceSession(model, options, providers=list(providers))


def read_header(path: Path) -> Header:
    """Metadata and outputs of a prepared file, by ONNX Runtime's own reader."""
    session = open_session(str(path), 1)
    outputs = {o.name: tuple(o.shape[1:]) for o in session.get_outputs()}
    return session.get_modelmeta().custom_metadata_map, outputs
