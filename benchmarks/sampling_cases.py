"""Compositions without masks in memory, RISE's sums and resampled deconvolution, for
bench_kernels.py; each against the same operation in PyTorch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from pysal import kernels

CHANNELS, SIDE, VERSIONS = 3, 224, 32


class Case(NamedTuple):
    """The two candidates, what each returns that must be equal, and the bytes to move."""

    ours: Callable[[], Any]
    peer: Callable[[], Any]
    num_bytes: int
    equal: bool = True


def images() -> tuple[np.ndarray, ...]:
    """Image, baseline and the buffer of all versions, and the first two as tensors."""
    rng = np.random.default_rng(0)
    image, baseline = rng.standard_normal((2, 1, CHANNELS, SIDE, SIDE), np.float32)
    out = np.empty((1, VERSIONS, CHANNELS, SIDE, SIDE), np.float32)
    return image, baseline, out, torch.from_numpy(image), torch.from_numpy(baseline)


def patch_case(threads: int) -> Case:
    """Windows of 29 x 29, as in SP."""
    image, baseline, out, x, b = images()
    corners = np.random.default_rng(1).integers(0, SIDE - 28, (VERSIONS, 2), np.int32)
    ours = functools.partial(
        kernels.blend_patches, image, baseline, corners, (29, 29), out=out, threads=threads
    )

    def peer() -> torch.Tensor:
        composed = x.repeat(VERSIONS, 1, 1, 1)
        for version, (top, left) in enumerate(corners.tolist()):
            part = (slice(None), slice(top, top + 29), slice(left, left + 29))
            composed[version][part] = b[0][part]
        return composed[None]

    return Case(ours, peer, out.nbytes + image.nbytes)


def segment_case(threads: int) -> Case:
    """49 square segments, half of them on, as in LIME."""
    image, baseline, out, x, b = images()
    labels = np.kron(np.arange(49, dtype=np.int32).reshape(7, 7), np.ones((32, 32), np.int32))
    keep = np.random.default_rng(1).random((1, VERSIONS, 49)) < 0.5
    ours = functools.partial(
        kernels.blend_segments, image, baseline, labels[None], keep, out=out, threads=threads
    )
    index, on = torch.from_numpy(labels.astype(np.int64)), torch.from_numpy(keep[0])

    def peer() -> torch.Tensor:
        return torch.where(on[:, index][:, None], x, b)[None]

    return Case(ours, peer, out.nbytes + image.nbytes + baseline.nbytes + labels.nbytes)


def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Grids of 7 x 7 and offsets, as RISE draws them."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 2, (count, 7, 7)).astype(np.float32), rng.integers(
        0, 32, (count, 2), np.int32
    )


@functools.lru_cache(maxsize=1)
def upsampling() -> torch.Tensor:
    """The matrix from 7 cells to 256 pixels, mirrored at the borders."""
    image = np.ones((1, 1, 256, 1), np.float32)
    columns = [
        kernels.blend_grids(image, None, unit[None, :, None], [(0, 0)], (256, 1))[0, 0, 0, :, 0]
        for unit in np.eye(7, dtype=np.float32)
    ]
    return torch.from_numpy(np.stack(columns, axis=1))


def make_masks(grids: torch.Tensor, offsets: np.ndarray) -> torch.Tensor:
    """Masks of all grids at the size of the image."""
    wide = upsampling() @ grids @ upsampling().T
    cut = [m[y : y + SIDE, x : x + SIDE] for m, (y, x) in zip(wide, offsets.tolist(), strict=True)]
    return torch.stack(cut)


def grid_case(threads: int) -> Case:
    image, _, out, x, _ = images()
    grids, offsets = draw(VERSIONS)
    ours = functools.partial(
        kernels.blend_grids, image, None, grids, offsets, (256, 256), out=out, threads=threads
    )
    cells = torch.from_numpy(grids)

    def peer() -> torch.Tensor:
        return (make_masks(cells, offsets)[:, None] * x)[None]

    return Case(ours, peer, out.nbytes + image.nbytes)


def rank_case(size: int, threads: int) -> Case:
    """Points of an insertion curve."""
    image, baseline, out, x, b = images()
    ranks = np.random.default_rng(1).permutation(size * size).reshape(1, size, size)
    ranks, ends = ranks.astype(np.int32), np.linspace(0, size * size, VERSIONS).astype(np.int32)
    ours = functools.partial(
        kernels.blend_ranked, image, baseline, ranks, ends, out=out, threads=threads
    )
    order, limits = torch.from_numpy(ranks), torch.from_numpy(ends)

    def peer() -> torch.Tensor:
        keep = (order >= limits[:, None, None])[:, None].float()
        if size != SIDE:
            keep = functional.interpolate(keep, (SIDE, SIDE), mode="bilinear", align_corners=True)
        return torch.lerp(b, x, keep)[None]

    return Case(ours, peer, out.nbytes + image.nbytes + baseline.nbytes)


def sum_case(square: bool, threads: int) -> Case:
    """8,000 masks; PyTorch makes 500 at a time and multiplies."""
    grids, offsets = draw(8000)
    weights = np.random.default_rng(2).random((1, 8000))
    ours = functools.partial(
        kernels.rise_accumulate,
        grids,
        offsets,
        weights,
        (256, 256),
        (SIDE, SIDE),
        square=square,
        threads=threads,
    )
    cells, scores = torch.from_numpy(grids), torch.from_numpy(weights.astype(np.float32))

    def peer() -> torch.Tensor:
        total = torch.zeros(1, SIDE * SIDE)
        for first in range(0, 8000, 500):
            part = slice(first, first + 500)
            masks = make_masks(cells[part], offsets[part]).flatten(1)
            total += scores[:, part] @ (masks.square_() if square else masks)
        return total.view(1, SIDE, SIDE)

    return Case(ours, peer, grids.nbytes + offsets.nbytes + weights.nbytes + 8 * SIDE * SIDE)


def deconv_case(
    signals: int,
    channels: int,
    size: int,
    kernel: int,
    stride: int,
    pad: int,
    groups: int,
    *,
    threads: int,
) -> Case:
    """One image; PyTorch resamples, then convolves."""
    rng = np.random.default_rng(0)
    resized = size + 2 * pad - kernel + 1
    source = (resized - 1) // stride + 1
    signal = rng.standard_normal((1, signals, source, source), np.float32)
    weight = rng.standard_normal((signals, channels // groups, kernel, kernel), np.float32)
    ours = functools.partial(
        kernels.resampled_deconv,
        signal,
        weight,
        (size, size),
        strides=(stride, stride),
        pads=(pad,) * 4,
        groups=groups,
        threads=threads,
    )
    g, w = torch.from_numpy(signal), torch.from_numpy(weight)
    index = torch.from_numpy((2 * np.arange(resized) + 1) * source // (2 * resized))

    def peer() -> torch.Tensor:
        wide = g[:, :, index][:, :, :, index]
        return functional.conv_transpose2d(wide, w, padding=pad, groups=groups)

    return Case(ours, peer, signal.nbytes + weight.nbytes + 4 * channels * size * size)


DECONVOLUTIONS = {
    "VGG-F conv1 11 x 11 / 4": (64, 3, 224, 11, 4, 0, 1),
    "ResNet conv1 7 x 7 / 2": (64, 3, 224, 7, 2, 3, 1),
    "ResNet 128 3 x 3 / 2": (128, 128, 56, 3, 2, 1, 1),
    "ResNet 512 1 x 1 / 2": (512, 256, 56, 1, 2, 0, 1),
    "depthwise 144 3 x 3 / 2": (144, 144, 56, 3, 2, 1, 144),
}


def cases(threads: int) -> dict[str, Case]:
    """All of them, by name."""
    table = {
        f"blend_patches, V={VERSIONS}": patch_case(threads),
        f"blend_segments, V={VERSIONS}": segment_case(threads),
        f"blend_grids, V={VERSIONS}": grid_case(threads),
        f"blend_ranked, V={VERSIONS} 28->{SIDE}": rank_case(28, threads),
        f"blend_ranked, V={VERSIONS} {SIDE}": rank_case(SIDE, threads),
        "rise_accumulate, V=8000": sum_case(False, threads),
        "rise_accumulate, V=8000, squares": sum_case(True, threads),
    }
    for name, sizes in DECONVOLUTIONS.items():
        table[f"resampled_deconv, {name}"] = deconv_case(*sizes, threads=threads)
    return table
