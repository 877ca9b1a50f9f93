"""Boxes in CSV files: the form of ImageNet's localization challenge on Kaggle, and a plain one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pysal.datasets.class_names import Classes, ClassNames, class_names
from pysal.datasets.folders import FILE_HEADERS, label_table
from pysal.datasets.photo_files import PhotoFinder, names_of
from pysal.datasets.sample import Dataset, Sample
from pysal.datasets.tables import read_rows
from pysal.errors import InputError
from pysal.truth import Region


class Box(NamedTuple):
    """One box: the class as written, its indices in the model, edges in pixels."""

    name: str
    classes: frozenset[int]
    edges: tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True)
class BoxRegions:
    """Boxes of one photo as regions, one per class; cut to the photo.

    Attributes
    ----------
    photo : str
        For error messages.
    boxes : tuple of Box
    """

    photo: str
    boxes: tuple[Box, ...]

    def __call__(self, size: tuple[int, int]) -> tuple[Region, ...]:
        """Regions for a photo of size (H, W); InputError if a box lies outside of it."""
        limits = [size[1], size[0]] * 2
        grouped: dict[frozenset[int], list[np.ndarray[tuple[int], np.dtype[np.float64]]]] = {}
        for box in self.boxes:
            left, top, right, bottom = cut = np.clip(np.array(box.edges, np.float64), 0, limits)
            if left >= right or top >= bottom:
                edges = " ".join(f"{edge:g}" for edge in box.edges)
                raise InputError(
                    f"{self.photo}: box {edges} is outside of the photo of {size[1]} x {size[0]} "
                    "pixels; expected boxes in pixels of the photo as stored"
                )
            grouped.setdefault(box.classes, []).append(cut)
        names = {box.classes: box.name for box in reversed(self.boxes)}
        return tuple(Region(names[key], key, np.stack(rows)) for key, rows in grouped.items())


def read_box_table(
    folder: Path, table: Path, *, labels: Path | None = None, classes: Classes = None
) -> Dataset:
    """The photos that a CSV file of boxes lists, in its order.

    Parameters
    ----------
    folder : Path
    table : Path
        Either `ImageId,PredictionString` with that first row, where the second field has five words
        per box (synset, left, top, right, bottom), or rows `file,label,left,top,right,bottom`, one
        per box, with or without a first row of names. Edges in pixels of the photo as stored.
    labels : Path, optional
        CSV of labels; then it, and not the table, lists the photos.
    classes : see `class_names`
        What synsets and names mean.

    Returns
    -------
    Dataset
        A photo's label is the class of its boxes if all have the same one, unless `labels` says it.

    Raises
    ------
    InputError
        With file and line: wrong fields, a box without area, a photo that is missing or listed
        twice, a class that is unknown or out of range.
    """
    known = class_names(classes)
    boxes = _boxes(folder, table, known)
    index = None if labels is None else label_table(folder, labels, known)
    paths = list(boxes if index is None else index)
    samples = []
    for path, name in zip(paths, names_of(folder, paths), strict=True):
        of_photo = tuple(boxes.get(path, ()))
        label = _common(of_photo) if index is None else index[path]
        samples.append(Sample(path, name, label, BoxRegions(str(path), of_photo)))
    return Dataset(table.stem, tuple(samples))


def _common(boxes: tuple[Box, ...]) -> int | None:
    """The class of all boxes, if they share one and it is one class of the model."""
    found = {box.classes for box in boxes}
    classes = found.pop() if len(found) == 1 else frozenset[int]()
    return next(iter(classes)) if len(classes) == 1 else None


def _boxes(folder: Path, table: Path, known: ClassNames) -> dict[Path, list[Box]]:
    """Photo -> its boxes, in the order of the file."""
    finder, found = PhotoFinder(folder), dict[Path, list[Box]]()
    rows = read_rows(table)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{table}: is empty; expected one row per box")
    if [field.lower() for field in first[1]] == ["imageid", "predictionstring"]:
        for where, row in rows:
            path = finder.find(row[0], where)
            if path in found:
                raise InputError(f"{where}: {row[0]} is listed twice; give all its boxes in a row")
            found[path] = list(_words(where, row, known))
        return found
    for where, row in [first, *rows]:
        if (where, row) == first and row[0].lower() in FILE_HEADERS:
            continue
        if len(row) != 6:
            raise InputError(
                f"{where}: has {len(row)} fields; expected 6: file, label, left, top, right, bottom"
            )
        found.setdefault(finder.find(row[0], where), []).append(_box(where, row[1:], known))
    return found


def _words(where: str, row: list[str], known: ClassNames) -> Iterator[Box]:
    """Boxes of one row in Kaggle's form."""
    words = row[1].split() if len(row) == 2 else []
    if len(row) != 2 or len(words) % 5:
        given = f"{len(row)} fields" if len(row) != 2 else f"{len(words)} words"
        raise InputError(
            f"{where}: has {given}; expected an image and, per box, synset, left, top, right, "
            "bottom"
        )
    for start in range(0, len(words), 5):
        yield _box(where, words[start : start + 5], known)


def _box(where: str, fields: list[str], known: ClassNames) -> Box:
    """One box from its class and four edges."""
    try:
        left, top, right, bottom = edges = tuple(float(field) for field in fields[1:])
    except ValueError:
        raise InputError(
            f"{where}: box is {' '.join(fields[1:])}; expected four numbers: left, top, right, "
            "bottom"
        ) from None
    if not all(map(math.isfinite, edges)) or left >= right or top >= bottom:
        raise InputError(
            f"{where}: box is {' '.join(fields[1:])}; expected left < right and top < bottom"
        )
    return Box(fields[0], frozenset(known.find(fields[0], where)), (left, top, right, bottom))
