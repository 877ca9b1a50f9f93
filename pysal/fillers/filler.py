"""The interface of all fillers: checks, pasting, and what to do where nothing is known."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, to_host, to_like
from pysal.baselines import make_baseline
from pysal.errors import InputError, OptionError, ShapeError
from pysal.preprocess import Preprocess
from pysal.types import Array

Keep = NDArray[np.bool_]
Seeds = NDArray[np.uint64]


class Filler(ABC):
    """Fills the holes of images in model input space.

    The result for an image depends on that image's known pixels (static fillers: on the whole
    image), its mask and its seed; never on the rest of the batch, nor, unless it is static, on what
    is hidden. Arrays may be ndarrays or on a device; fillers compute on the host.

    Parameters
    ----------
    preprocess : Preprocess
        Of the model: fillers that need colours convert with it.

    Attributes
    ----------
    name : str
        Stands at the start of errors.
    static : bool
        True where the filling does not depend on the mask: then it is a baseline image, see
        `image`.
    any_channels : bool
        True where it works on any number of channels, not only on the model's 1 or 3.
    has_unpasted : bool
        True where `unpasted` gives an image.
    """

    name: str
    static = False
    any_channels = False
    has_unpasted = False

    def __init__(self, preprocess: Preprocess) -> None:
        self.preprocess = preprocess

    @property
    def description(self) -> str:
        """Name and options in one line, for the record of a result."""
        return self.name

    def fill(self, images: AnyArray, keep: AnyArray, seeds: Seeds) -> AnyArray:
        """Images whose holes are filled and whose known pixels are as they were.

        Parameters
        ----------
        images : array of shape (N, C, H, W), float32
        keep : array of shape (N, H, W), bool
            True where the pixel is known, False in the hole.
        seeds : ndarray of shape (N,), int
            One per image; only random fillers use them.

        Returns
        -------
        array of shape (N, C, H, W), float32
            Where `images` is. Images that are kept whole come back unchanged. Where nothing is
            known, fillers that are not static give the mean colour.

        Raises
        ------
        ShapeError
            If shapes or dtypes do not fit each other or the model.
        InputError
            If an image has NaN or infinite values.
        OptionError
            If there is not one seed per image.
        """
        host, known = self._checked(images, keep)
        out = host.copy()
        rows = np.flatnonzero(~known.all(axis=(1, 2)))
        if rows.size:
            made = self._made(host[rows], known[rows], self._keys(seeds, len(host))[rows])
            out[rows] = np.where(known[rows, None], host[rows], made)
        return to_like(out, images)

    def unpasted(self, images: AnyArray, keep: AnyArray, seeds: Seeds) -> AnyArray | None:
        """The generator's own output at all pixels, known ones too; None where it has none.

        Parameters, errors and the result's shape are those of `fill`.
        """
        if not self.has_unpasted:
            return None
        host, known = self._checked(images, keep)
        return to_like(self._made(host, known, self._keys(seeds, len(host))), images)

    def image(self, images: AnyArray, seeds: Seeds) -> AnyArray:
        """The baseline images of a static filler: (N, C, H, W), float32.

        Raises
        ------
        OptionError
            If the filler is not static.
        """
        if not self.static:
            raise OptionError(
                f"{self.name}: the filling depends on the mask, so there is no one image; use "
                "fill(images, keep, seeds)"
            )
        nothing = np.zeros((len(images), *images.shape[2:]), bool)
        host, known = self._checked(images, nothing)
        return to_like(self._generate(host, known, self._keys(seeds, len(host))), images)

    @abstractmethod
    def _generate(self, images: Array, keep: Keep, seeds: Seeds) -> Array:
        """Full images for checked host arrays; in each at least one pixel is known, or `static`."""

    def _made(self, images: Array, keep: Keep, seeds: Seeds) -> Array:
        """What `_generate` gives, and the mean colour where nothing is known."""
        if self.static:
            return self._generate(images, keep, seeds)
        some = keep.any(axis=(1, 2))
        made = self.mean_color(images)
        if some.any():
            made[some] = self._generate(images[some], keep[some], seeds[some])
        return made

    def mean_color(self, images: Array) -> Array:
        """The baseline "mean"; zero for images whose channels are not the model's."""
        if images.shape[1] != self.preprocess.num_channels:
            return np.zeros_like(images)
        return make_baseline("mean", images, self.preprocess)

    def _checked(self, images: AnyArray, keep: AnyArray) -> tuple[Array, Keep]:
        """Both arrays on the host, in the right shapes and types."""
        host, known = to_host(images), to_host(keep)
        shape = host.shape
        count = "C" if self.any_channels else str(self.preprocess.num_channels)
        wrong = host.ndim != 4 or 0 in shape[1:] or host.dtype != np.float32
        if wrong or not (self.any_channels or shape[1] == self.preprocess.num_channels):
            raise ShapeError(
                f"{self.name}: images are {host.dtype} of shape {shape}; expected float32 of shape "
                f"(N, {count}, H, W)"
            )
        if known.dtype != np.bool_ or known.shape != (shape[0], *shape[2:]):
            raise ShapeError(
                f"{self.name}: keep is {known.dtype} of shape {known.shape}; expected bool of "
                f"shape {(shape[0], *shape[2:])}, True where a pixel is known"
            )
        bad = np.flatnonzero(~np.isfinite(host).all(axis=(1, 2, 3)))
        if bad.size:
            raise InputError(
                f"{self.name}: image {bad[0]} has NaN or infinite values; give finite ones"
            )
        return np.ascontiguousarray(host), np.ascontiguousarray(known)

    def _keys(self, seeds: Seeds, count: int) -> Seeds:
        """One seed per image."""
        keys = np.asarray(seeds)
        if keys.shape != (count,) or keys.dtype.kind not in "iu" or (keys < 0).any():
            raise OptionError(
                f"{self.name}: seeds are {keys.dtype} of shape {keys.shape}; expected {count} "
                "whole numbers from 0 on, one per image"
            )
        return keys.astype(np.uint64)


def each(count: int, work: Callable[[int], None]) -> None:
    """Call work(row) for every row, on as many threads as there are cores; the first error wins."""
    threads = min(_cores(), count)
    if threads <= 1:
        for row in range(count):
            work(row)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="pysal-fill") as pool:
        for _ in pool.map(work, range(count)):
            pass


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
