"""Fillers without an inpainter: constants, blurs, noise, and means of what is kept nearby.

All but `LocalMean` are static. Those that the baselines have are the baselines.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from pysal.baselines import make_baseline, pillow_blur
from pysal.fillers.filler import Filler, Keep, Seeds
from pysal.preprocess import Preprocess
from pysal.types import Array
from pysal.values import number, positive, whole


class Baseline(Filler):
    """A baseline of `pysal.baselines` as a filler.

    Parameters
    ----------
    preprocess : Preprocess
    kind : str
        A name of `pysal.baselines.BASELINES`; "zero" takes images of any number of channels.
    """

    static = True
    has_unpasted = True

    def __init__(self, preprocess: Preprocess, kind: str) -> None:
        super().__init__(preprocess)
        self.name, self.any_channels = kind, kind == "zero"

    def _generate(self, images: Array, keep: Keep, seeds: Seeds) -> Array:
        if self.name == "zero":
            return np.zeros_like(images)
        return make_baseline(self.name, images, self.preprocess, seed=seeds)


zero, mean, black, white, blur, noise = (
    functools.partial(Baseline, kind=kind)
    for kind in ("zero", "mean", "black", "white", "blur", "noise")
)


class PillowBlur(Filler):
    """The image itself, blurred by Pillow's GaussianBlur on 8-bit values.

    Parameters
    ----------
    preprocess : Preprocess
    radius : float
        Standard deviation in pixels; 10 is P10 of the methods specification, 0.3.

    Notes
    -----
    MP blurs the photo at its original size and resizes then. A filler sees the model's input only,
    and blurs that: the blur reaches as many pixels of the input, hence more of the scene. Values
    outside of [0, 1] are clipped, and rounded to 8 bits. Cost: about 1 ms for 224 x 224.
    """

    name = "blur10"
    static = True
    has_unpasted = True

    def __init__(self, preprocess: Preprocess, *, radius: float = 10) -> None:
        super().__init__(preprocess)
        self.radius = positive(self.name, "radius", radius)

    @property
    def description(self) -> str:
        """Name and radius."""
        return f"{self.name}(radius={self.radius:g})"

    def _generate(self, images: Array, keep: Keep, seeds: Seeds) -> Array:
        return pillow_blur(images, self.preprocess, self.radius)


class GaussianBlur(Filler):
    """The image itself, blurred by a Gaussian in model space.

    Parameters
    ----------
    preprocess : Preprocess
    sigma : float
        In pixels; 10 is G10 of the methods specification, 0.3.

    Notes
    -----
    Cut at 4 sigma, border reflect-101: what OpenCV's GaussianBlur does with float images where the
    kernel size is left to it, as in FIDO's code. Works on any number of channels.
    """

    name = "gauss10"
    static = True
    any_channels = True
    has_unpasted = True

    def __init__(self, preprocess: Preprocess, *, sigma: float = 10) -> None:
        super().__init__(preprocess)
        self.sigma = positive(self.name, "sigma", sigma)

    @property
    def description(self) -> str:
        """Name and sigma."""
        return f"{self.name}(sigma={self.sigma:g})"

    def _generate(self, images: Array, keep: Keep, seeds: Seeds) -> Array:
        rows, columns = (_gauss(side, self.sigma) for side in images.shape[2:])
        return np.stack([rows @ image @ columns.T for image in images])


@functools.lru_cache(maxsize=16)
def _gauss(length: int, sigma: float) -> Array:
    """Blur along one axis as a matrix: what it makes of the unit vectors, mirrored at both ends."""
    reach = (round(8 * sigma + 1) | 1) // 2
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    mirrored = np.pad(np.eye(length), ((reach, reach), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, 2 * reach + 1, axis=0)
    matrix: Array = (windows @ (weights / weights.sum())).astype(np.float32)
    matrix.flags.writeable = False
    return matrix


class RandomColor(Filler):
    """One colour per image, uniform in [0, 1], with normal noise at every pixel and channel.

    Parameters
    ----------
    preprocess : Preprocess
    noise : float
        Standard deviation, in units of [0, 1]; 0.2 in FIDO's code, which clips to [0, 1] after.
    """

    name = "random_color"
    static = True
    has_unpasted = True

    def __init__(self, preprocess: Preprocess, *, noise: float = 0.2) -> None:
        super().__init__(preprocess)
        self.noise = number(self.name, "noise", noise, lambda v: v >= 0, "a number from 0 on")

    @property
    def description(self) -> str:
        """Name and noise."""
        return f"{self.name}(noise={self.noise:g})"

    def _generate(self, images: Array, keep: Keep, seeds: Seeds) -> Array:
        out = np.empty_like(images)
        size = images.shape[2:]
        for image, key in enumerate(seeds.tolist()):
            rng = np.random.Generator(np.random.Philox(key=key))
            color = rng.random((1, 1, 1, 3), np.float32)
            grain = rng.standard_normal((1, *size, 3), np.float32)
            rgb = np.clip(color + np.float32(self.noise) * grain, 0, 1)
            out[image] = self.preprocess.normalize(rgb)[0]
        return out


class LocalMean(Filler):
    """Mean of the known pixels in a square window around each pixel.

    Parameters
    ----------
    preprocess : Preprocess
    window : int
        Odd; 15 in FIDO's code.

    Notes
    -----
    Windows are cut at the border. A pixel whose window knows nothing gets the mean colour, so a
    hole wider than the window has a flat middle. Works on any number of channels. Means are taken
    in float64 over running sums. Cost: about 5 ms for 3 x 224 x 224, whatever the window.
    """

    name = "local_mean"
    any_channels = True
    has_unpasted = True

    def __init__(self, preprocess: Preprocess, *, window: int = 15) -> None:
        super().__init__(preprocess)
        self.window = whole(self.name, "window", window)
        number(self.name, "window", window, lambda v: v % 2 == 1, "an odd number")

    @property
    def description(self) -> str:
        """Name and window."""
        return f"{self.name}(window={self.window})"

    def _generate(self, images: Array, keep: Keep, seeds: Seeds) -> Array:
        out = self.mean_color(images)
        for image, known, result in zip(images, keep, out, strict=True):
            count = self._sums(known[None].astype(np.float64))
            total = self._sums(np.where(known, image, 0).astype(np.float64))
            np.divide(total, count, out=result, where=count > 0.5, casting="same_kind")
        return out

    def _sums(self, planes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the windows of planes (C, H, W)."""
        half = self.window // 2
        for axis in (1, 2):
            length = planes.shape[axis]
            running = np.cumsum(planes, axis=axis)
            running = np.insert(running, 0, 0, axis=axis)
            low = np.maximum(np.arange(length) - half, 0)
            high = np.minimum(np.arange(length) + half + 1, length)
            planes = running.take(high, axis) - running.take(low, axis)
        return planes


def to_8bit(preprocess: Preprocess, images: Array) -> NDArray[np.uint8]:
    """Batch -> RGB (N, H, W, 3), uint8: clipped and rounded."""
    return np.rint(255 * preprocess.denormalize(images)).astype(np.uint8)


def from_8bit(preprocess: Preprocess, pixels: NDArray[np.uint8]) -> Array:
    """RGB (N, H, W, 3), uint8 -> batch."""
    return preprocess.normalize(pixels.astype(np.float32) / np.float32(255))
