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


def integers(name: str, values: ArrayLike, shape: tuple[int | None, ...]) -> NDArray[np.int32]:
    """Whole numbers of 32 bits, of a shape; None stands for any length."""
    given = np.asarray(values)
    same = given.ndim == len(shape) and all(
        want in (None, got) for want, got in zip(shape, given.shape, strict=False)
    )
    if not same or (given.dtype.kind not in "iu" and given.size):
        raise ShapeError(
            f"{name} is {given.dtype} of shape {given.shape}; expected whole numbers of shape "
            f"({', '.join('any' if n is None else str(n) for n in shape)})"
        )
    limits = np.iinfo(np.int32)
    wide = given.size and given.dtype != np.int32
    if wide and (given.min() < limits.min or given.max() > limits.max):
        raise ShapeError(f"{name} has values beyond 32 bits; expected {limits.min} to {limits.max}")
    return np.ascontiguousarray(given, np.int32)


def up_size(
    up: tuple[int, int], size: tuple[int, int], grid: tuple[int, int], offsets: NDArray[np.int32]
) -> tuple[int, int]:
    """Size that grids are upsampled to, from which (H, W) is cut out at every offset."""
    height, width = int(up[0]), int(up[1])
    least = max(size[0], grid[0]), max(size[1], grid[1])
    if 0 in grid or height < least[0] or width < least[1] or max(height, width) >= 2**30:
        raise ShapeError(
            f"up_size is ({height}, {width}) for grids of {grid[0]} x {grid[1]}; expected at least "
            f"that, and the {size[0]} x {size[1]} of the image"
        )
    last = np.array([height - size[0], width - size[1]])
    if offsets.size and ((offsets < 0) | (offsets > last)).any():
        raise OptionError(
            f"offsets go from {offsets.min(axis=0)} to {offsets.max(axis=0)}; expected rows from 0 "
            f"to {last[0]} and columns from 0 to {last[1]}"
        )
    return height, width
