"""What users pass to the kernels is checked here: given, expected, remedy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import OptionError, ShapeError
from pysal.types import Array, Noise


def floats(name: str, array: Array, ndim: int) -> Array:
    """Check dtype and number of axes; a contiguous copy only where needed."""
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim != ndim:
        given = (
            f"is {array.dtype} of shape {array.shape}"
            if isinstance(array, np.ndarray)
            else f"is a {type(array).__name__}"
        )
        raise ShapeError(
            f"{name} {given}; expected a float32 array with {ndim} axes; convert it with "
            "numpy.asarray(x, numpy.float32)"
        )
    return np.ascontiguousarray(array)


def check_images(image: Array, baseline: Array) -> None:
    """Image and baseline: (N, C, H, W), float32, the same shape."""
    for name, array in (("image", image), ("baseline", baseline)):
        floats(name, array, 4)
    if image.shape != baseline.shape:
        raise ShapeError(
            f"baseline has shape {baseline.shape}, image {image.shape}; give one baseline per image"
        )


def vector(name: str, values: ArrayLike) -> Array:
    """One axis of float32."""
    vector = np.ascontiguousarray(values, np.float32)
    if vector.ndim != 1:
        raise ShapeError(f"{name} has shape {vector.shape}; expected one value per node, (S,)")
    return vector


def noise_parts(noise: Noise, channels: int, images: int) -> tuple[Array, NDArray[np.uint64], int]:
    """Parts of `noise`, checked against the number of channels and images."""
    std = np.ascontiguousarray(noise.std, np.float32)
    seed = np.ascontiguousarray(noise.seed, np.uint64)
    if std.shape != (channels,) or seed.shape != (images,):
        raise ShapeError(
            f"noise has std of shape {std.shape} and seed of shape {seed.shape}; expected "
            f"({channels},), one per channel, and ({images},), one per image"
        )
    return std, seed, counter("noise.step", noise.step)


def counter(name: str, value: int) -> int:
    """A word of the noise counter."""
    if not 0 <= value < 2**32:
        raise OptionError(f"{name} is {value}; expected an integer from 0 to 2**32 - 1")
    return int(value)


def buffer(out: Array, shape: tuple[int, ...]) -> Array:
    """The caller's output array, which must be usable as it is."""
    if (
        not isinstance(out, np.ndarray)
        or out.dtype != np.float32
        or out.shape != shape
        or not (out.flags.c_contiguous and out.flags.writeable)
    ):
        raise ShapeError(
            f"out is {getattr(out, 'dtype', type(out).__name__)} of shape "
            f"{getattr(out, 'shape', None)}; expected writable, contiguous float32 of shape {shape}"
        )
    return out
