"""Instances in COCO's JSON: boxes and masks per category, as classes of a model."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pysal.datasets.class_names import Classes, class_names
from pysal.datasets.coco_imagenet import COCO_TO_IMAGENET
from pysal.datasets.folders import label_table
from pysal.datasets.photo_files import PhotoFinder, names_of
from pysal.datasets.sample import Dataset, Sample
from pysal.datasets.tables import read_text
from pysal.errors import InputError, MissingDependencyError, OptionError
from pysal.truth import Boxes, Mask, Region

Meaning = Mapping[int, tuple[str, frozenset[int]]]
"""Category id -> its name and the model's classes that mean it, for those that have any."""


@dataclasses.dataclass(frozen=True)
class CocoRegions:
    """Instances of one photo as regions, one per category; masks are made when asked for.

    Attributes
    ----------
    photo : str
        For error messages.
    size : tuple of int
        (H, W) that the annotations are for.
    instances : tuple of dict
        Annotations as the file has them.
    meaning : mapping
    """

    photo: str
    size: tuple[int, int]
    instances: tuple[dict[str, Any], ...]
    meaning: Meaning

    def __call__(self, size: tuple[int, int]) -> tuple[Region, ...]:
        """Regions for a photo of size (H, W); InputError if the annotations are for another."""
        if size != self.size:
            raise InputError(
                f"{self.photo}: has {size[1]} x {size[0]} pixels, its annotations are for "
                f"{self.size[1]} x {self.size[0]}; give the photo as it was annotated"
            )
        grouped: dict[int, list[dict[str, Any]]] = {}
        for instance in self.instances:
            grouped.setdefault(instance["category_id"], []).append(instance)
        return tuple(
            Region(
                name=self.meaning[category][0],
                classes=self.meaning[category][1],
                boxes=np.stack([_edges(instance, size) for instance in rows]),
                mask=_mask(rows, size, self.photo),
                difficult=all(instance.get("iscrowd") for instance in rows),
            )
            for category, rows in sorted(grouped.items())
        )


def read_coco(
    folder: Path, instances: Path, *, labels: Path | None = None, classes: Classes = None
) -> Dataset:
    """The photos that a file of COCO instances lists, in its order.

    Parameters
    ----------
    folder : Path
    instances : Path
        JSON with "images", "annotations" and "categories". Masks are polygons or run lengths.
    labels : Path, optional
        CSV of labels; then it, and not the JSON, lists the photos.
    classes : {"imagenet"}, or see `class_names`
        What categories mean. None: the categories themselves, numbered from 0 by their id, as in a
        multi-label model for COCO. "imagenet": `COCO_TO_IMAGENET`. A mapping: its keys. Names in
        order or a file of them: classes called like a category. Categories without a class are left
        out.

    Returns
    -------
    Dataset
        Labels are None unless `labels` says them: a photo shows several things. A region is
        `difficult` where all its instances are crowds.

    Raises
    ------
    InputError
        If the file cannot be read or lacks something, a photo is missing or listed twice.
    OptionError
        If `classes` names no category, or a mapping names one that is unknown.
    MissingDependencyError
        When masks are made and pycocotools is not installed.
    """
    record = _load(instances)
    meaning = _meaning(record, classes, instances)
    photos = _photos(folder, record, instances)
    rows = _instances(record, meaning, instances)
    index = None
    if labels is not None:
        index = label_table(folder, labels, class_names(None if classes == "imagenet" else classes))
    paths = list(photos if index is None else index)
    samples = []
    for path, name in zip(paths, names_of(folder, paths), strict=True):
        regions = None
        if (image := photos.get(path)) is not None:
            size = int(image["height"]), int(image["width"])
            regions = CocoRegions(str(path), size, tuple(rows[image["id"]]), meaning)
        samples.append(Sample(path, name, None if index is None else index[path], regions))
    return Dataset(instances.stem, tuple(samples))


_KEYS = {
    "images": ("id", "file_name", "width", "height"),
    "annotations": ("id", "image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


def _load(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The file's three lists, each entry with the keys that are needed."""
    text = read_text(path)
    try:
        record = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); expected COCO instances") from None
    for part, keys in _KEYS.items():
        entries = record.get(part) if isinstance(record, dict) else None
        if not isinstance(entries, list):
            raise InputError(f'{path}: has no list "{part}"; expected COCO instances')
        for entry in entries:
            missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
            if missing:
                raise InputError(
                    f'{path}: an entry of "{part}" lacks {", ".join(missing)}: '
                    f"{str(entry)[:60]}; expected COCO instances"
                )
    return record


def _meaning(record: dict[str, Any], classes: Classes, path: Path) -> Meaning:
    """What the categories of a file are in the model."""
    categories = {entry["id"]: str(entry["name"]) for entry in record["categories"]}
    if classes is None or isinstance(classes, int):
        found: dict[int, tuple[int, ...]] = {
            key: (row,) for row, key in enumerate(sorted(categories))
        }
    else:
        table = class_names(COCO_TO_IMAGENET if classes == "imagenet" else classes)
        if isinstance(classes, Mapping):
            unknown = sorted(classes.keys() - set(categories.values()))
            if unknown:
                raise OptionError(
                    f"classes has {', '.join(unknown)}; expected categories of {path}: "
                    f"{', '.join(categories.values())}"
                )
        found = {key: table.indices.get(name.lower(), ()) for key, name in categories.items()}
    meaning = {key: (categories[key], frozenset(rows)) for key, rows in found.items() if rows}
    if not meaning:
        raise OptionError(
            f"classes has none of the categories of {path}: {', '.join(categories.values())}; give "
            "a mapping from these to class indices"
        )
    return meaning


def _photos(folder: Path, record: dict[str, Any], path: Path) -> dict[Path, dict[str, Any]]:
    """Photo -> its entry."""
    finder, found = PhotoFinder(folder), dict[Path, dict[str, Any]]()
    for image in record["images"]:
        photo = finder.find(str(image["file_name"]), str(path))
        if photo in found:
            raise InputError(f"{path}: {image['file_name']} is listed twice; expected it once")
        found[photo] = image
    if len({image["id"] for image in found.values()}) < len(found):
        raise InputError(f"{path}: two images have the same id; expected one each")
    return found


def _instances(
    record: dict[str, Any], meaning: Meaning, path: Path
) -> dict[int, list[dict[str, Any]]]:
    """Image id -> its annotations of categories that mean something."""
    found: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in record["images"]}
    known = {entry["id"] for entry in record["categories"]}
    for row in record["annotations"]:
        if row["image_id"] not in found or row["category_id"] not in known:
            raise InputError(
                f"{path}: annotation {row['id']} is for image {row['image_id']} and category "
                f"{row['category_id']}; one of them is not in the file"
            )
        if not _is_box(row["bbox"]):
            raise InputError(
                f"{path}: annotation {row['id']} has bbox {row['bbox']}; expected left, top, width "
                "and height"
            )
        if row["category_id"] in meaning:
            found[row["image_id"]].append(row)
    return found


def _is_box(value: Any) -> bool:
    """Whether this is four finite numbers, the last two not negative."""
    if not isinstance(value, list) or len(value) != 4:
        return False
    if not all(isinstance(edge, int | float) and math.isfinite(edge) for edge in value):
        return False
    return bool(min(value[2:]) >= 0)


def _edges(instance: dict[str, Any], size: tuple[int, int]) -> Boxes:
    """Left, top, right, bottom of an instance, cut to the photo."""
    left, top, width, height = np.array(instance["bbox"], np.float64)
    return np.clip([left, top, left + width, top + height], 0, [size[1], size[0]] * 2)


def _mask(rows: list[dict[str, Any]], size: tuple[int, int], photo: str) -> Mask | None:
    """Pixels of all instances, or None where one of them has a box only."""
    if not all(row.get("segmentation") for row in rows):
        return None
    try:
        from pycocotools import mask as coding
    except ImportError as error:
        raise MissingDependencyError(
            'masks of COCO need pycocotools; install it with pip install "pysal-saliency[coco]"'
        ) from error
    mask = np.zeros(size, bool)
    for row in rows:
        try:
            with warnings.catch_warnings():
                # Its arrays do not know numpy 2's copy keyword yet.
                warnings.simplefilter("ignore", DeprecationWarning)
                mask |= coding.decode(_runs(coding, row["segmentation"], size)).astype(bool)
        except Exception as error:
            # Its C code raises plain exceptions of several kinds.
            raise InputError(
                f"{photo}: segmentation of annotation {row['id']} cannot be read ({error}); "
                "expected polygons or run lengths"
            ) from error
    return mask


def _runs(coding: Any, segmentation: Any, size: tuple[int, int]) -> Any:
    """Compressed run lengths of polygons, or of run lengths in either form."""
    if isinstance(segmentation, list):
        return coding.merge(coding.frPyObjects(segmentation, *size))
    if isinstance(segmentation["counts"], list):
        return coding.frPyObjects(segmentation, *size)
    return segmentation
