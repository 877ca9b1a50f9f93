"""Results on the card against the CPU: kernels, and whole explanations of the same network."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from device.agreement import compare, runs, worst
from device.networks import STEADY, make_network, pictures, side_of
from device.setting import Setting, begin, exact_float32
from pysal import kernels
from pysal.backends.pytorch import TorchClassifier
from pysal.methods.igos import igos
from pysal.types import Noise, Target

KERNEL = 5e-6
"""Largest relative 2-norm of a difference of float32 kernels."""


def relative(a: Tensor, b: Tensor) -> float:
    """Relative 2-norm of the difference, in float64 on the CPU; NaN never passes a comparison."""
    a, b = a.detach().cpu().double(), b.detach().cpu().double()
    return float((a - b).norm() / b.norm().clamp_min(1e-30))


def noise_bits(setting: Setting) -> dict[str, Any]:
    """The noise alone has the same bits, whatever the shape, the seed and the step."""
    count = 0
    shapes = [(1, 1, 1, 1), (2, 3, 3, 33), (3, 2, 3, 64), *setting.pick([(1, 20, 3, 224)], [])]
    for n, s, c, side in shapes:
        zero, mask = torch.zeros(n, c, side, side), torch.ones(n, 1, 1, 1)
        seeds = np.array([2**64 - 1, 7, 2**32][:n], np.uint64)
        std = np.linspace(0.1, 3, c).astype(np.float32)
        drawn = Noise(std, seeds, step=n * 1000)
        options = {"nodes": np.ones(s, np.float32), "noise": drawn, "first_node": 5 * n}
        here = kernels.blend(zero, zero, mask, **options)
        there = kernels.blend(*(a.to(setting.device) for a in (zero, zero, mask)), **options)
        assert torch.equal(here.view(torch.int32), there.cpu().view(torch.int32)), (n, s, c, side)
        assert side == 1 or here.std() > 0.05, "the noise is missing"
        count += here.numel()
    return {"equal_values": count}


def kernel_results(setting: Setting) -> dict[str, Any]:
    """blend, path_accumulate and tv, odd sizes and both layouts."""
    worst_of: dict[str, float] = {}
    generator = torch.Generator().manual_seed(0)
    rand = functools.partial(torch.rand, generator=generator)
    shapes = [(1, 3, 33, 5), (2, 4, 64, 64), (3, 1, 30, 1), *setting.pick([(2, 20, 224, 28)], [])]
    for n, s, side, size in shapes:
        image, baseline = rand(n, 3, side, side), rand(n, 3, side, side)
        masks, grad = rand(n, 1, size, size), rand(n, s, 3, side, side) - 0.5
        nodes = (np.arange(s, dtype=np.float32) + 1) / s
        for last in (False, True):
            image, baseline = (_layout(a, last) for a in (image, baseline))
            there = [a.to(setting.device) for a in (image, baseline, masks, grad)]
            pairs = {
                "blend": [
                    kernels.blend(*arrays[:3], nodes=nodes)
                    for arrays in ((image, baseline, masks), there)
                ],
                "path_accumulate": [
                    kernels.path_accumulate(g, i, b, nodes, (size, size))
                    for i, b, g in ((image, baseline, grad), (there[0], there[1], there[3]))
                ],
            }
            if size > 1:
                here, gone = (kernels.tv(m[:, 0].contiguous()) for m in (masks, there[2]))
                pairs |= {"tv value": [here[0], gone[0]], "tv gradient": [here[1], gone[1]]}
            for name, (here, gone) in pairs.items():
                error = relative(gone, here)
                assert error <= KERNEL, f"{name} {(n, s, side, size, last)}: {error:.2g}"
                worst_of[name] = max(worst_of.get(name, 0.0), error)
    return worst_of


def explanations(setting: Setting, noise: str) -> dict[str, Any]:
    """I-GOS on the card against the CPU backend of the same network, float32 without TF32."""
    name = setting.pick(STEADY, "tiny_shuffle")
    network, side = make_network(name), side_of(name)
    images = pictures(2, side, seed=1).numpy()
    shape = (3, side, side)
    here = TorchClassifier(network, input_shape=shape, device="cpu")
    target = Target(here.score(images).argmax(axis=1))
    steps, size = setting.pick((8, 28), (2, 7))
    options = {"size": size, "iterations": steps, "steps": steps, "noise": noise}
    wanted = igos(here, images, target, **options)
    there = TorchClassifier(make_network(name), input_shape=shape, device=str(setting.device))
    found = igos(there, images, target, **options)
    assert np.isfinite(found.map).all()
    assert np.ptp(found.native) > 0, "the mask did not move"
    pairs = zip(runs(found), runs(wanted), strict=True)
    return {"network": name, **worst([compare(*pair) for pair in pairs])}


def _layout(array: Tensor, last: bool) -> Tensor:
    return array.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def main() -> None:
    setting = begin("check", __doc__)
    exact_float32()
    setting.attempt("noise, to the bit", lambda: noise_bits(setting))
    setting.attempt("kernels", lambda: kernel_results(setting))
    for noise in ("off", "gaussian"):
        setting.attempt(f"igos, noise {noise}", functools.partial(explanations, setting, noise))
    setting.end()


if __name__ == "__main__":
    main()
