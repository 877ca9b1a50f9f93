"""One compiled OpenVINO model shared by worker threads, each with its own request and buffers."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from pysal.backends.files import Header
from pysal.backends.one_by_one_runs import Buffers
from pysal.backends.openvino_quantized import decode_weights, refuse_wide
from pysal.backends.reason import one_line
from pysal.errors import CapabilityError
from pysal.types import Array

VERSION: str = ov.__version__.partition("-")[0]
PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
"""Precisions, and OpenVINO's names of them."""
MISSING = "(?:No conversion rule found for|not support the following ONNX) operations: (.+)"
"""What OpenVINO says of operators that it does not have; up to 2025.4 the second form."""
STEEPEST = 1e6
"""Slopes of HardSigmoid beyond this are steps of the lowering "ort", and wrong on OpenVINO."""


class OpenVinoSession:
    """A compiled model that runs one image at a time, from any number of threads.

    Parameters
    ----------
    model : bytes or str
        Serialized model, or a path.
    threads : int
        Threads inside one run.
    streams : int
        Runs at the same time.
    shapes : mapping of str to tuple
        Shape of every input and output for one image; buffers of these shapes are set once per
        thread and reused by every run.
    outputs : sequence of str
    precision : {"fp32", "bf16", "fp16"}
        Inputs and outputs are float32 in each.
    cache_dir : Path, optional
        Where compiled models are kept.

    Raises
    ------
    CapabilityError
        If OpenVINO refuses the model, or is known to compute it wrong.
    """

    def __init__(
        self,
        model: bytes | str,
        *,
        threads: int,
        streams: int,
        shapes: Mapping[str, tuple[int, ...]],
        outputs: Sequence[str],
        precision: str = "fp32",
        cache_dir: Path | None = None,
    ) -> None:
        with one_line(f"OpenVINO {VERSION} refuses the model"):
            read = _read(model)
            _refuse_wrong(read)
            refuse_wide(read)
            decode_weights(read, core())
            read.reshape({port: ov.PartialShape(_shape_of(port, shapes)) for port in read.inputs})
            self._compiled = core().compile_model(
                read, "CPU", _settings(threads, streams, precision, cache_dir)
            )
        self._outputs = _outputs_by_name(self._compiled.outputs, outputs, shapes)
        self._local = threading.local()

    def buffers(self) -> Buffers:
        """Input and output arrays of the calling thread, by name."""
        if not hasattr(self._local, "buffers"):
            self._bind()
        buffers: Buffers = self._local.buffers
        return buffers

    def run(self) -> None:
        """Compute this thread's outputs from its inputs."""
        with one_line(f"OpenVINO {VERSION} fails while it runs the model"):
            self._local.request.infer()

    def _bind(self) -> None:
        """One request over arrays of ours."""
        request, buffers = self._compiled.create_infer_request(), {}
        for port in self._compiled.inputs:
            buffers.update(dict.fromkeys(port.get_names(), _set(request, port)))
        for name, port in self._outputs.items():
            buffers[name] = _set(request, port)
        self._local.request, self._local.buffers = request, buffers


@functools.cache
def core() -> ov.Core:
    """OpenVINO's entry, one per process."""
    return ov.Core()


def cpu_precisions() -> tuple[str, ...]:
    """Precisions that OpenVINO computes in on this CPU."""
    found = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(name for name in PRECISIONS if name.upper() in found)


def read_header(path: Path) -> Header:
    """Metadata and outputs of a prepared file, by OpenVINO's own reader."""
    with one_line(f"OpenVINO {VERSION} refuses the model"):
        model = core().read_model(str(path))
        metadata = {key: str(value.value) for key, value in model.rt_info["framework"].items()}
        outputs = {
            name: tuple(size.get_length() for size in list(port.partial_shape)[1:])
            for port in model.outputs
            for name in port.get_names()
        }
    return metadata, outputs


def _read(model: bytes | str) -> ov.Model:
    """Read a model; operators that OpenVINO does not have are named."""
    try:
        return core().read_model(model)
    except RuntimeError as error:
        if missing := re.search(MISSING, str(error)):
            raise CapabilityError(
                f'OpenVINO {VERSION} does not have {missing[1]}; use engine "ort"'
            ) from error
        raise


def _settings(threads: int, streams: int, precision: str, cache_dir: Path | None) -> dict[str, Any]:
    """Properties of the compiled model."""
    settings: dict[str, Any] = {
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads * streams,
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
        # the default rounds what meets integer weights to 8 bits, which the model did not ask for
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        # callers' threads run the work, and what they are pinned to is theirs to say
        "ENABLE_CPU_PINNING": False,
        "ENABLE_HYPER_THREADING": True,
    }
    if cache_dir is not None:
        # OpenVINO finds a cached model by its content only: one folder per precision
        settings["CACHE_DIR"] = str(cache_dir / precision)
    return settings


def _set(request: Any, port: Any) -> Array:
    """Put an array of ours where a request reads or writes."""
    array: Array = np.zeros(tuple(port.shape), np.float32)
    request.set_tensor(port, ov.Tensor(array, shared_memory=True))
    return array


def _outputs_by_name(
    ports: Sequence[Any], wanted: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """Ports of the wanted outputs.

    OpenVINO drops identities when it reads a model, and then calls a value by the name behind the
    identity. Ports keep their order, so what has lost its name is found by its place.
    """
    found: dict[str, Any] = {}
    nameless = []
    for port in ports:
        own = [n for n in wanted if n in port.get_names() and n not in found]
        if own:
            found[own[0]] = port
        elif not port.get_names() & shapes.keys() or port.get_names() & found.keys():
            nameless.append(port)
    lost = [name for name in wanted if name not in found]
    found |= dict(zip(lost, nameless, strict=False))
    for name in wanted:
        if name not in found or tuple(found[name].shape) != tuple(shapes[name]):
            raise CapabilityError(
                f'OpenVINO {VERSION} has no output "{name}" any more after it has read the model; '
                'use engine "ort"'
            )
    return found


def _shape_of(port: Any, shapes: Mapping[str, tuple[int, ...]]) -> list[int]:
    return list(next(shapes[name] for name in port.get_names() if name in shapes))


def _refuse_wrong(model: ov.Model) -> None:
    """Refuse what OpenVINO 2026.4 computes wrong without saying so."""
    turned: dict[str, bool] = {}
    for node in model.get_ops():
        if node.get_type_name() == "HardSigmoid":
            slope = node.input_value(1).get_node()
            if slope.get_type_name() != "Constant" or np.abs(slope.data).max() > STEEPEST:
                raise CapabilityError(
                    "the model was exported for ONNX Runtime and OpenVINO computes it wrong; use "
                    'engine "ort", or export it with --lowering portable'
                )
        if node.get_type_name() == "MatMul":
            _refuse_both_ways(node, turned)


def _refuse_both_ways(node: Any, turned: dict[str, bool]) -> None:
    """Refuse square weights that are read as they are and transposed: one packed form is kept."""
    weight = node.input_value(1).get_node()
    if weight.get_type_name() != "Constant" or len(set(weight.shape)) != 1:
        return
    turn = bool(node.get_attributes()["transpose_b"])
    if turned.setdefault(weight.get_friendly_name(), turn) != turn:
        raise CapabilityError(
            f'OpenVINO {VERSION} mixes up the square weights "{weight.get_friendly_name()}" and '
            'their transpose, which the model uses both; use engine "ort", or export the model anew'
        )
