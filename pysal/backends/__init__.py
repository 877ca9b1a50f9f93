"""Engines that run classifiers: what there is, what is live here, and how one is opened."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysal.backends.devices import (
    check_device,
    cuda_missing,
    devices,
    engine_missing,
    kernels_missing,
)
from pysal.classifier import Classifier
from pysal.errors import CapabilityError, MissingDependencyError, OptionError
from pysal.options import check_options
from pysal.preprocess import Preprocess
from pysal.registry import Entry, lookup

if TYPE_CHECKING:
    import torch

__all__ = ["BACKENDS", "ON_CUDA", "devices", "engines", "open_classifier"]

BACKENDS: dict[str, Entry] = {
    "ort": Entry(
        "pysal.backends.ort:OrtClassifier",
        summary="ONNX Runtime on the CPU: images in parallel, one per thread",
        needs=frozenset({"onnxruntime"}),
        extra="cpu",
    ),
    "openvino": Entry(
        "pysal.backends.openvino:OpenVinoClassifier",
        summary="OpenVINO on the CPU: images in parallel, one per thread; fp32, bf16, fp16",
        needs=frozenset({"openvino"}),
        extra="openvino",
    ),
    "pytorch": Entry(
        "pysal.backends.pytorch:TorchClassifier",
        summary="PyTorch on a CPU or on CUDA: takes an nn.Module, without export",
        needs=frozenset({"torch"}),
        extra="torch",
    ),
    "tensorrt": Entry(
        "pysal.backends.tensorrt:TensorrtClassifier",
        summary="TensorRT on CUDA: plans built once, fp32 to bf16; not run on a GPU yet",
        needs=frozenset({"tensorrt"}),
        extra="tensorrt",
    ),
    "ort_tensorrt": Entry(
        "pysal.backends.ort_tensorrt:OrtTensorrtClassifier",
        summary="ONNX Runtime's TensorRT provider on CUDA; not run on a GPU yet",
        needs=frozenset({"onnxruntime"}),
        extra="gpu",
    ),
}

CUDA_ONLY = ("tensorrt", "ort_tensorrt")
"""Engines that do not run on CPUs."""

ON_CUDA: dict[str, Entry] = {
    "ort": Entry(
        "pysal.backends.ort_cuda:OrtCudaClassifier",
        summary="ONNX Runtime on CUDA: batches of a fixed size, arrays on the GPU",
        needs=frozenset({"onnxruntime", "cupy"}),
        extra="gpu",
    ),
    "pytorch": BACKENDS["pytorch"],
    **{name: BACKENDS[name] for name in CUDA_ONLY},
}
"""What runs an engine on CUDA."""


def engines() -> dict[str, str]:
    """State of every engine: {name: "available", or why it is not}."""
    return {
        name: engine_missing(name, entry.needs, entry.extra)
        or (cuda_missing(name) if name in CUDA_ONLY else "")
        or "available"
        for name, entry in BACKENDS.items()
    }


def open_classifier(
    model: str | os.PathLike[str] | torch.nn.Module | Classifier,
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str | None = "fp32",
    threads: int | None = None,
    preprocess: Preprocess | Mapping[str, Any] | str | Path | None = None,
    labels: Sequence[str] | str | Path | None = None,
    rows: int | None = None,
    **engine_options: Any,
) -> Classifier:
    """Open a model on an engine; a classifier that is open already passes through.

    Parameters
    ----------
    model : path-like, torch.nn.Module or Classifier
        A module needs no export and runs on "pytorch"; it must be in evaluation mode.
    engine : str
        A name of `engines()`; or "auto": "pytorch" for a module, "tensorrt" for a folder of plans;
        for a file the first of "ort" and "openvino" that can run here, on a CPU in "bf16" or "fp16"
        of "openvino" and "ort". `ModelInfo.engine` says which it is.
    device : str
        "cpu", "cuda" or "cuda:N"; or "auto": CUDA where engine and kernels have it, else the CPU.
    precision : {"fp32", "tf32", "fp16", "bf16"} or None
        Arithmetic of the network; results are float32. On a CPU "ort" has "fp32" only, on CUDA
        "tf32" too. On "openvino" anything but "fp32" is compared with it on the model first, see
        `backends.guard`. None leaves the choice to the engine, and all of them choose "fp32".
    threads : int, optional
        Default: for "ort" all cores that the process may use, for "pytorch" torch's own number.
    preprocess : Preprocess, mapping, or path of a .json, optional
        Default: the file's own metadata, else the .json beside it, else an assumed record.
    labels : sequence of str, or path of a text file with one name per line, optional
    rows : int, optional
        Images per run, for engines whose runs have a fixed size. Results depend on it by rounding.
    **engine_options
        Further options of the engine's class, for instance `input_shape`.

    Raises
    ------
    OptionError
        If engine, device or an option are unknown, or the model is not of the engine's kind.
    CapabilityError, MissingDependencyError
        If the engine cannot run here; the message says why.
    """
    if isinstance(model, Classifier):
        given = {
            "engine": engine != "auto",
            "device": device != "auto",
            "precision": precision not in (None, "fp32"),
            **{"threads": threads, "preprocess": preprocess, "labels": labels, "rows": rows},
            **dict.fromkeys(engine_options, True),
        }
        wrong = [name for name, value in given.items() if value]
        if wrong:
            raise OptionError(f"{wrong[0]} cannot be given with a classifier that is open already")
        return model
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}; give 1 or more")
    check_device(device)
    engine = _find_engine(model, engine, device, precision)
    device = _find_device(model, engine, device)
    entry = (BACKENDS if device == "cpu" else ON_CUDA)[engine]
    options = dict(engine_options) if rows is None else {"rows": rows, **engine_options}
    opener = entry.load()
    check_options(opener, options, f'engine "{engine}" on "{device}"')
    placed = _placed(opener, engine, device, precision)
    opened: Classifier = opener(
        model, threads=threads, preprocess=preprocess, labels=labels, **placed, **options
    )
    return opened


def _is_module(model: Any) -> bool:
    """Whether it is a torch module; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _find_engine(model: Any, engine: str, device: str, precision: str | None) -> str:
    """The engine asked for, or the one for this kind of model; both are installed."""
    is_module = _is_module(model)
    if not is_module and not isinstance(model, str | os.PathLike):
        raise OptionError(
            f"the model is a {type(model).__name__}; expected the path of an ONNX file, a torch "
            "nn.Module or a Classifier"
        )
    chosen = engine
    if engine == "auto":
        chosen = "pytorch" if is_module else _fitting(model, device, precision)
    entry = lookup(BACKENDS, chosen, "engine")
    if is_module and chosen != "pytorch":
        raise OptionError(
            f'engine "{chosen}" takes an ONNX file, and a torch module was given; use engine '
            '"pytorch", or write a file with torch.onnx.export'
        )
    if not is_module and chosen == "pytorch":
        raise OptionError(
            f'engine "pytorch" takes a torch nn.Module, and {model} was given; load the module, or '
            'use engine "ort" for an ONNX file'
        )
    if why := engine_missing(chosen, entry.needs, entry.extra):
        if engine == "auto":
            raise MissingDependencyError(f"no engine is installed for this model: {why}")
        raise CapabilityError(f'engine "{chosen}" cannot run here: {why}')
    return chosen


def _fitting(model: str | os.PathLike[str], device: str, precision: str | None) -> str:
    """The engine for a folder of plans, or for a file."""
    if os.path.isdir(model):
        from pysal.backends.tensorrt_folder import is_plan_folder

        return "tensorrt" if is_plan_folder(model) else "ort"
    return _fastest(device, precision)


def _fastest(device: str, precision: str | None) -> str:
    """The engine that "auto" takes for a file: the first that can run here, else the first."""
    halves = precision in ("bf16", "fp16") and not device.startswith("cuda")
    order = ("openvino", "ort") if halves else ("ort", "openvino")
    live = (e for e in order if not engine_missing(e, BACKENDS[e].needs, BACKENDS[e].extra))
    return next(live, "ort")


def _find_device(model: Any, engine: str, device: str) -> str:
    """The device asked for, if it is live; "auto" is CUDA where engine and kernels have it."""
    if device == "cpu" and engine in CUDA_ONLY:
        raise CapabilityError(f'engine "{engine}" runs on CUDA only, device "cpu" was given')
    if device == "cpu":
        return device
    why = cuda_missing(engine)
    if device == "auto" and engine not in CUDA_ONLY:
        if why or kernels_missing():
            return "cpu"
        weight = next(model.parameters(), None) if engine == "pytorch" else None
        return "cuda" if weight is None or not weight.is_cuda else str(weight.device)
    if why:
        place = "here" if device == "auto" else f'on "{device}"'
        raise CapabilityError(f'engine "{engine}" cannot run {place}: {why}')
    return "cuda" if device == "auto" else device


def _placed(
    opener: Callable[..., Any], engine: str, device: str, precision: str | None
) -> dict[str, Any]:
    """Device and precision as options, where the engine has more than one."""
    options = {"device": device, "precision": precision}
    placed = {k: v for k, v in options.items() if k in inspect.signature(opener).parameters}
    if "precision" in placed:
        return placed
    if precision not in (None, "fp32"):
        raise CapabilityError(
            f'engine "{engine}" on a CPU has precision "fp32", "{precision}" was given; use '
            'engine "openvino", device="cuda", or a torch module with engine "pytorch"'
        )
    return {}
