"""Kernels whose masks are never in memory, RISE's sums and resampled deconvolution, to be timed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from device.clock import num_sets
from device.kernel_cases import CHANNELS, FLOAT, Case, upsample
from pysal import kernels

WINDOW, GRID = 29, 7

DECONVOLUTIONS = {
    "VGG-F 11 x 11 / 4": (64, 3, 224, 11, 4, 0),
    "ResNet 7 x 7 / 2": (64, 3, 224, 7, 2, 3),
    "ResNet 3 x 3 / 2": (128, 128, 56, 3, 2, 1),
}
"""Signals, channels, size, kernel, stride, padding."""


def torch_patches(image: Tensor, baseline: Tensor, corners: Tensor) -> Tensor:
    rows, columns = (torch.arange(side, device=image.device) for side in image.shape[-2:])
    top, left = corners[:, 0, None], corners[:, 1, None]
    down = (rows >= top) & (rows < top + WINDOW)
    across = (columns >= left) & (columns < left + WINDOW)
    inside = (down[:, :, None] & across[:, None, :])[:, None]
    return torch.where(inside, baseline[:, None], image[:, None])


def torch_segments(image: Tensor, baseline: Tensor, labels: Tensor, keep: Tensor) -> Tensor:
    shown = [on[:, parts] for on, parts in zip(keep.bool(), labels.long(), strict=True)]
    return torch.where(torch.stack(shown)[:, :, None], image[:, None], baseline[:, None])


def torch_ranked(image: Tensor, baseline: Tensor, ranks: Tensor, thresholds: Tensor) -> Tensor:
    n, v = len(ranks), len(thresholds)
    keep = (ranks[:, None] >= thresholds[:, None, None]).to(image.dtype)
    wide = upsample(keep.view(n * v, 1, *ranks.shape[1:]), image.shape[-1])
    return torch.lerp(baseline[:, None], image[:, None], wide.view(n, v, 1, *wide.shape[2:]))


def torch_masks(grids: Tensor, offsets: Tensor, rise: Tensor, side: int) -> Tensor:
    """Masks (V, H, W) of RISE: upsampled, then cut out at the offsets."""
    wide = rise @ grids @ rise.T
    rows = offsets[:, 0, None].long() + torch.arange(side, device=grids.device)
    columns = offsets[:, 1, None].long() + torch.arange(side, device=grids.device)
    number = torch.arange(len(grids), device=grids.device)
    return wide[number[:, None, None], rows[:, :, None], columns[:, None, :]]


def torch_grids(side: int, image: Tensor, grids: Tensor, offsets: Tensor, rise: Tensor) -> Tensor:
    return torch_masks(grids, offsets, rise, side)[:, None] * image[:, None]


def torch_sums(side: int, grids: Tensor, offsets: Tensor, weights: Tensor, rise: Tensor) -> Tensor:
    total = torch.zeros(len(weights), side * side, device=grids.device, dtype=weights.dtype)
    for first in range(0, len(grids), 500):
        part = slice(first, first + 500)
        masks = torch_masks(grids[part], offsets[part], rise, side).flatten(1)
        total += weights[:, part] @ masks.to(weights.dtype)
    return total.view(-1, side, side)


def torch_deconv(stride: int, pad: int, size: int, signal: Tensor, weight: Tensor) -> Tensor:
    resized = size + 2 * pad - weight.shape[-1] + 1
    source = signal.shape[-1]
    index = (2 * torch.arange(resized, device=signal.device) + 1) * source // (2 * resized)
    return functional.conv_transpose2d(signal[:, :, index][:, :, :, index], weight, padding=pad)


def upsampling(device: torch.device, cells: int, wide: int) -> Tensor:
    """The matrix from cells to `wide` pixels that `blend_grids` applies along each axis."""
    image = torch.ones(1, 1, wide, 1, device=device)
    origin = torch.zeros(1, 2, dtype=torch.int32, device=device)
    units = torch.eye(cells, device=device)
    columns = [
        kernels.blend_grids(image, None, unit[None, :, None].contiguous(), origin, (wide, 1))
        for unit in units
    ]
    return torch.stack([column.view(wide) for column in columns], dim=1)


def _case(
    device: torch.device,
    name: str,
    num_bytes: int,
    make: Callable[[], tuple[Tensor, ...]],
    ours: Callable[..., Any],
    peer: Callable[..., Any],
) -> Case:
    """A case whose two sides take the same arrays."""
    inputs = [make() for _ in range(num_sets(device, num_bytes))]
    calls = [functools.partial(ours, *arrays) for arrays in inputs]
    return Case(name, num_bytes, calls, peer, inputs, compiles=False)


def _whole(device: torch.device, low: int, high: int, *shape: int) -> Tensor:
    return torch.randint(low, high, shape, device=device, dtype=torch.int32)


def patches_case(device: torch.device, side: int, n: int, v: int) -> Case:
    """Windows, as in SP: V versions of N images."""

    def make() -> tuple[Tensor, ...]:
        return *_images(device, side, n), _whole(device, 0, side - WINDOW + 1, v, 2)

    def ours(image: Tensor, baseline: Tensor, corners: Tensor) -> Tensor:
        return kernels.blend_patches(image, baseline, corners, (WINDOW, WINDOW))

    num_bytes = FLOAT * ((2 + v) * n * CHANNELS * side**2 + 2 * v)
    return _case(device, f"patches N={n} V={v}", num_bytes, make, ours, torch_patches)


def segments_case(device: torch.device, side: int, n: int, v: int) -> Case:
    """49 segments, half of them on, as in LIME."""

    def make() -> tuple[Tensor, ...]:
        on = torch.randint(0, 2, (n, v, 49), device=device, dtype=torch.uint8)
        return *_images(device, side, n), _whole(device, 0, 49, n, side, side), on

    num_bytes = FLOAT * ((2 + v) * n * CHANNELS + n) * side**2 + n * v * 49
    name = f"segments N={n} V={v}"
    return _case(device, name, num_bytes, make, kernels.blend_segments, torch_segments)


def ranked_case(device: torch.device, side: int, n: int, v: int, cells: int = 28) -> Case:
    """Points of an insertion curve."""

    def make() -> tuple[Tensor, ...]:
        order = torch.stack([torch.randperm(cells**2, device=device) for _ in range(n)])
        ends = torch.linspace(0, cells**2, v, device=device).int()
        return *_images(device, side, n), order.view(n, cells, cells).int(), ends

    num_bytes = FLOAT * ((2 + v) * n * CHANNELS * side**2 + n * cells**2 + v)
    name = f"ranked N={n} V={v}"
    return _case(device, name, num_bytes, make, kernels.blend_ranked, torch_ranked)


def _images(device: torch.device, side: int, n: int) -> tuple[Tensor, Tensor]:
    image, baseline = (torch.randn(n, CHANNELS, side, side, device=device) for _ in range(2))
    return image, baseline


def grids_case(device: torch.device, side: int, n: int, v: int) -> Case:
    """RISE's images."""
    wide, pixels = side + 32, n * CHANNELS * side * side

    def make() -> tuple[Tensor, ...]:
        image = torch.randn(n, CHANNELS, side, side, device=device)
        grids = torch.randint(0, 2, (v, GRID, GRID), device=device).float()
        return image, grids, _whole(device, 0, 32, v, 2), upsampling(device, GRID, wide)

    def ours(image: Tensor, grids: Tensor, offsets: Tensor, rise: Tensor) -> Tensor:
        return kernels.blend_grids(image, None, grids, offsets, (wide, wide))

    num_bytes = FLOAT * ((1 + v) * pixels + v * (GRID * GRID + 2))
    peer = functools.partial(torch_grids, side)
    return _case(device, f"grids N={n} V={v}", num_bytes, make, ours, peer)


def sums_case(device: torch.device, side: int, n: int, v: int) -> Case:
    """RISE's weighted sums."""
    wide = side + 32

    def make() -> tuple[Tensor, ...]:
        grids = torch.randint(0, 2, (v, GRID, GRID), device=device).float()
        weights = torch.rand(n, v, device=device, dtype=torch.float64)
        return grids, _whole(device, 0, 32, v, 2), weights, upsampling(device, GRID, wide)

    def ours(grids: Tensor, offsets: Tensor, weights: Tensor, rise: Tensor) -> Tensor:
        return kernels.rise_accumulate(grids, offsets, weights, (wide, wide), (side, side))

    num_bytes = FLOAT * v * (GRID * GRID + 2) + 8 * n * (v + side * side)
    peer = functools.partial(torch_sums, side)
    return _case(device, f"rise sums N={n} V={v}", num_bytes, make, ours, peer)


def deconv_case(device: torch.device, n: int, name: str) -> Case:
    """A strided convolution of a known network, carried back as if its stride were 1."""
    signals, channels, size, kernel, stride, pad = DECONVOLUTIONS[name]
    source = (size + 2 * pad - kernel) // stride + 1

    def make() -> tuple[Tensor, ...]:
        weight = torch.randn(signals, channels, kernel, kernel, device=device)
        return torch.randn(n, signals, source, source, device=device), weight

    def ours(signal: Tensor, weight: Tensor) -> Tensor:
        return kernels.resampled_deconv(
            signal, weight, (size, size), strides=(stride, stride), pads=(pad,) * 4
        )

    numbers = n * signals * source**2 + signals * channels * kernel**2 + n * channels * size**2
    peer = functools.partial(torch_deconv, stride, pad, size)
    return _case(device, f"deconv {name} N={n}", FLOAT * numbers, make, ours, peer)
