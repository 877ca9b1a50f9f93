"""From an ONNX model to a plan: TensorRT's parser, its builder, and one line where it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pysal.backends.reason import one_line, reason
from pysal.backends.tensorrt_library import Library, said
from pysal.backends.tensorrt_options import PlanOptions, known_capabilities
from pysal.backends.whole import write_whole
from pysal.errors import CapabilityError, UnsupportedOpError


@dataclasses.dataclass(frozen=True)
class BuiltPlan:
    """A plan, and what it reads and writes: {name: shape with -1 for the images}."""

    data: bytes
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]


def build_plan(
    library: Library, model: bytes, options: PlanOptions, what: str, timing: Path | None = None
) -> BuiltPlan:
    """Build one plan.

    Parameters
    ----------
    library : Library
    model : bytes
        Serialized ONNX model whose values all start with the axis of images.
    options : PlanOptions
        Their precision says whether products may be rounded to TF32; 16-bit types are the model's.
    what : str
        How messages call the model.
    timing : path, optional
        Timing cache, read and written; not for RTX, where it has no effect and asks for a GPU.

    Raises
    ------
    UnsupportedOpError
        If the parser refuses operators; the line names each with its node.
    CapabilityError
        If the builder refuses the network or finds no GPU, or its targets are wrong.

    Notes
    -----
    Cost: about a second per network with RTX. Builds of one process take turns.
    """
    options.check(library)
    trt = library.module
    with library.listening() as errors, one_line(f"{library.label} cannot build {what}"):
        builder = _checked(lambda: trt.Builder(library.logger), errors)
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)  # 11 ignores it
        network = builder.create_network(flags)
        parser = trt.OnnxParser(network, library.logger)
        if not parser.parse(model):
            raise _refusal(library, parser, what)
        config = builder.create_builder_config()
        _set_shapes(builder, network, config, options.batch)
        _set_targets(library, config, options)
        cache = _open_timing(library, config, timing)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            more = "; give more workspace" * (options.workspace is not None)
            raise CapabilityError(f"{library.label} cannot build {what}: {said(errors)}{more}")
        if cache is not None and timing is not None:
            write_whole(timing, bytes(cache.serialize()))
        return BuiltPlan(bytes(plan), *_tensors(network))


def _checked(make: Any, errors: Sequence[str]) -> Any:
    """What `make` gives, or TensorRT's own words: without a GPU it gives None or raises."""
    try:
        made = make()
    except Exception as error:
        raise CapabilityError(said(errors) if errors else reason(error)) from error
    if made is None:
        raise CapabilityError(said(errors))
    return made


def _set_shapes(builder: Any, network: Any, config: Any, batch: tuple[int, int, int]) -> None:
    """Fix the number of images, or give its bounds."""
    if batch[0] == batch[2]:
        for i in range(network.num_inputs):
            tensor = network.get_input(i)
            tensor.shape = (batch[0], *tuple(tensor.shape)[1:])
        return
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        rest = tuple(tensor.shape)[1:]
        profile.set_shape(tensor.name, *((size, *rest) for size in batch))
    config.add_optimization_profile(profile)


def _set_targets(library: Library, config: Any, options: PlanOptions) -> None:
    """Precision of products, memory, and the GPUs."""
    trt = library.module
    change = config.set_flag if options.precision == "tf32" else config.clear_flag
    change(trt.BuilderFlag.TF32)
    if options.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    if library.is_rtx:
        known = known_capabilities(library)
        names = [known[wanted] for wanted in options.capabilities] or ["CURRENT"]
        config.num_compute_capabilities = len(names)
        for i, name in enumerate(names):
            config.set_compute_capability(getattr(trt.ComputeCapability, name), i)


def _open_timing(library: Library, config: Any, path: Path | None) -> Any:
    """The timing cache, empty where there is none or it is of another GPU or version."""
    if path is None or library.is_rtx:
        return None
    stored = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(stored)
    if cache is None or not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache


def _refusal(library: Library, parser: Any, what: str) -> UnsupportedOpError:
    """One line from all that the parser says."""
    problems = []
    for i in range(parser.num_errors):
        error = parser.get_error(i)
        words = " ".join(error.desc().split())
        node = f'{error.node_operator()} "{error.node_name()}"' if error.node_operator() else ""
        problems.append(f"{node}: {words}" if node else words)
    listed = "; ".join(dict.fromkeys(problems)) or "it gives no reason"
    return UnsupportedOpError(
        f'{library.label} does not take {what}: {listed}; use engine "ort", or export the model '
        "with other operators"
    )


def _tensors(network: Any) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Shapes of inputs and outputs by name."""
    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    outputs = [network.get_output(i) for i in range(network.num_outputs)]
    first, second = ({t.name: (-1, *tuple(t.shape)[1:]) for t in ts} for ts in (inputs, outputs))
    return first, second
