"""The images that the small inpainter is trained on: drawn scenes, rendered plants, free photos.

Every photograph comes with scikit-image, whose documentation states its terms; only those that are
CC0 or released into the public domain are taken, so that the trained weights may be shipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pysal.datasets.inpainting_scenes import Rng, random_color, render_scene
from pysal.errors import MissingDependencyError

Pixels = NDArray[np.uint8]

PHOTOS: dict[str, str] = {
    "astronaut": "public domain (NASA)",
    "brick": "CC0 (CC0Textures)",
    "camera": "CC0 (Lav Varshney)",
    "cat": "CC0 (Stefan van der Walt)",
    "clock": "public domain (Stefan van der Walt)",
    "coffee": "CC0 (Rachel Michetti)",
    "grass": "CC0 (linolafett)",
    "gravel": "CC0 (CC0Textures)",
    "hubble_deep_field": "public domain (NASA)",
    "retina": "CC0 (Mikael Haggstrom)",
    "rocket": "public domain (SpaceX)",
}
"""Functions of skimage.data whose image is used -> terms that its documentation states."""


def free_photos() -> dict[str, Pixels]:
    """The photographs of `PHOTOS`, RGB (H, W, 3), none larger than 720 pixels.

    Raises
    ------
    MissingDependencyError
        If scikit-image is not installed.
    """
    try:
        import skimage.data
    except ImportError as error:
        raise MissingDependencyError(
            "the photos come with scikit-image; install it with "
            'pip install "pysal-saliency[inpaint]"'
        ) from error
    found = {}
    for name in PHOTOS:
        photo = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        photo.thumbnail((720, 720), Image.Resampling.BICUBIC)
        found[name] = np.asarray(photo)
    return found


def plants(frames: tuple[int, ...] = (0, 9, 22, 31)) -> list[tuple[Pixels, NDArray[np.bool_]]]:
    """Renderings of an8Flower and where each shows the plant; needs the extra `datasets`."""
    from pysal.datasets import an8flower
    from pysal.datasets.an8flower_scene import BACKGROUND

    views = [
        rgb
        for cls in an8flower.classes("single-6c")
        for rgb, _ in an8flower.render_frames("single-6c", cls, frames)
    ]
    return [(view, (view != np.array(BACKGROUND, np.uint8)).any(axis=2)) for view in views]


def draw_scenes(seed: int, count: int, size: int, cutouts: list[Any]) -> Pixels:
    """Random scenes, every eighth with a plant in front: (count, size, size, 3) uint8.

    Scene i depends on the seed and on i only.
    """
    out = np.empty((count, size, size, 3), np.uint8)
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        picture = render_scene(rng, size)
        if cutouts and index % 8 == 0:
            _place(rng, picture, *cutouts[rng.integers(len(cutouts))])
        out[index] = np.rint(255 * picture)
    return out


def _place(rng: Rng, picture: NDArray[np.float32], view: Pixels, shown: NDArray[np.bool_]) -> None:
    """Put a plant into a scene, at any size and place."""
    size = len(picture)
    scale = rng.uniform(0.7, 1.5)
    inside = size / scale * rng.uniform(0.1, 0.9, 2) - rng.uniform(0.2, 0.8, 2) * len(view)
    matrix = (1 / scale, 0, -inside[0], 0, 1 / scale, -inside[1])
    way, how = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    sheet = np.dstack([view * shown[..., None], shown.astype(np.uint8) * 255])
    placed = Image.fromarray(sheet).transform((size, size), way, matrix, how)
    front = np.asarray(placed, np.float32) / 255
    picture += front[..., :3] - front[..., 3:] * picture
    np.clip(picture, 0, 1, out=picture)


def crop_photo(rng: Rng, photo: Pixels, size: int) -> NDArray[np.float32]:
    """A random window of a photo at a random scale: (size, size, 3) in [0, 1]; grey ones tinted."""
    height, width = photo.shape[:2]
    short = min(height, width)
    side = np.exp(rng.uniform(np.log(min(size * 0.9, short)), np.log(short)))
    left, top = rng.uniform(0, 1, 2) * (width - side, height - side)
    window = Image.fromarray(photo).resize(
        (size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side)
    )
    values = np.asarray(window, np.float32) / np.float32(255)
    if (photo[..., 0] == photo[..., 1]).all() and rng.random() < 0.7:
        dark, light = 0.3 * random_color(rng), 1 - 0.3 * random_color(rng)
        return (dark + (light - dark) * values).astype(np.float32)
    return values


def recolor(rng: Rng, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vary an image (H, W, 3): mirrored, turned, channels swapped, brightness and contrast."""
    values = np.rot90(values, int(rng.integers(4)))
    if rng.random() < 0.5:
        values = values[:, ::-1]
    if rng.random() < 0.5:
        values = values[..., rng.permutation(3)]
    values = values ** np.float32(np.exp(rng.normal(0, 0.25)))
    values = np.float32(rng.uniform(0.75, 1.15)) * values + np.float32(rng.normal(0, 0.04))
    return np.clip(values, 0, 1).astype(np.float32)
