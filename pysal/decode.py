"""One picture, file or PIL image, as the RGB pixels that a model sees."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import InputError, PysalError
from pysal.preprocess import Preprocess
from pysal.types import Array

if TYPE_CHECKING:
    from PIL import Image

MAX_ASPECT = 32
"""Longer strips are cut to their middle before they are resized: their ends are cropped anyway."""
_STILL_FORMATS = ("MPO", "PSD")
"""Formats whose further "frames" are previews, other views or layers of one still picture."""


def decode(
    picture: str | os.PathLike[str] | Image.Image, name: str, preprocess: Preprocess
) -> Array:
    """RGB of shape (H, W, 3), float32 in [0, 1], at the size of the record.

    How, and what is refused: see `pysal.photos.load_photos`. `name` starts the error messages.
    """
    with _decoding(name):
        image = _resized(_decoded(picture, name), preprocess)
        return np.asarray(image, np.float32) / np.float32(255)


@contextlib.contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one line that starts with the image's name."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except PysalError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; give the path of a photo") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder; give the photos in it") from None
    except UnidentifiedImageError:
        raise InputError(f"{name}: is not an image; give a JPEG, PNG or other photo") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{name}: has too many pixels to be a photo; give a smaller one") from None
    except Exception as error:
        # Decoders fail on broken files in many ways (OSError, SyntaxError, struct.error, ...).
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{name}: cannot be read ({reason}); give an intact photo") from error


def _decoded(item: str | os.PathLike[str] | Image.Image, name: str) -> Image.Image:
    """Upright 8-bit RGB image of a file or PIL image; the latter stays as it is."""
    from PIL import Image

    if isinstance(item, Image.Image):
        return _to_rgb(item, name)
    with Image.open(item) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format not in _STILL_FORMATS:
            raise InputError(f"{name}: has {frames} frames; save the one to explain alone")
        return _to_rgb(image, name)


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Upright 8-bit RGB of any mode; what shines through is white."""
    from PIL import Image, ImageOps

    if 0 in image.size:
        raise InputError(f"{name}: has size {image.width} x {image.height}; give a photo")
    if image.mode in ("I", "F") and image.format not in ("PNG", "PPM"):
        raise InputError(
            f'{name}: has 32-bit values (mode "{image.mode}") of unknown range; save it with 8 bits'
        )
    image = ImageOps.exif_transpose(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.float32) / 257
        image = Image.fromarray(np.rint(np.clip(values, 0, 255)).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _resized(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Resize and crop as the record says."""
    from PIL import Image

    method = Image.Resampling[preprocess.interpolation.upper()]
    height, width = preprocess.size
    if preprocess.resize_shorter_side is None:
        return image.resize((width, height), method)
    image = _without_ends(image, _max_aspect(preprocess))
    image = image.resize(_scaled(image.size, preprocess), method)
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def visible_box(size: tuple[int, int], preprocess: Preprocess) -> tuple[float, float, float, float]:
    """The part of an upright photo that the network sees.

    Parameters
    ----------
    size : tuple of int
        (H, W) of the photo.
    preprocess : Preprocess

    Returns
    -------
    left, top, right, bottom : float
        In pixels of the photo.
    """
    height, width = size
    if preprocess.resize_shorter_side is None:
        return 0.0, 0.0, float(width), float(height)
    limit = int(_max_aspect(preprocess) * min(size))
    inner = min(width, limit), min(height, limit)
    offset = (width - inner[0]) // 2, (height - inner[1]) // 2
    scaled = _scaled(inner, preprocess)
    box: list[float] = []
    for edge, wide, seen in zip(inner, scaled, preprocess.size[::-1], strict=True):
        first = round((wide - seen) / 2)
        box += [first * edge / wide, (first + seen) * edge / wide]
    left, right, top, bottom = box
    return left + offset[0], top + offset[1], right + offset[0], bottom + offset[1]


def _max_aspect(preprocess: Preprocess) -> float:
    """Longer side over shorter side from which a strip is cut."""
    height, width = preprocess.size
    return MAX_ASPECT * max(width / height, height / width)


def _scaled(size: tuple[int, int], preprocess: Preprocess) -> tuple[int, int]:
    """(width, height) of a photo before the crop."""
    height, width = preprocess.size
    short, side = min(size), preprocess.resize_shorter_side or 1
    scale = max(side / short, height / size[1], width / size[0])
    if scale == side / short:
        # Integer arithmetic as torchvision's: the longer side is rounded down.
        wide, high = (side if edge == short else side * edge // short for edge in size)
        return wide, high
    return max(round(scale * size[0]), width), max(round(scale * size[1]), height)


def _without_ends(image: Image.Image, aspect: float) -> Image.Image:
    """Cut a very long strip to its middle, so that resizing it cannot fill the memory."""
    limit = int(aspect * min(image.size))
    width, height = (min(edge, limit) for edge in image.size)
    if (width, height) == image.size:
        return image
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
