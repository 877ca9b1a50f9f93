"""Clocks: on the card its own events, on the CPU the wall clock; and the card's two ceilings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from timing import Timing, measure, peak_memory

ROUND = 40
"""Launches per measurement: with a few kernels each, fewer than the queue of a stream holds."""

CYCLES_PER_SECOND = 2e9
"""Of the wait below; a card with a slower clock waits longer, which does no harm."""

FLUSH = 3
"""Input sets together are so many times as large as the cache, so that no read is served by it."""


def synchronize(device: torch.device) -> None:
    """Wait until the device is idle."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def wall_timer(device: torch.device) -> Callable[[Callable[[], Any]], float]:
    """Timer of whole calls as their caller sees them, the device's work included."""

    def once(function: Callable[[], Any]) -> float:
        synchronize(device)
        start = time.perf_counter()
        result = function()
        synchronize(device)
        seconds = time.perf_counter() - start
        del result
        return seconds

    return once


def launch_timer(device: torch.device) -> Callable[[Sequence[Callable[[], Any]]], float]:
    """Timer of single kernels: mean seconds per call over a round of calls, one after another.

    It takes the same call on several input sets, in turn, and keeps their results, so that neither
    reads nor writes stay in the cache. On a card the round waits in the queue until the host has
    launched all of it: the events then hold the card's work and no gaps.
    """
    return _queued if device.type == "cuda" else _looped


def _looped(calls: Sequence[Callable[[], Any]]) -> float:
    start = time.perf_counter()
    results = [call() for call in calls]
    seconds = time.perf_counter() - start
    del results
    return seconds / len(calls)


def _queued(calls: Sequence[Callable[[], Any]]) -> float:
    results: list[Any] = [None] * len(calls)
    torch.cuda.synchronize()
    start = time.perf_counter()
    _round(calls, results)
    host = time.perf_counter() - start
    torch.cuda.synchronize()
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda._sleep(int(min(2 * host + 2e-4, 0.1) * CYCLES_PER_SECOND))
    first.record()
    _round(calls, results)
    last.record()
    last.synchronize()
    return first.elapsed_time(last) / 1e3 / ROUND


def _round(calls: Sequence[Callable[[], Any]], results: list[Any]) -> None:
    for turn in range(ROUND):
        results[turn % len(calls)] = calls[turn % len(calls)]()


def host_seconds(device: torch.device, call: Callable[[], Any], count: int = 20) -> float:
    """What one call costs the host thread, whose work on the device it does not wait for."""
    synchronize(device)
    start = time.perf_counter()
    results = [call() for _ in range(count)]
    seconds = (time.perf_counter() - start) / count
    synchronize(device)
    del results
    return seconds


def num_sets(device: torch.device, num_bytes: int) -> int:
    """Input sets of a kernel that moves so many bytes, for `launch_timer`."""
    if device.type != "cuda":
        return 2
    cache = torch.cuda.get_device_properties(device).L2_cache_size
    return int(min(max(-(-FLUSH * cache // num_bytes), 2), ROUND))


def reset_peak(device: torch.device) -> None:
    """Begin to watch the device's memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def held_bytes(device: torch.device) -> int:
    """What PyTorch holds on the device now; on the CPU nothing is taken off."""
    return torch.cuda.memory_reserved() if device.type == "cuda" else 0


def peak_bytes(device: torch.device) -> int:
    """Most that PyTorch held on the device since then; on the CPU, of the whole process."""
    return torch.cuda.max_memory_reserved() if device.type == "cuda" else peak_memory()


def copy_bandwidth(device: torch.device, num_bytes: int, repeats: int) -> tuple[Timing, float]:
    """Time of a plain copy on the device, and bytes read plus written per second."""
    source = torch.randint(256, (num_bytes,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    timing = measure({"copy": [lambda: target.copy_(source)]}, repeats, timer=_timer(device))
    return timing["copy"], 2 * num_bytes / timing["copy"].median


def matmul_rate(device: torch.device, side: int, dtype: torch.dtype, repeats: int) -> float:
    """Floating-point operations per second of a large product of random matrices."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    timing = measure({"matmul": [lambda: a @ b]}, repeats, timer=_timer(device))["matmul"]
    return 2 * side**3 / timing.median


def _timer(device: torch.device) -> Callable[[Sequence[Callable[[], Any]]], float]:
    """Timer of one long call, without a round."""
    if device.type != "cuda":
        return _looped

    def once(calls: Sequence[Callable[[], Any]]) -> float:
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        first.record()
        result = calls[0]()
        last.record()
        last.synchronize()
        del result
        return first.elapsed_time(last) / 1e3

    return once


def event_timer(device: torch.device) -> Callable[[Callable[[], Any]], float]:
    """Timer of one call by the device's events; by the wall clock on the CPU."""
    once = _timer(device)
    return lambda function: once([function])
