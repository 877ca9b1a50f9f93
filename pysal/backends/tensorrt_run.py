"""TensorRT as runs of a fixed size: an execution context bound once to buffers on the GPU.

Written to the documented API of TensorRT 10 and 11 and of TensorRT-RTX 1 (named tensors,
`execute_async_v3`); no GPU has run it yet, tests use stand-ins for the library and for CuPy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from pysal.arrays import AnyArray
from pysal.backends.cuda_memory import CudaMemory
from pysal.backends.reason import one_line, reason
from pysal.backends.tensorrt_build import BuiltPlan
from pysal.backends.tensorrt_library import Library, said
from pysal.errors import CapabilityError
from pysal.prepared import INPUT


class TensorrtRun:
    """A plan with every input and output at a static address; a `batched_run.Run`.

    Parameters
    ----------
    library : Library
    plan : BuiltPlan
    rows : int
        Images per run, one of those that the plan was built for.
    image : str
        Name of the plan's image input.
    memory : CudaMemory
    cuda_graph : bool
        Replay the run from a CUDA graph. With RTX the library captures it itself.

    Raises
    ------
    CapabilityError
        If TensorRT refuses the plan here; the line has its own words.

    Warns
    -----
    UserWarning
        If the run cannot be captured; it goes on without.
    """

    def __init__(
        self,
        library: Library,
        plan: BuiltPlan,
        *,
        rows: int,
        image: str,
        memory: CudaMemory,
        cuda_graph: bool,
    ) -> None:
        self.rows, self._library, self._memory = rows, library, memory
        self.inputs: dict[str, AnyArray] = {}
        self.outputs: dict[str, AnyArray] = {}
        with library.listening() as errors, one_line(f"{library.label} cannot open the plan"):
            # The context lives on the engine, and the engine on the runtime.
            self._runtime = library.module.Runtime(library.logger)
            self._engine = self._runtime.deserialize_cuda_engine(plan.data)
            if self._engine is None:
                raise CapabilityError(f"{library.label} cannot open the plan: {said(errors)}")
            self._context = _make_context(library, self._engine, cuda_graph)
            if self._context is None:
                raise CapabilityError(f"{library.label} gives no context: {said(errors)}")
            self._bind(image, errors)
        self._compute: Callable[[Any], None] = self._execute
        if cuda_graph:
            self._capture()

    def __call__(self) -> None:
        """Enqueue the computation on our stream."""
        with one_line(f"{self._library.label} fails while it runs the model"):
            self._memory.launch(self._compute)

    def _bind(self, image: str, errors: Any) -> None:
        """Give every tensor its shape and its buffer."""
        trt, engine, context = self._library.module, self._engine, self._context
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        reads = [n for n in names if engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        for name in reads:
            shape = (self.rows, *tuple(engine.get_tensor_shape(name))[1:])
            if not context.set_input_shape(name, shape):
                raise CapabilityError(f'the plan takes no input "{name}" {shape}: {said(errors)}')
        if missing := context.infer_shapes():
            raise CapabilityError(f"the plan leaves the shapes of {', '.join(missing)} open")
        for name in names:
            if engine.get_tensor_dtype(name) != trt.DataType.FLOAT:
                raise CapabilityError(f'"{name}" of the plan is not float32; export it again')
            buffer = self._memory.zeros(tuple(context.get_tensor_shape(name)))
            if not context.set_tensor_address(name, self._memory.pointer(buffer)):
                raise CapabilityError(f'the plan takes no address for "{name}": {said(errors)}')
            if name in reads:
                self.inputs[INPUT if name == image else name] = buffer
            else:
                self.outputs[name] = buffer

    def _execute(self, stream: int) -> None:
        """Enqueue on a stream."""
        if not self._context.execute_async_v3(stream):
            last = list(self._library.logger.errors)[-1:]  # not under its lock: builds are long
            raise CapabilityError(f"{self._library.label} does not run the plan: {said(last)}")

    def _capture(self) -> None:
        """Run once, which TensorRT needs before a capture, and capture the second run."""
        self()
        if self._library.is_rtx:
            return
        try:
            self._compute = self._memory.capture(self._execute)
        except Exception as error:  # CuPy's own, or TensorRT's words
            warnings.warn(
                f"the network cannot be captured in a CUDA graph and runs without: {reason(error)}",
                UserWarning,
                stacklevel=2,
            )


def _make_context(library: Library, engine: Any, cuda_graph: bool) -> Any:
    """A context; RTX captures a CUDA graph itself where it is told to."""
    if not (library.is_rtx and cuda_graph):
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.cuda_graph_strategy = library.module.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    return engine.create_execution_context(config)
