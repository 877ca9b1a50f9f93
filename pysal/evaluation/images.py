"""The images of an evaluation: a data set, a folder, or a list."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pysal.datasets.opening import open_dataset
from pysal.datasets.photo_files import SUFFIXES
from pysal.errors import InputError, OptionError
from pysal.preprocess import Preprocess
from pysal.truth import Truth


@dataclasses.dataclass(frozen=True)
class Item:
    """One image of an evaluation.

    Attributes
    ----------
    image : path, PIL image or ndarray
        As `pysal.explain` takes it.
    name : str
        What the table calls it.
    label : int, optional
        Its class in the model, where that is known.
    sample : object, optional
        What knows where things are: has `truth(preprocess)`.
    """

    image: Any
    name: str
    label: int | None = None
    sample: Any = None

    @property
    def has_truth(self) -> bool:
        """Whether it is known where things are in the image."""
        knows = callable(getattr(self.sample, "truth", None))
        return knows and getattr(self.sample, "regions", True) is not None

    def truth(self, preprocess: Preprocess) -> Truth:
        """What is known of the part of the image that the network sees."""
        found: Truth = self.sample.truth(preprocess)
        return found


def as_items(images: Any, limit: int | None = None) -> list[Item]:
    """Images in any of the accepted forms, the first `limit` of them; no image is read.

    Parameters
    ----------
    images : path, or sequence of paths, PIL images, arrays or samples
        A path is one photo, or what `pysal.datasets.open_dataset` opens. A sample has `path`,
        `name`, `label` and `truth(preprocess)`.
    limit : int, optional

    Raises
    ------
    InputError
        If there is no image, or a folder or list cannot be read.
    OptionError
        If the limit is no positive number.
    """
    if limit is not None and (not isinstance(limit, int | np.integer) or limit < 1):
        raise OptionError(f"limit is {limit!r}; expected a whole number from 1 on")
    if isinstance(images, str | os.PathLike):
        items = _from_path(Path(images))
    elif not isinstance(images, Iterable):
        raise InputError(
            f"images is a {type(images).__name__}; expected a folder, a data set or a list of paths"
        )
    else:
        chosen = itertools.islice(images, limit)
        items = [_item(entry, index) for index, entry in enumerate(chosen)]
    if not items:
        raise InputError("0 images given; give a folder, a data set or a list of paths")
    return items[:limit]


def digest(items: Sequence[Item]) -> str:
    """SHA-256 of names, labels and, where images are no files, pixels."""
    found = hashlib.sha256()
    for item in items:
        found.update(json.dumps([item.name, item.label]).encode())
        if not isinstance(item.image, str | os.PathLike):
            found.update(np.ascontiguousarray(item.image).tobytes())
    return found.hexdigest()


def _from_path(path: Path) -> list[Item]:
    """A data set by what is there; or one photo."""
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return [Item(path, path.name)]
    return [_item(sample, index) for index, sample in enumerate(open_dataset(path))]


def _item(entry: Any, index: int) -> Item:
    """One entry of a sequence."""
    if isinstance(entry, str | os.PathLike):
        return Item(entry, os.fspath(entry))
    if hasattr(entry, "path"):
        label = getattr(entry, "label", None)
        name = str(getattr(entry, "name", "") or entry.path)
        return Item(entry.path, name, None if label is None else int(label), entry)
    return Item(entry, f"image_{index}")
