"""Kernels to be timed: pysal's calls on several input sets, and the same operation in PyTorch."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from device.clock import num_sets
from pysal import kernels
from pysal.types import Noise

CHANNELS, STD, FLOAT = 3, 0.2, 4
Call = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """One kernel at one size.

    Attributes
    ----------
    num_bytes : int
        Every input read once, every result written once.
    ours : list of callable
        pysal on each input set.
    peer : callable
        The operation in PyTorch, on the arrays that it is given.
    inputs : list of tuple of Tensor
        What the peer takes, per input set.
    noise : bool
        Whether the results are random: pysal's noise has its own generator.
    compiles : bool
        Whether torch.compile is a peer too: not where it cannot take the operation as a whole, and
        at one size and layout per kernel, since every compilation takes seconds.
    """

    name: str
    num_bytes: int
    ours: list[Call]
    peer: Callable[..., Any]
    inputs: list[tuple[Tensor, ...]]
    noise: bool = False
    compiles: bool = True


def blend_bytes(n: int, s: int, side: int, size: int, channels: int = CHANNELS) -> int:
    """Image, baseline, one mask per image, the nodes; and a composed image per node."""
    pixels = n * channels * side * side
    return FLOAT * (2 * pixels + n * size * size + s + s * pixels)


def path_bytes(n: int, s: int, side: int, size: int, channels: int = CHANNELS) -> int:
    """A gradient per node, image, baseline, the weights; and a mask gradient per image."""
    pixels = n * channels * side * side
    return FLOAT * (s * pixels + 2 * pixels + s + n * size * size)


def tv_bytes(n: int, size: int) -> int:
    """The masks; their gradient, and a float64 value each."""
    return FLOAT * 2 * n * size * size + 8 * n


def upsample(masks: Tensor, side: int) -> Tensor:
    """Masks (N, 1, h, w) at the size of the images."""
    if masks.shape[-1] == side:
        return masks
    return functional.interpolate(masks, (side, side), mode="bilinear", align_corners=True)


def torch_blend(
    std: float, image: Tensor, baseline: Tensor, masks: Tensor, nodes: Tensor
) -> Tensor:
    keep = upsample(masks, image.shape[-1]) * nodes[:, None, None]
    composed = torch.lerp(baseline[:, None], image[:, None], keep[:, :, None])
    return composed.add_(torch.randn_like(composed), alpha=std) if std else composed


def torch_path(size: int, grad: Tensor, image: Tensor, baseline: Tensor, weights: Tensor) -> Tensor:
    """One pass over the gradients, in the order in which they lie in memory."""
    n, s, c, height, width = grad.shape
    if grad.is_contiguous():
        mean = (weights @ grad.reshape(n, s, -1)).view(n, c, height, width)
    else:
        rows = grad.permute(0, 1, 3, 4, 2).reshape(n, s, -1)
        mean = (weights @ rows).view(n, height, width, c).permute(0, 3, 1, 2)
    total = ((image - baseline) * mean).sum(1, keepdim=True)
    if size == height:
        return total[:, 0]
    shape = [n, 1, size, size]
    return torch.ops.aten.upsample_bilinear2d_backward(total, [height, width], shape, True)[:, 0]


def torch_tv(masks: Tensor) -> tuple[Tensor, Tensor]:
    m = masks.detach().requires_grad_()
    value = m.diff(dim=1).square().mean((1, 2)) + m.diff(dim=2).square().mean((1, 2))
    return value.detach(), torch.autograd.grad(value.sum(), m)[0]


def _random(device: torch.device, last: bool, *shape: int) -> Tensor:
    """Random numbers, channels last in memory where asked."""
    if not last:
        return torch.randn(shape, device=device)
    *front, channels, height, width = shape
    axes = (*range(len(front)), -1, -3, -2)
    return torch.randn(*front, height, width, channels, device=device).permute(axes)


def _poisoned(device: torch.device, last: bool, *shape: int) -> Tensor | None:
    """Room for a result, with NaN in it; on the CPU only contiguous room can be given."""
    if last and device.type == "cpu":
        return None
    return _random(device, last, *shape).fill_(torch.nan)


def blend_case(
    device: torch.device, side: int, n: int, s: int, size: int, *, noise: bool, last: bool
) -> Case:
    num_bytes = blend_bytes(n, s, side, size)
    nodes = ((np.arange(s) + 1) / s).astype(np.float32)
    there = torch.from_numpy(nodes).to(device)
    std = np.full(CHANNELS, STD, np.float32)
    drawn = Noise(std, np.arange(n, dtype=np.uint64)) if noise else None
    ours, inputs = [], []
    for _ in range(num_sets(device, num_bytes)):
        image, baseline = (_random(device, last, n, CHANNELS, side, side) for _ in range(2))
        masks = torch.rand(n, 1, size, size, device=device)
        options = {
            "nodes": nodes,
            "noise": drawn,
            "out": _poisoned(device, last, n, s, CHANNELS, side, side),
        }
        ours.append(functools.partial(kernels.blend, image, baseline, masks, **options))
        inputs.append((image, baseline, masks, there))
    peer = functools.partial(torch_blend, STD if noise else 0.0)
    name = f"blend{' noise' * noise}{' last' * last} N={n} {size}"
    return Case(name, num_bytes, ours, peer, inputs, noise, compiles=n > 1 and not last)


def path_case(device: torch.device, side: int, n: int, s: int, size: int, *, last: bool) -> Case:
    num_bytes = path_bytes(n, s, side, size)
    weights = np.random.default_rng(0).random(s).astype(np.float32)
    there = torch.from_numpy(weights).to(device)
    ours, inputs = [], []
    for _ in range(num_sets(device, num_bytes)):
        grad = _random(device, last, n, s, CHANNELS, side, side)
        image, baseline = (_random(device, last, n, CHANNELS, side, side) for _ in range(2))
        arrays = (grad, image, baseline, weights, (size, size))
        ours.append(functools.partial(kernels.path_accumulate, *arrays))
        inputs.append((grad, image, baseline, there))
    peer = functools.partial(torch_path, size)
    name = f"path{' last' * last} N={n} {size}"
    return Case(name, num_bytes, ours, peer, inputs, compiles=n > 1 and not last)


def tv_case(device: torch.device, n: int, size: int) -> Case:
    num_bytes = tv_bytes(n, size)
    inputs = [
        (torch.rand(n, size, size, device=device),) for _ in range(num_sets(device, num_bytes))
    ]
    ours = [functools.partial(kernels.tv, *arrays) for arrays in inputs]
    return Case(f"tv N={n} {size}", num_bytes, ours, torch_tv, inputs, compiles=False)


def judge(case: Case) -> tuple[Tensor, ...]:
    """What the first call must give, up to noise, in float64."""
    arrays = [a.double() if a.is_floating_point() else a for a in case.inputs[0]]
    peer = functools.partial(torch_blend, 0.0) if case.noise else case.peer
    return as_tuple(peer(*arrays))


def as_tuple(result: Any) -> tuple[Tensor, ...]:
    """One or several results."""
    return result if isinstance(result, tuple) else (result,)
