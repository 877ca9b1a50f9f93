"""Buffers of CuPy on one GPU, and a stream of ours between the work of the caller's streams.

Events put what an engine computes on our stream after what fills its buffers and before what reads
them; nothing waits on the host. No GPU has run this yet: tests use stand-ins for CuPy.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pysal.arrays import AnyArray, root
from pysal.backends.devices import cuda_missing
from pysal.errors import CapabilityError, MissingDependencyError, OptionError, ShapeError


class CudaMemory:
    """Buffers, and a stream for an engine.

    Parameters
    ----------
    device : str
        "cuda" or "cuda:N".
    engine : str
        Who asks, for messages.
    handle : callable, optional
        Makes what `launch` hands to the engine, from the stream. Default: the stream's address.

    Attributes
    ----------
    cupy : module
    device : tuple of str and int
        "cuda" and the number.
    stream : cupy.cuda.Stream
    name, capability : str
        Of the GPU: its name, and for instance "9.0".

    Raises
    ------
    OptionError
        If `device` is something else.
    MissingDependencyError, CapabilityError
        If CuPy, or the GPU, is not there.
    """

    def __init__(
        self, device: str, engine: str = "ort", handle: Callable[[Any], Any] | None = None
    ) -> None:
        kind, _, number = device.partition(":")
        if kind != "cuda" or not (number or "0").isdigit():
            raise OptionError(f'device is "{device}"; expected "cuda" or "cuda:N"')
        self.cupy: Any = _load_cupy(engine)
        self.device = ("cuda", int(number or "0"))
        if why := cuda_missing(engine):
            raise CapabilityError(f'device "{device}": {why}; or use device="cpu"')
        cuda = self.cupy.cuda
        if self.device[1] >= (count := cuda.runtime.getDeviceCount()):
            raise CapabilityError(f'device "{device}": the last one here is "cuda:{count - 1}"')
        facts = cuda.runtime.getDeviceProperties(self.device[1])
        self.name = facts["name"].decode()
        self.capability = f"{facts.get('major', 0)}.{facts.get('minor', 0)}"
        with self.on():
            self.stream = cuda.Stream(non_blocking=True)
            self._filled, self._computed, self._used = (
                cuda.Event(disable_timing=True) for _ in range(3)
            )
        self._handle = int(self.stream.ptr) if handle is None else handle(self.stream)

    @property
    def label(self) -> str:
        """Name and compute capability, as plans are kept for it."""
        return f"{self.name} ({self.capability})"

    def on(self) -> Any:
        """Make the GPU the current one."""
        return self.cupy.cuda.Device(self.device[1])

    def zeros(self, shape: tuple[int, ...]) -> AnyArray:
        """Contiguous float32."""
        return self.cupy.zeros(shape, np.float32)

    def take(self, array: AnyArray, model: str) -> AnyArray:
        """An ndarray or an array of ours as float32 on this GPU; others are a ShapeError."""
        if not isinstance(array, np.ndarray) and root(array) != "cupy":
            raise ShapeError(
                f"the arrays are of {root(array)}; {model} takes ndarrays, or what its to_device "
                "returns"
            )
        with self.on():
            return self.cupy.asarray(array, np.float32)

    def pointer(self, array: AnyArray) -> int:
        """Address of an array."""
        return int(array.data.ptr)

    def launch(self, compute: Callable[[Any], None]) -> None:
        """Enqueue on our stream, after what the current one has and before what it will get."""
        current = self.cupy.cuda.get_current_stream()
        self._filled.record(current)
        self.stream.wait_event(self._filled)
        compute(self._handle)
        self._computed.record(self.stream)
        current.wait_event(self._computed)

    def capture(self, compute: Callable[[Any], None]) -> Callable[[Any], None]:
        """Capture a computation that has run before in a CUDA graph; return what replays it."""
        self.stream.synchronize()  # what the first run allocates on its way is done then
        self.stream.begin_capture()
        try:
            compute(self._handle)
        finally:
            graph = self.stream.end_capture()
        return lambda _: graph.launch(self.stream)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """On this GPU, order the current stream after the last turn, whatever that was on."""
        with self.on():
            current = self.cupy.cuda.get_current_stream()
            current.wait_event(self._used)
            try:
                yield
            finally:
                self._used.record(current)


ENGINES = {"ort": ("ort on CUDA", "gpu"), "tensorrt": ("TensorRT", "tensorrt")}
"""How engines are called in messages, and the extras that bring CuPy."""


def _load_cupy(engine: str) -> Any:
    try:
        return importlib.import_module("cupy")
    except ImportError as error:
        name, extra = ENGINES[engine]
        raise MissingDependencyError(
            f"{name} keeps its arrays in CuPy, which is not installed; pip install "
            f'"pysal-saliency[{extra}]"'
        ) from error
