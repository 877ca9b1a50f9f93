"""Compositions whose masks are never in memory: windows, segments, grids, ranks.

All write V versions of every image into one buffer, as `blend` does for masks that are arrays.
Arrays on a GPU go to `pysal.kernels.cuda_sampling`, where they must have the dtypes named here;
on the host other whole numbers, or truth values, are converted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.arrays import AnyArray
from pysal.errors import ShapeError
from pysal.kernels import checks, selected
from pysal.kernels.routing import like_input, on_cuda, to_numpy
from pysal.types import Array


def blend_patches(
    image: AnyArray,
    baseline: AnyArray,
    corners: AnyArray,
    size: tuple[int, int],
    *,
    out: AnyArray | None = None,
    threads: int = 0,
) -> AnyArray:
    """Images with a window of the baseline: inside it the baseline shows, elsewhere the image.

    Parameters
    ----------
    image, baseline : array of shape (N, C, H, W), float32
        Any array; on CUDA also with any strides.
    corners : array of shape (V, 2), int32
        Row and column of each window's upper left pixel, also outside of the image: what leaves
        it is cut off.
    size : tuple of int
        (height, width) of all windows, from 1 on.
    out : array of shape (N, V, C, H, W), float32, C-contiguous, optional
        Buffer to write to; must not overlap the inputs.
    threads : int
        0 for the default of OpenMP; 1 starts no team, for callers that are threads themselves.

    Returns
    -------
    array of shape (N, V, C, H, W), float32
        Of the kind of `image`.

    Raises
    ------
    ShapeError

    Notes
    -----
    Cost: writes the result once. Methods specification 5.1.
    """
    if on_cuda(image):
        from pysal.kernels import cuda_sampling

        return cuda_sampling.blend_patches(image, baseline, corners, size, out=out)
    height, width = size
    if min(height, width) < 1:
        raise ShapeError(f"size is ({height}, {width}); a window has at least one row and column")
    places = checks.integers("corners", to_numpy(corners), (None, 2))
    call = _Call(image, baseline, len(places), out)
    found = selected.impl.blend_patches(
        call.image, call.baseline, places, height, width, call.out, threads
    )
    return call.give(found)


def blend_segments(
    image: AnyArray,
    baseline: AnyArray,
    labels: AnyArray,
    keep: AnyArray,
    *,
    out: AnyArray | None = None,
    threads: int = 0,
) -> AnyArray:
    """Images in which some segments show the baseline.

    Parameters
    ----------
    image, baseline : array of shape (N, C, H, W), float32
    labels : array of shape (N, H, W), int32
        Segment of every pixel; pixels with a number outside of 0 to S - 1 always show the image.
    keep : array of shape (N, V, S), uint8 (or bool, on the host)
        Whether a segment shows the image in a version.
    out, threads
        As in `blend_patches`.

    Returns
    -------
    array of shape (N, V, C, H, W), float32
        Of the kind of `image`.

    Raises
    ------
    ShapeError

    Notes
    -----
    Cost: writes the result once. Methods specification 5.3.
    """
    if on_cuda(image):
        from pysal.kernels import cuda_sampling

        return cuda_sampling.blend_segments(image, baseline, labels, keep, out=out)
    on = _bytes(to_numpy(keep))
    call = _Call(image, baseline, on.shape[1], out)
    parts = checks.integers("labels", to_numpy(labels), (len(on), *call.image.shape[2:]))
    if len(on) != len(call.image):
        raise ShapeError(
            f"keep has shape {on.shape}; expected ({len(call.image)}, V, S) for as many images"
        )
    found = selected.impl.blend_segments(call.image, call.baseline, parts, on, call.out, threads)
    return call.give(found)


def blend_grids(
    image: AnyArray,
    baseline: AnyArray | None,
    grids: AnyArray,
    offsets: AnyArray,
    up_size: tuple[int, int],
    *,
    out: AnyArray | None = None,
    threads: int = 0,
) -> AnyArray:
    """Images under coarse grids that are upsampled, shifted and cut to the size of the image.

    A grid is upsampled to `up_size` bilinearly, with pixel centres aligned and mirrored beyond its
    first and last value; from this (H, W) is cut out at the offset. Where the mask is 1 the image
    shows, where it is 0 the baseline.

    Parameters
    ----------
    image : array of shape (N, C, H, W), float32
    baseline : array of shape (N, C, H, W), float32, or None
        None stands for zeros.
    grids : array of shape (V, h, w), float32 (or bool and whole numbers, on the host)
        Values from 0 to 1; the same for all images.
    offsets : array of shape (V, 2), int32
        Row and column, from 0 to `up_size` minus (H, W).
    up_size : tuple of int
        At least (h, w) and (H, W).
    out, threads
        As in `blend_patches`.

    Returns
    -------
    array of shape (N, V, C, H, W), float32
        Of the kind of `image`.

    Raises
    ------
    ShapeError, OptionError

    Notes
    -----
    Cost: writes the result once, memory beyond it a few rows per thread.

    References
    ----------
    .. [1] Petsiuk, Das, Saenko: RISE: Randomized input sampling for explanation of black-box
       models. BMVC 2018, section 3.2; border as in its code, github.com/eclique/RISE at d91ea006.
       Methods specification 5.2.
    """
    if on_cuda(image):
        from pysal.kernels import cuda_sampling

        return cuda_sampling.blend_grids(image, baseline, grids, offsets, up_size, out=out)
    cells, at = grid_arrays(grids, offsets)
    call = _Call(image, baseline, len(cells), out)
    up = checks.up_size(up_size, call.image.shape[2:], cells.shape[1:], at)
    found = selected.impl.blend_grids(call.image, call.baseline, cells, at, *up, call.out, threads)
    return call.give(found)


def blend_ranked(
    image: AnyArray,
    baseline: AnyArray,
    ranks: AnyArray,
    thresholds: AnyArray,
    *,
    out: AnyArray | None = None,
    threads: int = 0,
) -> AnyArray:
    """Images of which the cells below a rank show the baseline: points of a curve.

    As `blend` with the masks `ranks >= thresholds[v]`, upsampled bilinearly with aligned corners,
    hence with soft borders.

    Parameters
    ----------
    image, baseline : array of shape (N, C, H, W), float32
    ranks : array of shape (N, h, w), int32
    thresholds : array of shape (V,), int32
    out, threads
        As in `blend_patches`.

    Returns
    -------
    array of shape (N, V, C, H, W), float32
        Of the kind of `image`.

    Raises
    ------
    ShapeError

    Notes
    -----
    Cost: writes the result once. Metrics specification 1.3.
    """
    if on_cuda(image):
        from pysal.kernels import cuda_sampling

        return cuda_sampling.blend_ranked(image, baseline, ranks, thresholds, out=out)
    ends = checks.integers("thresholds", to_numpy(thresholds), (None,))
    call = _Call(image, baseline, len(ends), out)
    order = checks.integers("ranks", to_numpy(ranks), (len(call.image), None, None))
    if 0 in order.shape[1:]:
        raise ShapeError(f"ranks has shape {order.shape}; expected at least one row and column")
    found = selected.impl.blend_ranked(call.image, call.baseline, order, ends, call.out, threads)
    return call.give(found)


def grid_arrays(grids: AnyArray, offsets: AnyArray) -> tuple[Array, NDArray[np.int32]]:
    """Grids and their offsets as the kernels on the host read them."""
    given = np.asarray(to_numpy(grids))
    if given.dtype.kind in "biu":
        given = given.astype(np.float32)
    cells = checks.floats("grids", given, 3)
    return cells, checks.integers("offsets", to_numpy(offsets), (len(cells), 2))


class _Call:
    """Images, baselines and the buffer of one call, and what the caller gets back."""

    def __init__(
        self, image: AnyArray, baseline: AnyArray | None, versions: int, out: AnyArray | None
    ) -> None:
        self._source, self._given = image, out
        images = to_numpy(image)
        under = images if baseline is None else to_numpy(baseline)
        checks.check_images(images, under)
        self.image: Array = np.ascontiguousarray(images)
        self.baseline = None if baseline is None else np.ascontiguousarray(under)
        shape = (len(images), versions, *images.shape[1:])
        target = to_numpy(out)
        self.out = np.empty(shape, np.float32) if out is None else checks.buffer(target, shape)

    def give(self, result: Array) -> AnyArray:
        """The caller's buffer, or the result in the kind of the image."""
        return like_input(result, self._source) if self._given is None else self._given


def _bytes(keep: ArrayLike) -> NDArray[np.uint8]:
    """Truth values, or bytes, of shape (N, V, S)."""
    given: NDArray[Any] = np.asarray(keep)
    if given.ndim != 3 or given.dtype not in (np.bool_, np.uint8):
        raise ShapeError(
            f"keep is {given.dtype} of shape {given.shape}; expected bool or uint8 of shape "
            "(N, V, S)"
        )
    return np.ascontiguousarray(given).view(np.uint8)
