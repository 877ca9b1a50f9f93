"""Inpainters that let colours run into the hole: OpenCV's two, and scikit-image's biharmonic one.

All need colours: RGB, BGR or grey models. They see the pixels clipped to [0, 1].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.errors import MissingDependencyError
from pysal.fillers.filler import Filler, Keep, Seeds, each
from pysal.fillers.simple import from_8bit, to_8bit
from pysal.preprocess import Preprocess
from pysal.types import Array
from pysal.values import positive


class OpenCvInpainter(Filler):
    """One of the two algorithms of OpenCV's `inpaint`, on 8-bit values.

    Parameters
    ----------
    preprocess : Preprocess
    radius : float
        Neighbourhood of a pixel that OpenCV looks at, in pixels; 3 as in its examples.

    Raises
    ------
    MissingDependencyError
        If OpenCV is not installed.

    Notes
    -----
    OpenCV copies an image's outermost pixels even where they lie in the hole, and lets what they
    hide run inwards. A frame of one pixel of hole, added here and cut off again, prevents that.
    Only the surroundings of the hole are given to OpenCV; they are all that its result depends on.
    Cost for 224 x 224 on one core: 2 ms for a hole of 29 x 29, 20 ms where half of it is hidden.
    """

    flag: str

    def __init__(self, preprocess: Preprocess, *, radius: float = 3) -> None:
        super().__init__(preprocess)
        self.radius = positive(self.name, "radius", radius)
        self._cv2 = _import("cv2", "OpenCV")

    @property
    def description(self) -> str:
        """Name and radius."""
        return f"{self.name}(radius={self.radius:g})"

    def _generate(self, images: Array, keep: Keep, seeds: Seeds) -> Array:
        pixels = np.where(keep[..., None], to_8bit(self.preprocess, images), np.uint8(0))
        margin = 2 * int(np.ceil(self.radius)) + 4

        def one(row: int) -> None:
            window = around(~keep[row], margin)
            pixels[row][window] = self._inpaint(pixels[row][window], ~keep[row][window])

        each(len(images), one)
        return from_8bit(self.preprocess, pixels)

    def _inpaint(self, rgb: NDArray[np.uint8], hole: Keep) -> NDArray[np.uint8]:
        """Fill one image (h, w, 3)."""
        framed = np.pad(rgb, ((1, 1), (1, 1), (0, 0)))
        mask = np.pad(hole.astype(np.uint8), 1, constant_values=1)
        flag = getattr(self._cv2, self.flag)
        filled: NDArray[np.uint8] = self._cv2.inpaint(framed, mask, self.radius, flag)
        return filled[1:-1, 1:-1]


class Telea(OpenCvInpainter):
    """Fast marching: weighted means of known neighbours, from the hole's border inwards [1]_.

    References
    ----------
    .. [1] Telea: An image inpainting technique based on the fast marching method. Journal of
       Graphics Tools 9(1), 2004.
    """

    name = "telea"
    flag = "INPAINT_TELEA"


class NavierStokes(OpenCvInpainter):
    """Lines of equal brightness are continued into the hole [1]_.

    References
    ----------
    .. [1] Bertalmio, Bertozzi, Sapiro: Navier-Stokes, fluid dynamics, and image and video
       inpainting. CVPR 2001.
    """

    name = "navier_stokes"
    flag = "INPAINT_NS"


class Biharmonic(Filler):
    """The smoothest continuation: the biharmonic equation solved in the hole [1]_.

    Raises
    ------
    MissingDependencyError
        If scikit-image is not installed.

    Notes
    -----
    Colours are cut to the range of the known ones. Cost for 224 x 224 on one core: 0.05 s for a
    hole of 29 x 29, up to a second where most of the image is hidden.

    References
    ----------
    .. [1] Damelin, Hoang: On surface completion and image inpainting by biharmonic functions:
       numerical aspects. International Journal of Mathematics and Mathematical Sciences, 2018.
    """

    name = "biharmonic"

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__(preprocess)
        self._solve = _import("skimage.restoration", "scikit-image").inpaint_biharmonic

    def _generate(self, images: Array, keep: Keep, seeds: Seeds) -> Array:
        rgb = self.preprocess.denormalize(images)
        rgb *= keep[..., None]
        planes = 1 if self.preprocess.channels == "GRAY" else 3

        def one(row: int) -> None:
            rgb[row] = self._solve(rgb[row, ..., :planes], ~keep[row], channel_axis=-1)

        each(len(images), one)
        return self.preprocess.normalize(rgb)


def around(hole: Keep, margin: int) -> tuple[slice, slice]:
    """The smallest window (rows, columns) that holds the hole and `margin` pixels around it."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    top, left = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
    return slice(top, rows[-1] + margin + 1), slice(left, columns[-1] + margin + 1)


def _import(module: str, package: str) -> Any:
    """Import an optional package, or say which extra brings it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f'this filler needs {package}; install it with pip install "pysal-saliency[inpaint]"'
        ) from error
