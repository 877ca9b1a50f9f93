"""Runs of a torch network: as it is, or captured once in a CUDA graph and replayed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pysal.backends.reason import one_line, reason

WARM_UP = 3
"""Runs before the capture: compilers, and libraries that try their algorithms, must be done."""

Compute = Callable[[], dict[str, Tensor]]


class TorchRun:
    """A function of static buffers; a `Run`.

    Parameters
    ----------
    compute : callable
        Returns the outputs by name.
    inputs : mapping of str to Tensor
    """

    def __init__(self, compute: Compute, inputs: Mapping[str, Tensor]) -> None:
        self.inputs, self._compute = inputs, compute
        self.rows = len(next(iter(inputs.values())))
        self.outputs: Mapping[str, Tensor] = {}
        self()

    def __call__(self) -> None:
        """Compute the outputs from the inputs."""
        with one_line(f"torch {torch.__version__} fails while it runs the model"):
            self.outputs = self._compute()


class Graphs:
    """Captures runs in CUDA graphs that share their memory, because they never run at once.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._works = True

    def capture(self, run: TorchRun) -> TorchRun:
        """A run that replays; where capturing fails, a warning and the run itself."""
        if not self._works:
            return run
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UP):
                run()
        current.wait_stream(self._stream)
        try:
            return CapturedRun(run, self._stream, self._pool)
        except Exception as error:  # whatever a module does that a capture does not allow
            self._works = False
            warnings.warn(
                f"the network cannot be captured in a CUDA graph and runs without: {reason(error)}",
                UserWarning,
                stacklevel=2,
            )
            return run


class CapturedRun(TorchRun):
    """A run recorded in a CUDA graph; a call replays it on the current stream."""

    def __init__(self, run: TorchRun, stream: torch.cuda.Stream, pool: object) -> None:
        self.inputs, self.rows = run.inputs, run.rows
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(
            self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"
        ):
            run()
        self.outputs = run.outputs

    def __call__(self) -> None:
        """Enqueue the recorded computation."""
        self._graph.replay()
