"""Kernels against the same operations in PyTorch, both at two threads.

    python benchmarks/bench_kernels.py [--out FILE] [--repeats 25] [--threads 2]
                                        [--clock wall|cpu] [--only NAME]

Equality is asserted first. The ratio is PyTorch's median over ours; GB/s is what a kernel must at
least move (inputs once, results once) over its median, to be read against the copy bandwidth.
"""

from __future__ import annotations

import argparse
import functools
import time

import numpy as np
import sampling_cases
import torch
from sampling_cases import Case
from timing import Timing, environment, measure, write_json
from torch.nn import functional

from pysal import kernels
from pysal.types import Noise

CHANNELS, SIDE, STD = 3, 224, 0.2


def arrays(n: int, s: int, size: int, shared: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    image = rng.standard_normal((n, CHANNELS, SIDE, SIDE), np.float32)
    return {
        "image": image,
        "baseline": rng.standard_normal(image.shape, np.float32),
        "masks": rng.random((n, 1 if shared else s, size, size), np.float32),
        "nodes": (np.arange(s, dtype=np.float32) + 1) / s,
        "grad": rng.standard_normal((n, s, CHANNELS, SIDE, SIDE), np.float32),
    }


def torch_upsample(masks: torch.Tensor) -> torch.Tensor:
    if masks.shape[-1] == SIDE:
        return masks
    return functional.interpolate(masks, (SIDE, SIDE), mode="bilinear", align_corners=True)


def blend_case(n: int, s: int, size: int, *, shared: bool, noise: bool, threads: int) -> Case:
    data = arrays(n, s, size, shared)
    image, baseline, masks = (data[name] for name in ("image", "baseline", "masks"))
    nodes = data["nodes"] if shared else None
    drawn = (
        Noise(np.full(CHANNELS, STD, np.float32), np.arange(n, dtype=np.uint64)) if noise else None
    )
    ours = functools.partial(
        kernels.blend, image, baseline, masks, nodes=nodes, noise=drawn, threads=threads
    )
    tensors = [torch.from_numpy(array) for array in (image, baseline, masks, data["nodes"])]

    def peer() -> torch.Tensor:
        x, b, m, t = tensors
        keep = torch_upsample(m)
        if shared:
            keep = keep * t[:, None, None]
        composed = torch.lerp(b[:, None], x[:, None], keep[:, :, None])
        return composed.add_(torch.randn_like(composed), alpha=STD) if noise else composed

    moved = 4 * (n * s * image[0].size) + image.nbytes + baseline.nbytes + masks.nbytes
    return Case(ours, peer, moved, equal=not noise)


def noise_case(n: int, s: int, threads: int) -> Case:
    """Noise alone on the unmasked image, as SmoothGrad needs it."""
    image = arrays(n, s, 1, True)["image"]
    ones = np.ones((n, 1, 1, 1), np.float32)
    drawn = Noise(np.full(CHANNELS, STD, np.float32), np.arange(n, dtype=np.uint64))
    ours = functools.partial(
        kernels.blend, image, image, ones, nodes=np.ones(s), noise=drawn, threads=threads
    )
    x = torch.from_numpy(image)[:, None]

    def peer() -> torch.Tensor:
        return torch.randn((n, s, *image.shape[1:])).mul_(STD).add_(x)

    return Case(ours, peer, 4 * n * s * image[0].size + image.nbytes, equal=False)


def path_case(n: int, s: int, size: int, threads: int) -> Case:
    data = arrays(n, s, size, True)
    grad, image, baseline, weights = (data[k] for k in ("grad", "image", "baseline", "nodes"))
    ours = functools.partial(
        kernels.path_accumulate, grad, image, baseline, weights, (size, size), threads=threads
    )
    g, x, b, w = (torch.from_numpy(array) for array in (grad, image, baseline, weights))
    zero = torch.zeros((n, 1, size, size))

    def peer() -> torch.Tensor:
        total = torch.einsum("nchw,nschw,s->nhw", x - b, g, w)[:, None]
        if size == SIDE:
            return total[:, 0]
        mask = zero.detach().requires_grad_()
        return torch.autograd.grad(torch_upsample(mask), mask, total)[0][:, 0]

    moved = grad.nbytes + image.nbytes + baseline.nbytes + 4 * n * size * size
    return Case(ours, peer, moved)


def tv_case(n: int, size: int, exponent: float, isotropic: bool, threads: int) -> Case:
    masks = arrays(n, 1, size, True)["masks"][:, 0].copy()
    reduction = "sum" if isotropic else "mean"
    ours = functools.partial(
        kernels.tv,
        masks,
        exponent=exponent,
        reduction=reduction,
        isotropic=isotropic,
        threads=threads,
    )
    tensor = torch.from_numpy(masks)

    def peer() -> tuple[torch.Tensor, torch.Tensor]:
        m = tensor.detach().requires_grad_()
        down, right = m.diff(dim=1), m.diff(dim=2)
        if isotropic:
            down = functional.pad(down, (0, 0, 0, 1))
            right = functional.pad(right, (0, 1))
            value = (down.square() + right.square()).pow(exponent / 2).sum((1, 2))
        elif exponent == 2:
            value = down.square().mean((1, 2)) + right.square().mean((1, 2))
        else:
            value = down.abs().pow(exponent).mean((1, 2)) + right.abs().pow(exponent).mean((1, 2))
        return value.detach(), torch.autograd.grad(value.sum(), m)[0]

    return Case(ours, peer, 2 * masks.nbytes)


def cases(threads: int) -> dict[str, Case]:
    table = {}
    for n, s in ((1, 20), (20, 1)):
        for size in (28, SIDE):
            where = f"N={n} S={s} {size}->{SIDE}"
            blend = functools.partial(blend_case, n, s, size, threads=threads)
            table[f"blend, masks, {where}"] = blend(shared=False, noise=False)
            table[f"blend, path, {where}"] = blend(shared=True, noise=False)
            table[f"blend, path, noise, {where}"] = blend(shared=True, noise=True)
            table[f"path_accumulate, {where}"] = path_case(n, s, size, threads)
        table[f"noise only, N={n} S={s}"] = noise_case(n, s, threads)
    for size in (28, SIDE):
        table[f"tv, exponent 2, N=20 {size}"] = tv_case(20, size, 2.0, False, threads)
        table[f"tv, exponent 3, N=20 {size}"] = tv_case(20, size, 3.0, False, threads)
        table[f"tv, isotropic 3, N=20 {size}"] = tv_case(20, size, 3.0, True, threads)
    return table | sampling_cases.cases(threads)


def check(name: str, case: Case) -> None:
    """Both candidates agree; for noise, their shapes and standard deviations."""
    ours, peer = case.ours(), case.peer()
    pairs = zip(ours, peer, strict=True) if isinstance(ours, tuple) else [(ours, peer)]
    for mine, theirs in pairs:
        theirs = theirs.numpy()
        if mine.shape != theirs.shape:
            raise SystemExit(f"{name}: shape {mine.shape}, PyTorch has {theirs.shape}")
        scale = float(np.abs(theirs).max())
        if case.equal:
            np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5 * scale, err_msg=name)
        else:
            np.testing.assert_allclose(mine.std(), theirs.std(), rtol=1e-2, err_msg=name)


def copy_bandwidth(repeats: int) -> Timing:
    """A plain copy of as many bytes as 20 images have, on one thread: seconds."""
    source = np.ones(20 * CHANNELS * SIDE * SIDE, np.float32)
    target = np.empty_like(source)
    return measure({"copy": lambda: np.copyto(target, source)}, repeats)["copy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="benchmarks/results/kernels.json")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--only", default="", help="cases with one of these in their names: a,b")
    options = parser.parse_args()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    torch.set_num_threads(options.threads)
    copy = copy_bandwidth(options.repeats)
    copied = 2 * 4 * 20 * CHANNELS * SIDE * SIDE / copy.median / 1e9
    print(f"{kernels.implementation()}; copy {copied:.1f} GB/s")
    print(f"{'case':44} {'ours ms':>9} {'torch ms':>9} {'ratio':>6} {'GB/s':>6}")
    rows = []
    for name, case in cases(options.threads).items():
        if not any(part in name for part in options.only.split(",")):
            continue
        check(name, case)
        times = measure(
            {"ours": case.ours, "torch": case.peer}, options.repeats, pause=0.005, clock=clock
        )
        ours, peer = times["ours"], times["torch"]
        ratio, rate = peer.median / ours.median, case.num_bytes / ours.median / 1e9
        print(
            f"{name:44} {1e3 * ours.median:9.3f} {1e3 * peer.median:9.3f} {ratio:6.2f} {rate:6.1f}"
        )
        rows.append({"case": name, **times, "ratio": round(ratio, 2), "gb_per_s": round(rate, 2)})
    record = {
        "environment": environment(),
        "kernels": kernels.implementation(),
        "threads": options.threads,
        "clock": options.clock,
        "copy_gb_per_s": round(copied, 2),
        "rows": rows,
    }
    write_json(options.out, record)


if __name__ == "__main__":
    main()
