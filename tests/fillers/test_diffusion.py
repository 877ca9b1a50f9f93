"""OpenCV's and scikit-image's inpainters: analytic cases, and the packages called directly."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from filler_cases import RECORDS, images, masks, open_or_skip, seeds

from pysal.errors import MissingDependencyError, OptionError
from pysal.fillers import open_filler
from pysal.fillers.diffusion import Telea, around

RGB = RECORDS["RGB"]
NAMES = ("telea", "navier_stokes", "biharmonic")
LEVEL = 1 / 255 / 0.229
"""One grey level in model space, red channel."""


def _ramp(size=(40, 48), slope=0.6):
    """A grey ramp from left to right, RGB (1, H, W, 3)."""
    line = 0.2 + slope * np.linspace(0, 1, size[1])
    return np.broadcast_to(line[None, None, :, None], (1, *size, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "levels"), [("telea", 8), ("navier_stokes", 0), ("biharmonic", 0)]
)
def test_a_constant_is_continued(name, levels):
    # OpenCV's fast marching wanders off by a few grey levels: its gradients count the hole as 0.
    filler = open_or_skip(name)
    x = RGB.normalize(np.full((4, 40, 48, 3), 100 / 255, np.float32))
    filled = filler.fill(x, masks(4), seeds(4))
    assert np.abs(filled - x).max() < levels * LEVEL + 1e-4


@pytest.mark.parametrize("name", ["telea", "navier_stokes"])
def test_single_pixels_at_the_border_are_filled_from_their_neighbours(name):
    # OpenCV 4.10 and 5 give saturated values here without the frame (its issue 28648).
    filler = open_or_skip(name)
    x = RGB.normalize(np.broadcast_to(np.float32([1, 0, 0.5]), (1, 25, 25, 3)))
    keep = np.ones((1, 25, 25), bool)
    for place in ((0, 0), (24, 24), (1, 23), (0, 12), (24, 0), (12, 12)):
        keep[0][place] = False
    rgb = RGB.denormalize(filler.fill(x, keep, seeds(1)))
    assert np.abs(rgb - [1, 0, 0.5]).max() < 4 / 255


@pytest.mark.parametrize(
    ("name", "levels"), [("telea", 20), ("navier_stokes", 12), ("biharmonic", 1)]
)
def test_a_ramp_is_continued(name, levels):
    filler = open_or_skip(name)
    x = RGB.normalize(_ramp())
    filled = filler.fill(x, masks(1), seeds(1))
    assert np.abs(filled - x).max() < (levels + 0.6) * LEVEL


@pytest.mark.parametrize("name", ["telea", "navier_stokes"])
@pytest.mark.parametrize("radius", [1, 3, 5.5])
def test_opencv_gives_the_same_on_the_whole_image(name, radius):
    cv2 = pytest.importorskip("cv2")
    filler = type(open_or_skip(name))(RGB, radius=radius)
    flag = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}[name]
    x, keep = images(8, size=(60, 72)), masks(8, size=(60, 72))
    filled = filler.fill(x, keep, seeds(8))
    for row in range(8):
        rgb = np.rint(255 * RGB.denormalize(x[row : row + 1])[0]).astype(np.uint8)
        # Blue first, as OpenCV has it: the order of channels makes no difference.
        framed = np.pad(rgb[..., ::-1], ((1, 1), (1, 1), (0, 0)), constant_values=255)
        mask = np.pad((~keep[row]).astype(np.uint8), 1, constant_values=1)
        expected = cv2.inpaint(framed, mask, radius, flag)[1:-1, 1:-1, ::-1]
        made = np.rint(255 * RGB.denormalize(filled[row : row + 1])[0])
        np.testing.assert_array_equal(made[~keep[row]], expected[~keep[row]])


def test_biharmonic_is_scikit_images():
    restoration = pytest.importorskip("skimage.restoration")
    x, keep = images(2), masks(2)
    filled = open_filler("biharmonic", RGB).fill(x, keep, seeds(2))
    for row in range(2):
        rgb = RGB.denormalize(x[row : row + 1])[0]
        expected = restoration.inpaint_biharmonic(rgb, ~keep[row], channel_axis=-1)
        made = RGB.denormalize(filled[row : row + 1])[0]
        np.testing.assert_allclose(made[~keep[row]], expected[~keep[row]], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_grey_models_get_the_same_from_one_channel(name):
    filler = open_or_skip(name, RECORDS["GRAY"])
    grey, keep = _ramp(), masks(1)
    filled = RECORDS["GRAY"].denormalize(
        filler.fill(RECORDS["GRAY"].normalize(grey), keep, seeds(1))
    )
    colored = RGB.denormalize(open_or_skip(name).fill(RGB.normalize(grey), keep, seeds(1)))
    np.testing.assert_allclose(filled, colored, atol=1e-4)


def test_the_window_around_a_hole():
    hole = np.zeros((20, 30), bool)
    hole[4:7, 25:28] = True
    assert around(hole, 3) == (slice(1, 10), slice(22, 31))
    assert around(hole, 9) == (slice(0, 16), slice(16, 37))


def test_options_and_description():
    pytest.importorskip("cv2")
    assert Telea(RGB).description == "telea(radius=3)"
    with pytest.raises(OptionError, match="telea: radius is 0; expected a positive number"):
        Telea(RGB, radius=0)


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("telea", "cv2", "OpenCV"), ("biharmonic", "skimage.restoration", "scikit-image")],
)
def test_absent_packages_are_named(name, module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"needs {package}; .*\[inpaint\]"):
        open_filler(name, RGB)
