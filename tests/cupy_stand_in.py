"""A CuPy of numpy: one GPU, and streams that write down what is asked of them."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import numpy as np


class Stream:
    """A stream or an event that writes down what is asked of it, and captures graphs."""

    captured: list[Any] | None = None
    capturable = True

    def __init__(self, log: list[str], name: str) -> None:
        self._log, self._name, self.ptr = log, name, 77

    def __getattr__(self, verb: str) -> Any:
        def note(*others: Any, **_: Any) -> None:
            self._log.append(" ".join([self._name, verb, *(o._name for o in others)]))

        return note

    def begin_capture(self) -> None:
        self._log.append(f"{self._name} begin_capture")
        Stream.captured = []

    def end_capture(self) -> SimpleNamespace:
        work, Stream.captured = Stream.captured, None
        if not self.capturable:
            raise RuntimeError("operation not permitted\nwhen stream is capturing")

        def launch(stream: Stream) -> None:
            self._log.append(f"graph launch {stream._name}")
            for compute in work:
                compute()

        return SimpleNamespace(launch=launch)


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Zeros at an address that is a multiple of 64, as those of a GPU are."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


def make_cupy(log: list[str]) -> SimpleNamespace:
    """CuPy whose arrays are numpy's, on one GPU of compute capability 8.9."""
    facts = {"name": b"Stand-in", "major": 8, "minor": 9}
    events = iter(["filled", "computed", "used"] * 100)
    return SimpleNamespace(
        zeros=aligned_zeros,
        asarray=np.asarray,
        cuda=SimpleNamespace(
            Device=lambda number: contextlib.nullcontext(),
            Stream=lambda non_blocking: Stream(log, "ours"),
            Event=lambda disable_timing: Stream(log, next(events)),
            get_current_stream=lambda: Stream(log, "current"),
            runtime=SimpleNamespace(
                getDeviceCount=lambda: 1, getDeviceProperties=lambda number: facts
            ),
        ),
    )
