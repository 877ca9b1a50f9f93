"""Where a torch network computes, and in which precision."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import torch

from pysal.errors import CapabilityError, OptionError

PRECISIONS = {"fp32": None, "tf32": None, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Precisions, and the type that autocast computes in."""


def find_device(device: str | torch.device | None, module: torch.nn.Module) -> torch.device:
    """The device asked for, or where the module is; "cuda" is the current one.

    Raises
    ------
    CapabilityError
        If it is not there.
    OptionError
        If it is neither a CPU nor CUDA.
    """
    tensors = itertools.chain(module.parameters(), module.buffers())
    if device is None:
        device = next((tensor.device for tensor in tensors), torch.device("cpu"))
    try:
        found = torch.device(device)
    except RuntimeError:
        found = torch.device("meta")
    if found.type not in ("cpu", "cuda"):
        raise OptionError(f'device is "{device}"; pytorch runs on "cpu", "cuda" or "cuda:N"')
    if found.type == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        why = "sees no CUDA device" if torch.version.cuda else "is built without CUDA"
        raise CapabilityError(f'device "{device}": torch {torch.__version__} {why}; use "cpu"')
    index = torch.cuda.current_device() if found.index is None else found.index
    if index >= torch.cuda.device_count():
        raise CapabilityError(
            f'device "{device}": there are {torch.cuda.device_count()} CUDA devices; the last is '
            f'"cuda:{torch.cuda.device_count() - 1}"'
        )
    return torch.device("cuda", index)


def check_precision(precision: str | None, device: torch.device) -> str:
    """Return the precision; None is "fp32"."""
    precision = precision or "fp32"
    if precision not in PRECISIONS:
        raise OptionError(f'precision is "{precision}"; pytorch has {", ".join(PRECISIONS)}')
    if precision == "tf32" and device.type != "cuda":
        raise CapabilityError('precision "tf32" is of CUDA devices; use "fp32" on a CPU')
    return precision


@contextlib.contextmanager
def switches(precision: str, device: torch.device) -> Iterator[None]:
    """Set torch's global switches for float32 arithmetic, and put them back.

    They are global to the process: other threads that start work meanwhile have them too. On CUDA
    convolutions take deterministic algorithms, by rule and not by timing: another process has the
    same numbers.
    """
    wanted = list(_float32(precision))
    if device.type == "cuda":
        cudnn = torch.backends.cudnn
        wanted += [(cudnn, "benchmark", False), (cudnn, "deterministic", True)]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in wanted]
    try:
        _set(wanted)
        yield
    finally:
        _set(before)


def _float32(precision: str) -> Iterator[tuple[Any, str, Any]]:
    """The switches between IEEE float32 and TensorFloat-32, by either of torch's two interfaces."""
    backends, tf32 = torch.backends, precision == "tf32"
    if not hasattr(backends.cuda.matmul, "fp32_precision"):  # before torch 2.9
        yield backends.cuda.matmul, "allow_tf32", tf32
        yield backends.cudnn, "allow_tf32", tf32
        return
    for owner in (backends.cuda.matmul, backends.cudnn.conv):
        yield owner, "fp32_precision", "tf32" if tf32 else "ieee"
    for owner in (backends.mkldnn.matmul, backends.mkldnn.conv):
        yield owner, "fp32_precision", "ieee"


def _set(values: list[tuple[Any, str, Any]]) -> None:
    """Set attributes that differ."""
    for owner, name, value in values:
        if getattr(owner, name) != value:
            setattr(owner, name, value)


@contextlib.contextmanager
def num_threads(threads: int | None) -> Iterator[None]:
    """Run torch's CPU operators on this many threads; None leaves the number alone."""
    before = torch.get_num_threads()
    if threads is None or threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
