"""Compositions without masks in memory, and what RISE sums, on CUDA: as `pysal.kernels` has them.

All arrays, corners, offsets and thresholds too, are on the device. Their values are not looked at
on the host: an offset that leaves the upsampled grid gives wrong numbers there, and no error.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from pysal.arrays import AnyArray
from pysal.errors import ShapeError
from pysal.kernels import checks
from pysal.kernels.cuda_arrays import Arrays


def blend_patches(
    image: AnyArray,
    baseline: AnyArray,
    corners: AnyArray,
    size: tuple[int, int],
    *,
    out: AnyArray | None = None,
    stream: int | None = None,
) -> AnyArray:
    """Images with a window of the baseline: `pysal.kernels.blend_patches`, bit by bit.

    Parameters
    ----------
    image, baseline : array on the device of shape (N, C, H, W), float32
    corners : array on the device of shape (V, 2), int32
    size : tuple of int
    out : array on the device of shape (N, V, C, H, W), float32, optional
        Any strides; needed where `image` is neither of torch nor of CuPy.
    stream : int, optional
        As in `pysal.kernels.cuda.blend`.

    Returns
    -------
    array of shape (N, V, C, H, W), float32
        `out`, or a new one of the kind of `image`.

    Raises
    ------
    ShapeError, OptionError, MissingDependencyError
    RuntimeError
        An error of CUDA's.

    Notes
    -----
    Cost: writes the result once, reads image and baseline about once.
    """
    arrays = Arrays(_load(), image, stream)
    source, under = arrays.images(image, baseline)
    places = arrays.view("corners", corners, 2, np.int32)
    height, width = size
    if min(height, width) < 1:
        raise ShapeError(f"size is ({height}, {width}); a window has at least one row and column")
    if places.shape[1] != 2:
        raise ShapeError(f"corners has shape {places.shape}; expected (V, 2)")
    out, target = _results(arrays, source, places.shape[0], out)
    arrays.module.blend_patches(source, under, places, height, width, target, arrays.stream)
    return out


def blend_segments(
    image: AnyArray,
    baseline: AnyArray,
    labels: AnyArray,
    keep: AnyArray,
    *,
    out: AnyArray | None = None,
    stream: int | None = None,
) -> AnyArray:
    """Images in which some segments show the baseline: `pysal.kernels.blend_segments`, bit by bit.

    Parameters
    ----------
    image, baseline : array on the device of shape (N, C, H, W), float32
    labels : array on the device of shape (N, H, W), int32
    keep : array on the device of shape (N, V, S), uint8
    out, stream
        As in `blend_patches`.

    Returns
    -------
    array of shape (N, V, C, H, W), float32

    Raises
    ------
    ShapeError, OptionError, MissingDependencyError, RuntimeError

    Notes
    -----
    Cost: as `blend_patches`.
    """
    arrays = Arrays(_load(), image, stream)
    source, under = arrays.images(image, baseline)
    parts = arrays.view("labels", labels, 3, np.int32)
    on = arrays.view("keep", keep, 3, np.uint8)
    expected = (source.shape[0], *source.shape[2:])
    if parts.shape != expected or on.shape[0] != expected[0]:
        raise ShapeError(
            f"labels has shape {parts.shape} and keep {on.shape}; expected {expected} and "
            f"({expected[0]}, V, S)"
        )
    out, target = _results(arrays, source, on.shape[1], out)
    arrays.module.blend_segments(source, under, parts, on, target, arrays.stream)
    return out


def blend_grids(
    image: AnyArray,
    baseline: AnyArray | None,
    grids: AnyArray,
    offsets: AnyArray,
    up_size: tuple[int, int],
    *,
    out: AnyArray | None = None,
    stream: int | None = None,
) -> AnyArray:
    """Images under upsampled, shifted grids: `pysal.kernels.blend_grids`, with equal values.

    Parameters
    ----------
    image : array on the device of shape (N, C, H, W), float32
    baseline : array on the device of shape (N, C, H, W), float32, or None
    grids : array on the device of shape (V, h, w), float32
    offsets : array on the device of shape (V, 2), int32
    up_size : tuple of int
    out, stream
        As in `blend_patches`.

    Returns
    -------
    array of shape (N, V, C, H, W), float32

    Raises
    ------
    ShapeError, OptionError, MissingDependencyError, RuntimeError

    Notes
    -----
    Cost: as `blend_patches`.
    """
    arrays = Arrays(_load(), image, stream)
    source = arrays.view("image", image, 4)
    under = None if baseline is None else arrays.images(image, baseline)[1]
    cells, at = _grids(arrays, grids, offsets)
    up = checks.up_size(up_size, source.shape[2:], cells.shape[1:], np.empty(0, np.int32))
    out, target = _results(arrays, source, cells.shape[0], out)
    arrays.module.blend_grids(source, under, cells, at, *up, target, arrays.stream)
    return out


def blend_ranked(
    image: AnyArray,
    baseline: AnyArray,
    ranks: AnyArray,
    thresholds: AnyArray,
    *,
    out: AnyArray | None = None,
    stream: int | None = None,
) -> AnyArray:
    """Images whose cells of low rank show the baseline: `pysal.kernels.blend_ranked`, bit by bit.

    Parameters
    ----------
    image, baseline : array on the device of shape (N, C, H, W), float32
    ranks : array on the device of shape (N, h, w), int32
    thresholds : array on the device of shape (V,), int32
    out, stream
        As in `blend_patches`.

    Returns
    -------
    array of shape (N, V, C, H, W), float32

    Raises
    ------
    ShapeError, OptionError, MissingDependencyError, RuntimeError

    Notes
    -----
    Cost: as `blend_patches`.
    """
    arrays = Arrays(_load(), image, stream)
    source, under = arrays.images(image, baseline)
    order = arrays.view("ranks", ranks, 3, np.int32)
    ends = arrays.view("thresholds", thresholds, 1, np.int32)
    if order.shape[0] != source.shape[0] or 0 in order.shape[1:]:
        raise ShapeError(
            f"ranks has shape {order.shape}; expected ({source.shape[0]}, h, w) with h and w at "
            "least 1"
        )
    out, target = _results(arrays, source, ends.shape[0], out)
    arrays.module.blend_ranked(source, under, order, ends, target, arrays.stream)
    return out


def rise_accumulate(
    grids: AnyArray,
    offsets: AnyArray,
    weights: AnyArray,
    up_size: tuple[int, int],
    size: tuple[int, int],
    *,
    square: bool = False,
    out: AnyArray | None = None,
    stream: int | None = None,
) -> AnyArray:
    """Weighted sum of upsampled grids, or of their squares: `pysal.kernels.rise_accumulate`.

    Parameters
    ----------
    grids : array on the device of shape (V, h, w), float32
    offsets : array on the device of shape (V, 2), int32
    weights : array on the device of shape (N, V), float64
    up_size, size : tuple of int
    square : bool
    out : array on the device of shape (N, H, W), float64, optional
        Needed where `grids` is neither of torch nor of CuPy.
    stream : int, optional
        As in `pysal.kernels.cuda.blend`.

    Returns
    -------
    array of shape (N, H, W), float64
        `out`, or a new one of the kind of `grids`.

    Raises
    ------
    ShapeError, OptionError, MissingDependencyError, RuntimeError

    Notes
    -----
    Cost: one pass over the weights for every grid row and row offset; 16 MB of scratch for common
    sizes. The order of additions depends on the offsets alone.
    """
    arrays = Arrays(_load(), grids, stream)
    cells, at = _grids(arrays, grids, offsets)
    factors = arrays.view("weights", weights, 2, np.float64)
    if factors.shape[1] != cells.shape[0]:
        raise ShapeError(
            f"weights has shape {factors.shape}; expected (N, {cells.shape[0]}), one column per "
            "grid"
        )
    shape = (factors.shape[0], int(size[0]), int(size[1]))
    up = checks.up_size(up_size, shape[1:], cells.shape[1:], np.empty(0, np.int32))
    out, target = arrays.output("out", out, shape, np.float64)
    arrays.module.rise_accumulate(cells, at, factors, *up, bool(square), target, arrays.stream)
    return out


def _load() -> ModuleType:
    """The compiled module, as `pysal.kernels.cuda` finds it."""
    from pysal.kernels import cuda

    return cuda._load()


def _grids(arrays: Arrays, grids: AnyArray, offsets: AnyArray) -> tuple[Any, Any]:
    """Views of grids and of as many offsets."""
    cells = arrays.view("grids", grids, 3)
    at = arrays.view("offsets", offsets, 2, np.int32)
    if at.shape != (cells.shape[0], 2):
        raise ShapeError(f"offsets has shape {at.shape}; expected ({cells.shape[0]}, 2)")
    return cells, at


def _results(
    arrays: Arrays, source: Any, versions: int, out: AnyArray | None
) -> tuple[AnyArray, Any]:
    """The buffer of all versions, and its view."""
    return arrays.output("out", out, (source.shape[0], versions, *source.shape[1:]))
