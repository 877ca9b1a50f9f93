"""Timing for all benchmarks: interleaved repetitions, medians and spread, and what ran where.

Candidates that are compared run in turns, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PACKAGES = (
    *("pysal-saliency", "numpy", "torch", "torchvision", "triton", "cupy-cuda13x"),
    *("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt"),
)


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of one call: median, quartiles, minimum and 99th percentile over the repetitions."""

    median: float
    low: float
    high: float
    best: float
    p99: float
    repeats: int


def measure(
    functions: Mapping[str, Any],
    repeats: int = 15,
    warmup: int = 3,
    pause: float = 0.0,
    synchronize: Callable[[], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    timer: Callable[[Any], float] | None = None,
    limit: float = float("inf"),
) -> dict[str, Timing]:
    """Time functions without arguments, in turns.

    Parameters
    ----------
    functions : mapping of str to callable
        Each must have finished its work when it returns, or `synchronize` must wait for it.
    repeats, warmup : int
        Timed and untimed calls of each.
    pause : float
        Seconds of rest before each call: idle threads of another library's pool spin for a while.
    synchronize : callable, optional
        Waits for the device, called before the clock starts and before it stops.
    clock : callable
        time.process_time measures work instead: for one thread on a machine that others load.
    timer : callable, optional
        Runs one of the functions, or whatever stands in their place, and returns its seconds; then
        `synchronize` and `clock` are not used.
    limit : float
        No turn begins after this many seconds, the warm-up included, once there is one timed turn.

    Returns
    -------
    dict of str to Timing
    """
    once = timer or _timer(synchronize or (lambda: None), clock)
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    collecting = gc.isenabled()
    gc.disable()
    begin = time.perf_counter()
    try:
        for turn in range(warmup + repeats):
            if turn > warmup and time.perf_counter() - begin > limit:
                break
            for name, function in functions.items():
                time.sleep(pause)
                taken = once(function)
                if turn >= warmup:
                    seconds[name].append(taken)
    finally:
        if collecting:
            gc.enable()
    return {name: _summary(values) for name, values in seconds.items()}


def _timer(
    wait: Callable[[], None], clock: Callable[[], float]
) -> Callable[[Callable[[], object]], float]:
    """Seconds of one call, from an idle device until it is idle again."""

    def once(function: Callable[[], object]) -> float:
        wait()
        start = clock()
        result = function()
        wait()
        stop = clock()
        del result
        return stop - start

    return once


def percentile(ordered: Sequence[float], part: float) -> float:
    """Value at `part`, 0 to 1, of values in ascending order: the nearest that was measured."""
    return ordered[round((len(ordered) - 1) * part)]


def _summary(values: list[float]) -> Timing:
    ordered = sorted(values)
    low, median, high, p99 = (percentile(ordered, part) for part in (0.25, 0.5, 0.75, 0.99))
    return Timing(median, low, high, ordered[0], p99, len(ordered))


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes; 0 where it is not known."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def environment() -> dict[str, Any]:
    """Machine and versions, without anything that names the machine or its users."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "system": platform.system(),
        "processor": _processor(),
        "instructions": _instructions(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": versions,
        "peak_bytes": peak_memory(),
    }


def write_json(path: str | Path, record: Mapping[str, Any]) -> None:
    """Write a record, `Timing` values included, creating the folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=1, default=_plain)
    path.write_text(text + "\n", encoding="utf-8")


def append_json(path: str | Path, record: Mapping[str, Any]) -> None:
    """Add a record to a file of one JSON object per line."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, default=_plain) + "\n")


def _plain(value: object) -> object:
    """What json cannot write by itself: records, and numpy scalars and arrays."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.asdict(value)
        return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in fields.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} as JSON; convert it first")


def _cpu_field(name: str) -> str:
    """A field of the first processor in /proc/cpuinfo, else an empty string."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def _processor() -> str:
    return _cpu_field("model name") or platform.processor() or platform.machine()


def _instructions() -> list[str]:
    flags = set(_cpu_field("flags").split())
    return [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
