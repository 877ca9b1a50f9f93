"""Images that say "nothing here": what shows where a mask removes the photo."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.errors import InputError, OptionError, ShapeError
from pysal.preprocess import IMAGENET_MEAN, Preprocess
from pysal.types import Array

BASELINES: dict[str, str] = {
    "blur": "B51: Gaussian of sigma 50 cut to 51 x 51, mirrored border (I-GOS, SIGCAM, metrics)",
    "blur11": "B11: Gaussian of sigma 5 folded into 11 x 11, zero border (RISE insertion)",
    "weak_blur": "Gaussian of sigma 5 cut to 11 x 11, mirrored border (warm-up of SIGCAM)",
    "blur10": "P10: Pillow's Gaussian blur of radius 10, in 8 bits (MP, MP2)",
    "median11": "med11: median of 11 x 11 pixels, in 8 bits (reference MP)",
    "mean": "mean colour: zero in model space, or ImageNet's mean where the record has no mean",
    "zero": "zero in model space, whatever colour that is",
    "black": "0 before normalization (integrated gradients)",
    "white": "1 before normalization",
    "noise": "uniform colours in [0, 1], from the seed",
}
"""Name -> what it is. "Gray" or "zero" fill in the papers is "mean" here."""

CONSTANT = frozenset({"mean", "zero", "black", "white", "noise"})
"""Baselines that are the same for every image."""


def make_baseline(
    kind: str | NDArray[np.generic],
    batch: Array,
    preprocess: Preprocess,
    *,
    seed: int | NDArray[np.integer] = 0,
) -> Array:
    """Baseline images for a batch, in model input space.

    Parameters
    ----------
    kind : str or ndarray
        One of `BASELINES`, or the images themselves: (H, W, 3) or (N, H, W, 3), RGB as uint8 or as
        float in [0, 1]; or (C, H, W) or (N, C, H, W), float, already in model input space. N may
        be 1. Where a shape is both, it is RGB.
    batch : ndarray of shape (N, C, H, W), float32
        Images in model input space.
    preprocess : Preprocess
    seed : int or ndarray of shape (N,), int
        Of "noise". One integer gives every image the same noise, an array one noise each; so an
        image's baseline depends on its own seed and on nothing else in the batch.

    Returns
    -------
    ndarray of shape (N, C, H, W), float32

    Raises
    ------
    OptionError
        If the name is unknown, or the seeds are not N integers.
    InputError, ShapeError
        If given images have wrong values or a wrong shape.

    Notes
    -----
    Definitions: methods specification 0.3 and 0.4, where B51 is I-GOS's blur. B51 is linear, sums
    to one and mirrors the border, so it commutes with normalization and is applied in model space.
    Images smaller than its radius are mirrored repeatedly.
    """
    batch = np.asarray(batch, np.float32)
    if batch.ndim != 4 or batch.shape[1] != preprocess.num_channels:
        raise ShapeError(
            f"batch has shape {batch.shape}; expected (N, {preprocess.num_channels}, H, W)"
        )
    if not isinstance(kind, str):
        return _given(np.asarray(kind), batch, preprocess)
    if kind not in BASELINES:
        near = difflib.get_close_matches(kind, BASELINES, n=3, cutoff=0.4) or list(BASELINES)
        raise OptionError(f'baseline "{kind}" is unknown; did you mean {", ".join(near)}?')
    if kind in _OPERATORS:
        return _blurred(batch, _OPERATORS[kind])
    if kind == "blur10":
        return pillow_blur(batch, preprocess)
    if kind == "median11":
        return _median(batch, preprocess)
    if kind == "zero" or (kind == "mean" and any(preprocess.mean)):
        return np.zeros_like(batch)
    if kind == "noise":
        return _noise(batch, preprocess, seed)
    color = {"mean": IMAGENET_MEAN, "black": (0, 0, 0), "white": (1, 1, 1)}[kind]
    pixel = preprocess.normalize(np.array(color, np.float32).reshape(1, 1, 1, 3))
    return np.broadcast_to(pixel, batch.shape).copy()


def _blurred(batch: Array, operator: Callable[[int], Array]) -> Array:
    """A_h X A_w^T for every channel; one product per image, so rows do not depend on the batch."""
    rows, columns = operator(batch.shape[2]), operator(batch.shape[3]).T
    out = np.empty_like(batch)
    for image, result in zip(batch, out, strict=True):
        np.matmul(rows, image @ columns, out=result)
    return out


def blur_matrices(kind: str, size: tuple[int, int]) -> tuple[Array, Array] | None:
    """A_h and A_w of the baselines that are A_h X A_w^T in every channel; None for the others."""
    operator = _OPERATORS.get(kind)
    return None if operator is None else (operator(size[0]), operator(size[1]))


def pillow_blur(batch: Array, preprocess: Preprocess, radius: float = 10) -> Array:
    """Pillow's Gaussian blur of the 8-bit pictures, whose radius is its sigma; P10 for 10."""
    from PIL import ImageFilter

    return _filtered(batch, preprocess, ImageFilter.GaussianBlur(radius))


def _median(batch: Array, preprocess: Preprocess) -> Array:
    """Median of 11 x 11 pixels of the 8-bit pictures."""
    from PIL import ImageFilter

    return _filtered(batch, preprocess, ImageFilter.MedianFilter(11))


def _filtered(batch: Array, preprocess: Preprocess, wanted: Any) -> Array:
    """What a filter of Pillow's makes of the 8-bit pictures; at the border it repeats the edge."""
    from PIL import Image

    out = np.empty_like(batch)
    for image, result in zip(batch, out, strict=True):
        rgb = np.rint(255 * preprocess.denormalize(image[None])[0]).astype(np.uint8)
        values = np.asarray(Image.fromarray(rgb).filter(wanted), np.float32) / np.float32(255)
        result[...] = preprocess.normalize(values[None])[0]
    return out


@functools.lru_cache(maxsize=16)
def _mirror_blur(length: int, radius: int = 25, sigma: float = 50.0) -> Array:
    """A cut Gaussian along one axis as a matrix (length, length), border reflect-101; B51."""
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    period = max(2 * (length - 1), 1)
    at = (np.arange(length)[:, None] + offsets) % period
    at = np.minimum(at, period - at) if length > 1 else np.zeros_like(at)
    matrix = np.zeros((length, length))
    np.add.at(matrix, (np.arange(length)[:, None], at), weights)
    return _frozen(matrix)


@functools.lru_cache(maxsize=16)
def _folded_blur(length: int) -> Array:
    """B11 along one axis as a matrix (length, length), border zero."""
    weights = folded_weights()
    matrix = np.zeros((length, length))
    for offset, weight in zip(range(-5, 6), weights, strict=True):
        matrix += weight * np.eye(length, k=offset)
    return _frozen(matrix)


_OPERATORS: dict[str, Callable[[int], Array]] = {
    "blur": _mirror_blur,
    "blur11": _folded_blur,
    "weak_blur": functools.partial(_mirror_blur, radius=5, sigma=5.0),
}
"""Linear blurs, as the matrix of an axis of some length."""


def folded_weights() -> NDArray[np.float64]:
    """1-D weights of B11, shape (11,), sum 1 (RISE).

    The Gaussian of sigma 5, cut at 20 = 4 sigma, around the middle of 11 elements whose border
    reflects (edge repeated): its tails fold back onto them.
    """
    offsets = np.arange(-20, 21)
    gauss = np.exp(-(offsets**2) / (2 * 5.0**2))
    at = (5 + offsets) % 22
    weights = np.zeros(11)
    np.add.at(weights, np.minimum(at, 21 - at), gauss / gauss.sum())
    return weights


def _frozen(matrix: NDArray[np.float64]) -> Array:
    """Return a matrix as read-only float32: the cache shares it between callers."""
    out: Array = matrix.astype(np.float32)
    out.flags.writeable = False
    return out


def _noise(batch: Array, preprocess: Preprocess, seed: int | NDArray[np.integer]) -> Array:
    """Uniform colours; a counter-based generator keyed by the image's seed alone."""
    seeds = np.atleast_1d(np.asarray(seed))
    if not np.issubdtype(seeds.dtype, np.integer) or seeds.shape not in ((1,), (len(batch),)):
        raise OptionError(
            f"seed has dtype {seeds.dtype} and shape {seeds.shape}; expected one integer, or one "
            f"for each of {len(batch)} images"
        )
    if (seeds < 0).any():
        raise OptionError(f"seed is {seeds.min()}; expected 0 or more")
    out = np.empty_like(batch)
    for image, key in enumerate(np.broadcast_to(seeds, len(batch)).tolist()):
        rng = np.random.Generator(np.random.Philox(key=key))
        out[image] = preprocess.normalize(rng.random((1, *batch.shape[2:], 3), np.float32))[0]
    return out


def _given(images: NDArray[np.generic], batch: Array, preprocess: Preprocess) -> Array:
    """Check and convert images that the caller brought."""
    shape = batch.shape
    stack = images[None] if images.ndim == 3 else images
    is_rgb = stack.shape[1:] == (*shape[2:], 3)
    is_input = stack.shape[1:] == shape[1:] and images.dtype.kind == "f"
    if not (is_rgb or is_input) or len(stack) not in (1, len(batch)):
        raise ShapeError(
            f"baseline has dtype {images.dtype} and shape {images.shape}; expected RGB "
            f"{(*shape[2:], 3)} as uint8 or float in [0, 1], or model input {shape[1:]} as float, "
            f"alone or {len(batch)} of them"
        )
    values = stack.astype(np.float32) / np.float32(255 if images.dtype == np.uint8 else 1)
    if not np.isfinite(values).all():
        raise InputError("baseline has NaN or infinite values; give finite ones")
    if is_rgb:
        if images.dtype != np.uint8 and ((values < 0) | (values > 1)).any():
            raise InputError(
                f"baseline has values from {values.min():g} to {values.max():g}; expected RGB in "
                "[0, 1], or uint8"
            )
        values = preprocess.normalize(values)
    return np.broadcast_to(values, shape).copy()
