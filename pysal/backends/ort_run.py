"""ONNX Runtime as runs of a fixed size: a session bound once to buffers on the CPU or on CUDA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

from pysal.arrays import AnyArray
from pysal.backends.files import Built
from pysal.backends.ort_session import open_session
from pysal.backends.reason import one_line
from pysal.errors import CapabilityError
from pysal.prepared import INPUT
from pysal.types import Array


class Memory(Protocol):
    """Where buffers are, and how the computation is put in order with what fills them.

    Attributes
    ----------
    device : tuple of str and int
        Device type and number in ONNX Runtime's words: ("cpu", 0), ("cuda", 1).
    """

    device: tuple[str, int]

    def zeros(self, shape: tuple[int, ...]) -> AnyArray:
        """Contiguous float32."""

    def pointer(self, array: AnyArray) -> int:
        """Address of an array from `zeros`."""

    def launch(self, compute: Callable[[Any], None]) -> None:
        """Call compute(run options) so that the current stream's work is before and after it."""


class HostMemory:
    """Buffers of numpy; everything is in order by itself."""

    device = ("cpu", 0)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        """Contiguous float32."""
        return np.zeros(shape, np.float32)

    def pointer(self, array: Array) -> int:
        """Address of an array."""
        return int(array.ctypes.data)

    def launch(self, compute: Callable[[Any], None]) -> None:
        """Call it."""
        compute(None)


class OrtRun:
    """A session with every input and output bound to a static buffer; a `Run`.

    Parameters
    ----------
    built : tuple
        Graph, shapes for one image and outputs, from `ModelFiles`.
    rows : int
        Images per run; the graph's batch axis is fixed to it.
    image : str
        Name of the graph's image input.
    memory : Memory
    providers : sequence
        Execution providers, as `onnxruntime.InferenceSession` takes them.
    threads : int
        Threads of the CPU provider.

    Raises
    ------
    CapabilityError
        If ONNX Runtime refuses the graph, or could not load the first provider.
    """

    def __init__(
        self,
        built: Built,
        *,
        rows: int,
        image: str,
        memory: Memory,
        providers: Sequence[Any],
        threads: int,
    ) -> None:
        model, shapes, outputs = built
        self.rows, self._memory = rows, memory
        self._session = open_session(model, threads, rows=rows, providers=providers)
        first = providers[0] if isinstance(providers[0], str) else providers[0][0]
        if first not in self._session.get_providers():
            raise CapabilityError(
                f"ONNX Runtime {ort.__version__} could not load its {first}; install the libraries "
                'that it was built for, or use device="cpu"'
            )
        inputs = [i.name for i in self._session.get_inputs()]
        buffers = {n: memory.zeros((rows, *shapes[n][1:])) for n in (*inputs, *outputs)}
        self.inputs = {INPUT if n == image else n: buffers[n] for n in inputs}
        self.outputs = {n: buffers[n] for n in outputs}
        self._binding = self._session.io_binding()
        with one_line("ONNX Runtime cannot bind its buffers"):
            for names, bind in (
                (inputs, self._binding.bind_input),
                (outputs, self._binding.bind_output),
            ):
                for n in names:
                    array = buffers[n]
                    bind(n, *memory.device, np.float32, array.shape, memory.pointer(array))

    def __call__(self) -> None:
        """Compute the outputs from the inputs."""
        with one_line(f"ONNX Runtime {ort.__version__} fails while it runs the model"):
            self._memory.launch(
                lambda options: self._session.run_with_iobinding(self._binding, options)
            )
