"""an8Flower, rendered anew: plants whose classes differ in one part, and masks of that part.

A re-creation of the data set of paper 004 (`an8Flower-single-6c`): the published pictures come from
another plant and other, unpublished, colours and light, so scores here compare with scores here.
A variant is data: which parts are coloured how in each class, and which part tells classes apart.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pysal.datasets.an8flower_scene import BACKGROUND, Colour, draw
from pysal.errors import OptionError

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
T = TypeVar("T")

NUM_FRAMES = 40
CROP = 250
ANGLES = (5, 10, 15, 20, 25)
DEGREES = 360 / NUM_FRAMES
PHASE = 17.0
"""Heading of the camera in frame 0, degrees; arbitrary, fixed."""

COMMON: Mapping[str, Colour] = {
    "pot": (150, 112, 92),
    "soil": (72, 56, 46),
    "stem": (92, 128, 62),
    "leaves": (76, 132, 70),
    "calyx": (66, 106, 52),
}


class FlowerClass(NamedTuple):
    """One class of a variant.

    Attributes
    ----------
    colours : mapping of str to colour
        Parts that are shown, and their colour in RGB.
    region : tuple of str
        Parts that tell this class from the others; the mask shows where they are visible.
    """

    colours: Mapping[str, Colour]
    region: tuple[str, ...]


def _flower_colour(colour: Colour) -> FlowerClass:
    return FlowerClass({**COMMON, "flower": colour}, ("flower",))


VARIANTS: dict[str, Mapping[str, FlowerClass]] = {
    "single-6c": {
        "red": _flower_colour((204, 44, 40)),
        "orange": _flower_colour((226, 122, 30)),
        "yellow": _flower_colour((226, 200, 48)),
        "blue": _flower_colour((58, 92, 196)),
        "purple": _flower_colour((120, 60, 160)),
        "pink": _flower_colour((226, 112, 168)),
    },
}
"""Variant -> class -> what it looks like."""


def classes(variant: str) -> tuple[str, ...]:
    """Class names of a variant, in the order of their indices."""
    return tuple(_choose(VARIANTS, variant, "an8Flower variant"))


def render(variant: str, cls: str, frame: int, size: int = 300) -> tuple[Pixels, Mask]:
    """One view of one class, and where its discriminative region is visible.

    Parameters
    ----------
    variant : {"single-6c"}
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
    look: FlowerClass = _choose(_choose(VARIANTS, variant, "an8Flower variant"), cls, "class")
    if not 0 <= frame < NUM_FRAMES:
        raise OptionError(f"frame is {frame}; expected 0 to {NUM_FRAMES - 1}")
    if size < 16:
        raise OptionError(f"size is {size}; expected 16 pixels or more")
    # Twice the size, then the mean of 2 x 2 pixels: smooth edges that no driver setting changes.
    heading = PHASE + DEGREES * frame
    fine = draw(look.colours, heading, 2 * size).astype(np.uint16)
    rgb = fine.reshape(size, 2, size, 2, 3).sum(axis=(1, 3))
    flat = {part: (255,) * 3 if part in look.region else (0,) * 3 for part in look.colours}
    shown = draw(flat, heading, size, flat=True)
    return ((rgb + 2) // 4).astype(np.uint8), shown[..., 0] > 127


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


def write_dataset(
    folder: str | os.PathLike[str],
    variant: str = "single-6c",
    frames: Iterable[int] = range(NUM_FRAMES),
    augmented: bool = True,
) -> int:
    """Render a variant into `images/` and, with the same names, `masks/`.

    Parameters
    ----------
    folder : path
    variant : {"single-6c"}
    frames : iterable of int in [0, 40)
    augmented : bool
        True writes CLASS/img(1..40)/p(1..5)/r(1..5).png, False the frames: CLASS/img(1..40).png.

    Returns
    -------
    int
        Images written now. Views whose files are all there are skipped, and every file appears
        whole or not at all, so an interrupted call can be repeated.
    """
    root = Path(folder)
    written = 0
    names = [f"p{p}/r{r}" for p, r in itertools.product(range(1, 6), range(1, 6))]
    for cls, frame in itertools.product(classes(variant), list(frames)):
        stem = f"{cls}/img{frame + 1}"
        paths = [f"{stem}/{name}.png" for name in names] if augmented else [f"{stem}.png"]
        if all((root / kind / path).exists() for kind in ("images", "masks") for path in paths):
            continue
        view = render(variant, cls, frame)
        for path, (rgb, mask) in zip(paths, augment(*view) if augmented else [view], strict=True):
            save_png(root / "images" / path, rgb)
            save_png(root / "masks" / path, mask)
            written += 1
    _replace(root / "dataset.json", json.dumps(_describe(variant), indent=1).encode())
    return written


def _choose(table: Mapping[str, T], name: str, kind: str) -> T:
    """Entry of a table, or an error that lists the names."""
    if name not in table:
        raise OptionError(f'{kind} "{name}" is unknown; use one of {", ".join(table)}')
    return table[name]


def save_png(path: Path, array: Pixels | Mask) -> None:
    """Write an image of shape (H, W, 3), or a mask as 0 and 255, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = array.astype(np.uint8) * 255 if array.dtype == bool else array
    part = path.with_suffix(".part")
    Image.fromarray(pixels).save(part, format="PNG")
    os.replace(part, path)


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    os.replace(part, path)


def _describe(variant: str) -> dict[str, Any]:
    """What the images are, for the record beside them."""
    return {
        "dataset": f"an8Flower-{variant}, rendered by pysal",
        "license": "Apache-2.0",
        "classes": classes(variant),
        "region": {name: look.region for name, look in VARIANTS[variant].items()},
        "background": BACKGROUND,
        "degrees_per_frame": DEGREES,
    }
