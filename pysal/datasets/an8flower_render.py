"""Views of the an8Flower plants with the masks of their regions, their augmentation, and folds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pysal.datasets.an8flower_scene import BACKGROUND, draw
from pysal.datasets.an8flower_variants import FlowerClass, look
from pysal.errors import OptionError

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

NUM_FRAMES = 40
CROP = 250
ANGLES = (5, 10, 15, 20, 25)
NUM_AUGMENTED = 5 * len(ANGLES)
DEGREES = 360 / NUM_FRAMES
PHASE = 17.0
"""Heading of the camera in frame 0, degrees; arbitrary, fixed."""


def render(variant: str, cls: str, frame: int, size: int = 300) -> tuple[Pixels, Mask]:
    """One view of one class, and where its discriminative region is visible.

    Parameters
    ----------
    variant : {"single-6c", "double-12c", "part-2c"}
    cls : str
        One of `classes(variant)`.
    frame : int in [0, 40)
        The plant turns by 9 degrees from each frame to the next.
    size : int
        Height and width in pixels.

    Returns
    -------
    rgb : ndarray of shape (size, size, 3), uint8
    mask : ndarray of shape (size, size), bool
        Pixels whose centre shows the region; no smoothing at its edges.

    Notes
    -----
    The same call gives the same pixels with the same OpenGL driver; drivers differ in a few.
    """
    return next(render_frames(variant, cls, [frame], size))


def render_frames(
    variant: str, cls: str, frames: Iterable[int], size: int = 300
) -> Iterator[tuple[Pixels, Mask]]:
    """Views of one class, as `render` gives them one by one but some five times as fast.

    Raises
    ------
    OptionError
        If variant, class, frame or size is unknown or outside its range; at the call.
    """
    shown = look(variant, cls)
    frames = list(frames)
    for frame in frames:
        if not 0 <= frame < NUM_FRAMES:
            raise OptionError(f"frame is {frame}; expected 0 to {NUM_FRAMES - 1}")
    if size < 16:
        raise OptionError(f"size is {size}; expected 16 pixels or more")
    return _pairs(shown, [PHASE + DEGREES * frame for frame in frames], size)


def _pairs(shown: FlowerClass, headings: list[float], size: int) -> Iterator[tuple[Pixels, Mask]]:
    """Image and mask per heading."""
    flat = {part: (255,) * 3 if part in shown.region else (0,) * 3 for part in shown.colours}
    # Twice the size, then the mean of 2 x 2 pixels: smooth edges that no driver setting changes.
    lit, masks = draw(shown.colours, headings, 2 * size), draw(flat, headings, size, flat=True)
    for fine, mask in zip(lit, masks, strict=True):
        rgb = fine.astype(np.uint16).reshape(size, 2, size, 2, 3).sum(axis=(1, 3))
        yield ((rgb + 2) // 4).astype(np.uint8), mask[..., 0] > 127


def augment(rgb: Pixels, mask: Mask) -> Iterator[tuple[Pixels, Mask]]:
    """Five crops (four corners, centre), each turned by 5 to 25 degrees: 25 pairs.

    Parameters
    ----------
    rgb : ndarray of shape (H, W, 3), uint8
    mask : ndarray of shape (H, W), bool

    Yields
    ------
    rgb, mask : ndarray of shape (250, 250, 3) and (250, 250)
        Crop by crop; uncovered corners are background, and False in the mask. The mask is turned
        with nearest neighbours, the image bilinearly.
    """
    height, width = mask.shape
    if min(height, width) < CROP or rgb.shape != (height, width, 3):
        raise OptionError(
            f"image {rgb.shape} and mask {mask.shape}; expected (H, W, 3) and (H, W), at least "
            f"{CROP} pixels each way"
        )
    y, x = height - CROP, width - CROP
    for top, left in ((0, 0), (0, x), (y, 0), (y, x), (y // 2, x // 2)):
        window = np.s_[top : top + CROP, left : left + CROP]
        photo = Image.fromarray(rgb[window])
        region = Image.fromarray(mask[window].astype(np.uint8) * 255)
        for angle in ANGLES:
            turned = photo.rotate(angle, Image.Resampling.BILINEAR, fillcolor=BACKGROUND)
            shape = region.rotate(angle, Image.Resampling.NEAREST, fillcolor=0)
            yield np.asarray(turned), np.asarray(shape) > 127


def folds(num_frames: int = NUM_FRAMES, k: int = 5) -> list[tuple[list[int], list[int]]]:
    """Frames for training and for testing, per fold.

    Parameters
    ----------
    num_frames : int
    k : int

    Returns
    -------
    list of (list of int, list of int)
        Each frame is tested in one fold.

    Notes
    -----
    Split by frame, because the 25 images made from one frame are nearly equal: a split by image
    has each test image's twin in the training set, and scores higher. Test frames are neighbours
    (a sector of the turn), since frames 9 degrees apart are close as well.
    """
    if not 2 <= k <= num_frames:
        raise OptionError(f"k is {k}; expected 2 to {num_frames}, the number of frames")
    frames = np.arange(num_frames)
    sectors = np.array_split(frames, k)
    return [(np.setdiff1d(frames, test).tolist(), test.tolist()) for test in sectors]
