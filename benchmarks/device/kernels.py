"""Kernels in bytes per second, against PyTorch eager and torch.compile on the same arrays.

Bytes are what a kernel must at least move: every input once, every result once; the report sets
them against the card's copy. Input sets rotate, so that caches do not serve them. Every result is
compared with float64 before it is timed.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from timing import measure

from device.clock import host_seconds, launch_timer
from device.kernel_cases import (
    STD,
    Case,
    as_tuple,
    blend_case,
    judge,
    path_case,
    tv_case,
)
from device.sampling_cases import (
    DECONVOLUTIONS,
    deconv_case,
    grids_case,
    patches_case,
    ranked_case,
    segments_case,
    sums_case,
)
from device.setting import Setting, begin, exact_float32

SAMPLING = {
    "patches": patches_case,
    "segments": segments_case,
    "ranked": ranked_case,
    "grids": grids_case,
}

TOLERANCE = 1e-5
"""Largest relative 2-norm of the error of float32 results."""


def cases(setting: Setting) -> Iterator[tuple[str, Callable[[], Case]]]:
    """Names and makers; arrays exist only while their case runs."""
    side, s = setting.pick((224, 20), (32, 3))
    device = setting.device
    sizes = setting.pick((28, 224), (7, 32))
    numbers = setting.pick((16, 1), (2,))
    for n, size, last in itertools.product(numbers, sizes, (False, True)):
        where = f"N={n} {size}{' last' * last}"
        for noise in (False, True):
            make = functools.partial(blend_case, noise=noise, last=last)
            name = f"blend{' noise' * noise} {where}"
            yield name, functools.partial(make, device, side, n, s, size)
        path = functools.partial(path_case, device, side, n, s, size, last=last)
        yield f"path {where}", path
    for n, size in itertools.product(setting.pick((1024, 16), (3,)), sizes):
        yield f"tv N={n} {size}", functools.partial(tv_case, device, n, size)
    yield from sampling(setting)


def sampling(setting: Setting) -> Iterator[tuple[str, Callable[[], Case]]]:
    """The kernels of sampling methods, and resampled deconvolution."""
    side, (n, v), samples = setting.pick((224, (16, 32), 8000), (40, (2, 3), 20))
    device = setting.device
    for name, make in SAMPLING.items():
        yield f"{name} N={n} V={v}", functools.partial(make, device, side, n, v)
    yield f"rise sums N={n} V={samples}", functools.partial(sums_case, device, side, n, samples)
    for name in list(DECONVOLUTIONS)[: setting.pick(None, 1)]:
        images = setting.pick(16, 1)
        yield f"deconv {name} N={images}", functools.partial(deconv_case, device, images, name)


def check(case: Case) -> float:
    """Relative error of the first call, which must be small; for noise, its mean and deviation."""
    results, wanted = as_tuple(case.ours[0]()), judge(case)
    assert len(results) == len(wanted), case.name
    worst = 0.0
    for result, exact in zip(results, wanted, strict=True):
        assert result.shape == exact.shape, f"shape {tuple(result.shape)}, not {tuple(exact.shape)}"
        assert result.isfinite().all(), "not every element was written"
        if case.noise:
            drawn = (result - exact) / STD
            worst = max(abs(float(drawn.mean())), abs(float(drawn.std()) - 1))
            spread = 6 / drawn.numel() ** 0.5
            assert worst <= spread, f"mean or deviation of the noise is off by {worst:.2g}"
            continue
        worst = max(worst, float((result - exact).norm() / exact.norm()))
        assert worst <= TOLERANCE, f"relative error {worst:.2g}"
    return worst


def bench(setting: Setting, make: Callable[[], Case]) -> dict[str, Any]:
    """Seconds per call of pysal and its peers, in turn."""
    case = make()
    error = check(case)
    sides: dict[str, list[Callable[[], Any]]] = {
        "pysal": case.ours,
        "eager": [functools.partial(case.peer, *arrays) for arrays in case.inputs],
    }
    compiled = _compiled(setting, case)
    if compiled is not None:
        sides["compile"] = [functools.partial(compiled, *arrays) for arrays in case.inputs]
    repeats, limit = setting.pick((15, 3.0), (1, 1.0))
    times = measure(sides, repeats, 2, timer=launch_timer(setting.device), limit=limit)
    return {
        "bytes": case.num_bytes,
        "sets": len(case.inputs),
        "error": error,
        "seconds": times,
        "per_s": case.num_bytes / times["pysal"].median,
        "host_seconds": host_seconds(setting.device, case.ours[0], setting.pick(20, 2)),
    }


def _compiled(setting: Setting, case: Case) -> Callable[..., Any] | None:
    """The peer under torch.compile, run once; None where that does not work or takes too long."""
    if not case.compiles or setting.left() < setting.pick(25, 0):
        return None
    backend = setting.pick("inductor", "eager")
    try:
        torch.compiler.reset()
        compiled = torch.compile(case.peer, dynamic=False, backend=backend)
        result = compiled(*case.inputs[0])
    except Exception as error:
        setting.row(case=f"compile {case.name}", error=str(error)[:200], required=False)
        return None
    shapes = [part.shape for part in as_tuple(result)]
    return compiled if shapes == [part.shape for part in judge(case)] else None


def main() -> None:
    setting = begin("kernels", __doc__)
    exact_float32()
    torch.manual_seed(0)
    for name, make in cases(setting):
        setting.attempt(name, functools.partial(bench, setting, make))
    setting.end()


if __name__ == "__main__":
    main()
