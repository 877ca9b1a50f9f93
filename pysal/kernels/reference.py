"""The kernels in numpy: their definition, and what runs where the compiled extension is absent.

Arguments are those that `pysal.kernels` has checked. The compiled kernels do the same float32
operations; compositions have the same bits, sums are taken in another order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.kernels.interpolation import upsample, upsample_matrix
from pysal.kernels.reference_deconv import resampled_deconv
from pysal.kernels.reference_sampling import (
    blend_grids,
    blend_patches,
    blend_ranked,
    blend_segments,
    rise_accumulate,
)
from pysal.types import Array

__all__ = [
    "blend",
    "blend_grids",
    "blend_patches",
    "blend_ranked",
    "blend_segments",
    "path_accumulate",
    "resampled_deconv",
    "rise_accumulate",
    "tv",
    "upsample",
    "upsample_matrix",
]

UInts = NDArray[np.uint32]

CHUNK = 64
"""Elements of a channel that share 16 neighbouring counters: output j of lane l is 16 j + l."""

LANES = CHUNK // 4


def philox(counter: list[UInts], key: tuple[int, int]) -> list[UInts]:
    """Philox4x32-10 of four counter words with a key of two [1]_.

    References
    ----------
    .. [1] Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011.
    """
    words = [np.asarray(word, np.uint64) for word in counter]
    low = np.uint64(0xFFFFFFFF)
    for turn in range(10):
        key0 = np.uint64((key[0] + turn * 0x9E3779B9) & 0xFFFFFFFF)
        key1 = np.uint64((key[1] + turn * 0xBB67AE85) & 0xFFFFFFFF)
        product0 = words[0] * np.uint64(0xD2511F53)
        product1 = words[2] * np.uint64(0xCD9E8D57)
        words = [
            (product1 >> np.uint64(32)) ^ words[1] ^ key0,
            product1 & low,
            (product0 >> np.uint64(32)) ^ words[3] ^ key1,
            product0 & low,
        ]
    return [word.astype(np.uint32) for word in words]


def box_muller(radius_word: UInts, angle_word: UInts) -> tuple[Array, Array]:
    """Two independent standard normal arrays from two arrays of random 32-bit words.

    Only exactly rounded float32 operations in a fixed order, so that other implementations have the
    same bits. The polynomials are weighted minimax fits made for this function (csrc/philox.h).
    """
    f32 = np.float32
    u = ((radius_word >> np.uint32(8)).astype(np.int32) + np.int32(1)).astype(f32) * f32(2.0**-24)
    bits = u.view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)  # u = m 2^e, m in [0.71, 1.41]
    f = (bits - (exponent << np.int32(23))).view(f32) - f32(1)
    q = f32(0.16024380922317505) + f * f32(-0.10191728919744492)
    q = f32(-0.17137126624584198) + f * q
    q = f32(0.19924503564834595) + f * q
    q = f32(-0.24983267486095428) + f * q
    q = f32(0.33334246277809143) + f * q
    log_m = f + (f * f) * (f32(-0.5) + f * q)
    log_u = exponent.astype(f32) * f32(0.6931471805599453) + log_m
    root = np.sqrt(f32(-2) * log_u)
    radius = (root.view(np.uint32) ^ (angle_word & np.uint32(0x80000000))).view(f32)

    v = (angle_word << np.uint32(2)).view(np.int32).astype(f32) * f32(2.0**-32)
    v2 = v * v
    sine = f32(0.07968003302812576) + v2 * f32(-0.004601660184562206)
    sine = f32(-0.6459634900093079) + v2 * sine
    sine = v * (f32(1.5707963705062866) + v2 * sine)
    cosine = f32(0.2536063492298126) + v2 * f32(-0.020426250994205475)
    cosine = f32(-1.2336980104446411) + v2 * cosine
    cosine = f32(1) + v2 * cosine
    swap = (angle_word & np.uint32(0x40000000)) != 0
    return radius * np.where(swap, sine, cosine), radius * np.where(swap, cosine, sine)


def normal(shape: tuple[int, int], channel: int, seed: int, node: int, step: int) -> Array:
    """Standard normal values of one channel of one image.

    Chunk g of the channel has the counters (block, node, step, 0) with
    block = 16 * (channel * ceil(H W / 64) + g) + lane, and the key (low, high word of the seed).
    """
    size = shape[0] * shape[1]
    chunks = -(-size // CHUNK)
    blocks = np.arange(chunks * LANES, dtype=np.uint32) + np.uint32(channel * chunks * LANES)
    rest = [np.full_like(blocks, word) for word in (node, step, 0)]
    words = philox([blocks, *rest], (seed & 0xFFFFFFFF, seed >> 32))
    z = np.stack([*box_muller(words[0], words[1]), *box_muller(words[2], words[3])])
    flat = z.reshape(4, chunks, LANES).transpose(1, 0, 2).reshape(-1)
    return flat[:size].reshape(shape)


def blend(
    image: Array,
    baseline: Array,
    masks: Array,
    nodes: Array | None,
    first_node: int,
    noise_std: Array | None,
    noise_seed: NDArray[np.uint64] | None,
    noise_step: int,
    out: Array,
    threads: int,
) -> Array:
    """Composed images; see `pysal.kernels.blend`."""
    shape = (image.shape[2], image.shape[3])
    for n in range(len(image)):
        for s in range(out.shape[1]):
            mask = upsample(masks[n, s] if nodes is None else masks[n, 0], shape)
            if nodes is not None:
                mask = nodes[s] * mask
            out[n, s] = mask * image[n] + (np.float32(1) - mask) * baseline[n]
            if noise_std is None or noise_seed is None:
                continue
            for c in np.flatnonzero(noise_std):
                z = normal(shape, int(c), int(noise_seed[n]), first_node + s, noise_step)
                out[n, s, c] += noise_std[c] * z
    return out


def path_accumulate(
    grad: Array,
    image: Array,
    baseline: Array,
    weights: Array,
    height: int,
    width: int,
    threads: int,
) -> Array:
    """Gradient with respect to the mask; see `pysal.kernels.path_accumulate`."""
    size = image.shape[2:]
    total: Array = np.zeros((len(image), *size), np.float32)
    difference = image - baseline
    for s, weight in enumerate(weights):
        total += weight * (difference * grad[:, s]).sum(axis=1)
    rows, columns = upsample_matrix(height, size[0]), upsample_matrix(width, size[1])
    result: Array = rows.T @ (total @ columns)
    return result


def tv(
    masks: Array, exponent: float, mean: bool, isotropic: bool, threads: int
) -> tuple[NDArray[np.float64], Array]:
    """Total variation and its gradient; see `pysal.kernels.tv`."""
    down, right = np.diff(masks, axis=1), np.diff(masks, axis=2)
    if isotropic:
        down = np.pad(down, ((0, 0), (0, 1), (0, 0)))
        right = np.pad(right, ((0, 0), (0, 0), (0, 1)))
        size = np.sqrt(down * down + right * right)
        scale = 1 / size[0].size if mean and len(size) else 1.0
        value = scale * (size**exponent).sum(axis=(1, 2), dtype=np.float64)
        factor = scale * exponent * _power(size, exponent - 2)
        down, right = (factor * down)[:, :-1], (factor * right)[:, :, :-1]
    else:
        value = np.zeros(len(masks))
        fluxes = []
        for d in (down, right):
            count = d.shape[1] * d.shape[2]
            scale = 1 / max(count, 1) if mean else 1.0
            value += scale * (np.abs(d) ** exponent).sum(axis=(1, 2), dtype=np.float64)
            fluxes.append(scale * exponent * _power(np.abs(d), exponent - 2) * d)
        down, right = fluxes
    grad = np.zeros(masks.shape, np.float32)
    grad[:, 1:] += down
    grad[:, :-1] -= down
    grad[:, :, 1:] += right
    grad[:, :, :-1] -= right
    return value, grad


def _power(size: Array, exponent: float) -> Array:
    """size**exponent, and 0 where size is 0: the subgradient in the middle."""
    result: Array = np.power(size, np.float32(exponent), out=np.zeros_like(size), where=size > 0)
    return result
