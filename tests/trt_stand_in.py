"""A TensorRT of numpy and ONNX Runtime: plans are ONNX files, addresses are those of arrays.

It has what `pysal.backends.tensorrt_*` use of the library, and refuses what the library would.
"""

from __future__ import annotations

import ctypes
import enum
import json
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from cupy_stand_in import Stream

MAGIC = b"stand-in plan\n"


class Severity(enum.IntEnum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class ILogger:
    Severity = Severity

    def __init__(self) -> None:
        pass


class Flag(enum.IntEnum):
    TF32 = 0


class CreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class Pool(enum.IntEnum):
    WORKSPACE = 0


class Mode(enum.Enum):
    INPUT, OUTPUT = range(2)


class DataType(enum.Enum):
    FLOAT, HALF = range(2)


class Capability(enum.IntEnum):
    NONE, CURRENT, SM75, SM86, SM89, SM120 = range(6)


class CudaGraphStrategy(enum.Enum):
    DISABLED, WHOLE_GRAPH_CAPTURE = range(2)


class Network:
    def __init__(self) -> None:
        self.model: onnx.ModelProto | None = None
        self.tensors: list[SimpleNamespace] = []

    @property
    def num_inputs(self) -> int:
        return len(self.model.graph.input)

    @property
    def num_outputs(self) -> int:
        return len(self.model.graph.output)

    def get_input(self, i: int) -> SimpleNamespace:
        return self.tensors[i]

    def get_output(self, i: int) -> SimpleNamespace:
        return self.tensors[self.num_inputs + i]


class Parser:
    """Refuses the operator Asinh, as a stand-in for what TensorRT does not know."""

    def __init__(self, network: Network, logger: Any) -> None:
        self._network, self._errors = network, []

    def parse(self, data: bytes) -> bool:
        model = onnx.load_model_from_string(data)
        self._errors = [n for n in model.graph.node if n.op_type == "Asinh"]
        self._network.model = model
        for value in (*model.graph.input, *model.graph.output):
            shape = [d.dim_value or -1 for d in value.type.tensor_type.shape.dim]
            self._network.tensors.append(SimpleNamespace(name=value.name, shape=tuple(shape)))
        return not self._errors

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, i: int) -> SimpleNamespace:
        node = self._errors[i]
        return SimpleNamespace(
            desc=lambda: "no importer\nfor it",
            node_operator=lambda: node.op_type,
            node_name=lambda: node.name,
        )


class Config:
    def __init__(self) -> None:
        self.flags, self.profile, self.workspace = {Flag.TF32}, None, None
        self.capabilities: list[Capability] = []
        self.timing: list[bytes] = []

    def set_flag(self, flag: Flag) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: Flag) -> None:
        self.flags.discard(flag)

    def set_memory_pool_limit(self, pool: Pool, size: int) -> None:
        assert pool == Pool.WORKSPACE
        self.workspace = size

    def add_optimization_profile(self, profile: Any) -> None:
        self.profile = profile

    @property
    def num_compute_capabilities(self) -> int:
        return len(self.capabilities)

    @num_compute_capabilities.setter
    def num_compute_capabilities(self, count: int) -> None:
        self.capabilities = [Capability.NONE] * count

    def set_compute_capability(self, capability: Capability, index: int) -> None:
        self.capabilities[index] = capability

    def create_timing_cache(self, stored: bytes) -> SimpleNamespace:
        self.timing.append(stored)
        return SimpleNamespace(stored=stored, serialize=lambda: stored + b"t")

    def set_timing_cache(self, cache: SimpleNamespace, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        return not cache.stored.startswith(b"other GPU")


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple] = {}

    def set_shape(self, name: str, low: tuple, best: tuple, high: tuple) -> None:
        assert low[1:] == best[1:] == high[1:]
        self.shapes[name] = (low[0], best[0], high[0])


class Builder:
    built: list[Config]
    fails = ""

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def create_network(self, flags: int) -> Network:
        assert flags == 1 << CreationFlag.STRONGLY_TYPED
        return Network()

    def create_builder_config(self) -> Config:
        return Config()

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        if self.fails:
            self._logger.log(Severity.WARNING, "not this")
            self._logger.log(Severity.ERROR, self.fails)
            return None
        self.built.append(config)
        rows = network.tensors[0].shape[0]
        bounds = (rows, rows, rows) if rows > 0 else next(iter(config.profile.shapes.values()))
        head = json.dumps({"batch": bounds}).encode()
        return MAGIC + head + b"\n" + network.model.SerializeToString()


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, data: bytes) -> Engine | None:
        if not data.startswith(MAGIC):
            self._logger.log(Severity.ERROR, "magic tag does not match\nhere")
            return None
        head, _, model = data[len(MAGIC) :].partition(b"\n")
        return Engine(json.loads(head)["batch"], model)


class Engine:
    def __init__(self, batch: list[int], model: bytes) -> None:
        self.batch = batch
        self.session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        self._inputs = {i.name: i.shape for i in self.session.get_inputs()}
        self.outputs = {o.name: o.shape for o in self.session.get_outputs()}
        self.names = [*self._inputs, *self.outputs]

    @property
    def num_io_tensors(self) -> int:
        return len(self.names)

    def get_tensor_name(self, i: int) -> str:
        return self.names[i]

    def get_tensor_mode(self, name: str) -> Mode:
        return Mode.INPUT if name in self._inputs else Mode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType.FLOAT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        shape = {**self._inputs, **self.outputs}[name]
        rows = self.batch[0] if self.batch[0] == self.batch[2] else -1
        return (rows, *shape[1:])

    def create_runtime_config(self) -> SimpleNamespace:
        return SimpleNamespace(cuda_graph_strategy=CudaGraphStrategy.DISABLED)

    def create_execution_context(self, config: Any = None) -> Context:
        return Context(self, config)


class Context:
    """Reads and writes where the addresses say, when it is told to execute."""

    log: list[str]

    def __init__(self, engine: Engine, config: Any) -> None:
        self._engine, self._shapes, self._at = engine, {}, {}
        strategy = config.cuda_graph_strategy.name if config else "none"
        self.log.append(f"context {strategy}")

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return self._engine.batch[0] <= shape[0] <= self._engine.batch[2]

    def infer_shapes(self) -> list[str]:
        return [n for n in self._engine._inputs if n not in self._shapes]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        rows = next(iter(self._shapes.values()))[0]
        return (rows, *self._engine.get_tensor_shape(name)[1:])

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._at[name] = address
        return address % 16 == 0

    def execute_async_v3(self, stream: int) -> bool:
        self.log.append(f"execute on {stream}")
        assert set(self._at) == set(self._engine.names)
        if Stream.captured is not None:
            Stream.captured.append(self._compute)
        else:
            self._compute()
        return True

    def _compute(self) -> None:
        feeds = {n: self._array(n) for n in self._engine._inputs}
        outputs = list(self._engine.outputs)
        for name, value in zip(outputs, self._engine.session.run(outputs, feeds), strict=True):
            self._array(name)[...] = value

    def _array(self, name: str) -> np.ndarray:
        shape = self.get_tensor_shape(name)
        kind = ctypes.c_float * int(np.prod(shape))
        return np.ctypeslib.as_array(kind.from_address(self._at[name])).reshape(shape)


def make_module(name: str, version: str = "99.1") -> ModuleType:
    """The library as a module; every call makes one with its own log."""
    module = ModuleType(name)
    log: list[str] = []
    module.__version__ = version
    module.log, module.built = log, []
    module.ILogger, module.Runtime, module.OnnxParser = ILogger, Runtime, Parser
    module.Builder = type("Builder", (Builder,), {"built": module.built})
    Context.log = log
    module.BuilderFlag, module.MemoryPoolType = Flag, Pool
    module.NetworkDefinitionCreationFlag = CreationFlag
    module.TensorIOMode, module.DataType = Mode, DataType
    if name != "tensorrt":
        module.ComputeCapability, module.CudaGraphStrategy = Capability, CudaGraphStrategy
    return module
