"""Data sets as batches: anything that photos can be, or an iterator that makes them as it goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.photos import count_photos, iter_photos
from pysal.types import Array


def iter_batches(
    clf: Classifier, images: Any, batch_size: int
) -> Iterator[tuple[Array, int | None]]:
    """Batches (n, C, H, W) in model input space, and how many images there are, where known.

    Parameters
    ----------
    clf : Classifier
    images : paths, PIL images, arrays, or a sequence of them; iterator; or callable
        What `pysal.explain` takes; an iterator over such things; or a function without arguments
        that gives one of these, for what has to be read twice.
    batch_size : int
        Of the batches, at most.

    Raises
    ------
    InputError, ShapeError
        If an image cannot be used.
    """
    if callable(images):
        images = images()
    preprocess, shape = clf.preprocess, clf.info.input_shape
    if isinstance(images, Iterator):
        for item in images:
            for photos in iter_photos(item, preprocess, shape, batch_size):
                yield photos.batch, None
        return
    total = count_photos(images)
    for photos in iter_photos(images, preprocess, shape, batch_size):
        yield photos.batch, total


def iter_chosen(
    clf: Classifier, images: Any, rows: np.ndarray[Any, Any], batch_size: int
) -> Iterator[tuple[int, Array]]:
    """Some of the images by number, one after another: number and image (1, C, H, W).

    A list or array of single images is asked for these only; all else is read from the start.

    Parameters
    ----------
    rows : ndarray of int
        Ascending.
    """
    wanted = rows.tolist()
    if not callable(images) and isinstance(images, list | tuple | np.ndarray):
        items = list(images) if len(images) == count_photos(images) else []
        if items:
            chosen = [items[row] for row in wanted]
            for number, image in zip(wanted, _singly(clf, chosen, batch_size), strict=True):
                yield number, image
            return
    left = set(wanted)
    for number, image in enumerate(_singly(clf, images, batch_size)):
        if number in left:
            yield number, image
            left.remove(number)
            if not left:
                return


def check_rereadable(images: Any) -> None:
    """Refuse an iterator where images are read twice."""
    if isinstance(images, Iterator):
        raise OptionError(
            "images is an iterator, which can be read once; expected a list, an array, or a "
            "function that gives a new iterator"
        )


def _singly(clf: Classifier, images: Any, batch_size: int) -> Iterator[Array]:
    """One image at a time."""
    if isinstance(images, list) and not images:
        return
    for batch, _ in iter_batches(clf, images, batch_size):
        for row in range(len(batch)):
            yield batch[row : row + 1]
