"""Photos in any usual form, one at a time, as batches of a model."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pysal.decode import decode
from pysal.errors import InputError, PysalError, ShapeError
from pysal.preprocess import Preprocess
from pysal.types import Array

if TYPE_CHECKING:
    from PIL import Image


@dataclasses.dataclass(frozen=True)
class Photos:
    """Images ready for a model.

    Attributes
    ----------
    batch : ndarray of shape (N, C, H, W), float32
        Model input space.
    names : tuple of str
        File stems, or image_0, image_1, ... by position; made unique with _1, _2, ...
    pictures : tuple of ndarray of shape (1, H, W, 3), or None
        What was decoded; None where an image came in model input space.
    preprocess : Preprocess
    """

    batch: Array
    names: tuple[str, ...]
    pictures: tuple[Array | None, ...]
    preprocess: Preprocess

    def __len__(self) -> int:
        return len(self.batch)

    @functools.cached_property
    def rgb(self) -> Array:
        """The same as the model sees them, for overlays: (N, H, W, 3), float32 in [0, 1].

        Made when it is asked for: metrics of arrays never do.
        """
        rows = zip(self.pictures, self.batch, strict=True)
        return np.concatenate(
            [self.preprocess.denormalize(row[None]) if p is None else p for p, row in rows]
        )


def load_photos(
    images: Any, preprocess: Preprocess, input_shape: tuple[int, int, int] | None = None
) -> Photos:
    """Read all images into one batch.

    Parameters
    ----------
    images : path, PIL image, ndarray, or list of these
        A path (str or Path) or PIL image is a photo. A uint8 array is a photo, (H, W, C) or
        (N, H, W, C) with C = 1, 3 (RGB) or 4 (RGBA), or grey (H, W). A float array is **already in
        model input space** and is only checked: (C, H, W) or (N, C, H, W). Lists may mix them.
    preprocess : Preprocess
    input_shape : tuple of int, optional
        (C, H, W) of the model, where known; the record has to agree.

    Returns
    -------
    Photos

    Raises
    ------
    InputError
        If a file is missing, no photo, broken, animated or too large, a picture is empty or has a
        depth that is not understood, or there is no image at all.
    ShapeError
        If an array has the wrong shape, dtype, channels or values, or record and model disagree.

    Notes
    -----
    Photos are turned upright by their EXIF orientation and converted to 8-bit RGB: transparent
    ones are laid over white, 16-bit grey is divided by 257, CMYK and palettes are converted without
    colour profiles. Then the shorter side is resized to `resize_shorter_side` on 8-bit values, by
    Pillow with antialiasing, and the centre is cropped (as torchvision's Resize and CenterCrop).
    Where the crop would not fit, the photo is enlarged until it does. Arrays that have the model's
    size already take the same way: shorter side to 256, then the centre 224.
    """
    chunks = list(iter_photos(images, preprocess, input_shape, batch_size=count_photos(images)))
    return chunks[0]


def iter_photos(
    images: Any,
    preprocess: Preprocess,
    input_shape: tuple[int, int, int] | None = None,
    batch_size: int = 16,
) -> Iterator[Photos]:
    """Read images lazily, `batch_size` at a time; see `load_photos`.

    An image that cannot be used raises when it is reached, after the good ones before it have been
    handed out.
    """
    items = _items(images)
    if input_shape is not None and tuple(input_shape) != preprocess.input_shape:
        raise ShapeError(
            f"the model takes (C, H, W) = {tuple(input_shape)} and its preprocessing record makes "
            f'{preprocess.input_shape}; correct "size" or "channels" of the record'
        )
    return _chunks(items, preprocess, batch_size)


def count_photos(images: Any) -> int:
    """Count the images that `load_photos` would read, without reading any; same errors."""
    return len(_items(images))


def _chunks(items: list[Any], preprocess: Preprocess, batch_size: int) -> Iterator[Photos]:
    """Yield the images in chunks; an error waits until the images before it are handed out."""
    taken: set[str] = set()
    done: list[tuple[Array, Array | None, str]] = []
    for index, item in enumerate(items):
        is_path = isinstance(item, str | os.PathLike)
        name = Path(item).stem if is_path else f"image_{index}"
        try:
            rows = _one(item, str(item) if is_path else name, preprocess)
        except PysalError:
            if done:
                yield _stack(done, preprocess)
            raise
        done.append((*rows, _unique(name or f"image_{index}", taken)))
        if len(done) == batch_size:
            yield _stack(done, preprocess)
            done = []
    if done:
        yield _stack(done, preprocess)


def _stack(done: list[tuple[Array, Array | None, str]], preprocess: Preprocess) -> Photos:
    batch, pictures, names = zip(*done, strict=True)
    return Photos(np.concatenate(batch), names, pictures, preprocess)


def _unique(name: str, taken: set[str]) -> str:
    """`name`, or `name_1`, ...; case counts for nothing, as in some file systems."""
    result, number = name, 0
    while result.casefold() in taken:
        number += 1
        result = f"{name}_{number}"
    taken.add(result.casefold())
    return result


def _items(images: Any) -> list[Any]:
    """Flatten what the caller gave into single images; nothing is read yet."""
    if isinstance(images, list | tuple):
        items = [item for entry in images for item in _singles(entry)]
    else:
        items = _singles(images)
    if not items:
        raise InputError("0 images given; give at least one path, PIL image or array")
    return items


def _singles(entry: Any) -> list[Any]:
    """One path, PIL image or array as a list; batches are cut into their images."""
    if isinstance(entry, str | os.PathLike) or _is_pil(entry):
        return [entry]
    if isinstance(entry, list | tuple) or not hasattr(entry, "__array__"):
        raise InputError(
            f"image is a {type(entry).__name__}; expected a path, PIL image or array, or one list "
            "of these"
        )
    array = np.asarray(entry)
    return list(array) if array.ndim == 4 else [array]


def _is_pil(entry: Any) -> bool:
    """Whether this is a PIL image; Pillow is not imported for the question."""
    return any(kind.__module__ == "PIL.Image" for kind in type(entry).__mro__)


def _one(item: Any, name: str, preprocess: Preprocess) -> tuple[Array, Array | None]:
    """Batch row (1, C, H, W) and RGB (1, H, W, 3) of one image, if it was decoded."""
    if isinstance(item, np.ndarray) and item.dtype.kind == "f":
        return _model_input(item, name, preprocess), None
    picture = _array_photo(item, name) if isinstance(item, np.ndarray) else item
    rgb = decode(picture, name, preprocess)[None]
    return preprocess.normalize(rgb), rgb


def _model_input(array: NDArray[Any], name: str, preprocess: Preprocess) -> Array:
    """Check a float array that is in model input space already."""
    if array.shape != preprocess.input_shape:
        raise ShapeError(
            f"{name}: float array of shape {array.shape}; expected model input of shape "
            f"{preprocess.input_shape}, normalized; give photos as uint8 (H, W, 3)"
        )
    batch = np.ascontiguousarray(array, np.float32)[None]
    if not np.isfinite(batch).all():
        raise ShapeError(f"{name}: array has NaN or infinite values; clean it first")
    return batch


def _array_photo(array: NDArray[Any], name: str) -> Image.Image:
    """Turn a uint8 array into a PIL image."""
    from PIL import Image

    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise ShapeError(
            f"{name}: array of dtype {array.dtype} and shape {array.shape}; expected uint8 "
            "(H, W, 3), or float (C, H, W) in model input space"
        )
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        raise ShapeError(
            f"{name}: uint8 array of shape {array.shape} has {array.shape[2]} channels; expected "
            "1, 3 or 4 in the last axis (H, W, C)"
        )
    if 0 in array.shape:
        raise InputError(f"{name}: array of shape {array.shape} has no pixels; give a photo")
    return Image.fromarray(
        array[..., 0] if array.shape[2:] == (1,) else np.ascontiguousarray(array)
    )
