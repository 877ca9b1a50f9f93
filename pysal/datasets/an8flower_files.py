"""an8Flower on disk: written once by rendering, read as a data set with masks."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pysal.datasets.an8flower_render import (
    DEGREES,
    NUM_FRAMES,
    Mask,
    Pixels,
    augment,
    folds,
    render_frames,
)
from pysal.datasets.an8flower_scene import BACKGROUND
from pysal.datasets.an8flower_variants import VARIANTS
from pysal.datasets.an8flower_variants import classes as names_of
from pysal.datasets.class_names import Classes, class_names
from pysal.datasets.sample import Dataset, Sample
from pysal.errors import InputError, OptionError
from pysal.truth import Region

KINDS = ("images", "masks")


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
    variant : {"single-6c", "double-12c", "part-2c"}
    frames : iterable of int in [0, 40)
    augmented : bool
        True writes CLASS/img(1..40)/p(1..5)/r(1..5).png, False the frames: CLASS/img(1..40).png.

    Returns
    -------
    int
        Images written now. Views whose files are all there are skipped, and every file appears
        whole or not at all, so an interrupted call can be repeated.

    Raises
    ------
    OptionError
        If variant or frames are unknown, or the folder holds another variant.
    """
    root, written, frames = Path(folder), 0, list(frames)
    record = _describe(variant)
    path = root / "dataset.json"
    if path.exists() and (found := _record(root)["dataset"]) != record["dataset"]:
        raise OptionError(f"{root}: holds {found}; give another folder for {record['dataset']}")
    for cls in names_of(variant):
        names = {frame: view_names(cls, frame, augmented=augmented) for frame in frames}
        todo = [frame for frame in frames if not _complete(root, names[frame])]
        for frame, view in zip(todo, render_frames(variant, cls, todo), strict=True):
            pairs = augment(*view) if augmented else [view]
            for name, (rgb, mask) in zip(names[frame], pairs, strict=True):
                save_png(root / "images" / f"{name}.png", rgb)
                save_png(root / "masks" / f"{name}.png", mask)
                written += 1
    write_whole(path, json.dumps(record, indent=1))
    return written


def view_names(cls: str, frame: int, *, augmented: bool = True) -> list[str]:
    """Names of the images of one frame, in the order of `augment`: CLASS/img1/p1/r1, ..."""
    stem = f"{cls}/img{frame + 1}"
    if not augmented:
        return [stem]
    return [f"{stem}/p{p}/r{r}" for p, r in itertools.product(range(1, 6), range(1, 6))]


def _complete(root: Path, names: Iterable[str]) -> bool:
    """Whether all images and masks of one frame are there."""
    return all((root / kind / f"{name}.png").exists() for kind in KINDS for name in names)


def save_png(path: Path, array: Pixels | Mask) -> None:
    """Write an image of shape (H, W, 3), or a mask as 0 and 255, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = array.astype(np.uint8) * 255 if array.dtype == bool else array
    part = path.with_suffix(".part")
    # Twice as fast as the default level, for a tenth more bytes.
    Image.fromarray(pixels).save(part, format="PNG", compress_level=3)
    os.replace(part, path)


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def _describe(variant: str) -> dict[str, Any]:
    """What the images are, for the record beside them."""
    return {
        "dataset": f"an8Flower-{variant}, rendered by pysal",
        "license": "Apache-2.0",
        "classes": names_of(variant),
        "region": {name: look.region for name, look in VARIANTS[variant].items()},
        "background": BACKGROUND,
        "degrees_per_frame": DEGREES,
    }


def read_dataset(
    folder: str | os.PathLike[str],
    *,
    fold: int | None = None,
    split: str = "test",
    classes: Classes = None,
) -> Dataset:
    """Images that `write_dataset` has written, with their masks.

    Parameters
    ----------
    folder : path
    fold : int, optional
        Of `folds()`. Default: all frames.
    split : {"test", "train"}
        Whether to take the frames that the fold holds out, or the others.
    classes : optional
        What names of classes mean, see `pysal.datasets.class_names`. Default: their order in
        `classes(variant)`, which is that of the networks of `an8flower_train`.

    Returns
    -------
    Dataset
        By class, frame, crop and angle, in this order. Each truth has one region, the mask and the
        tightest box around it, or none where the crop shows nothing of it.

    Raises
    ------
    InputError
        If the folder was not made by `write_dataset`, or an image or its mask is missing.
    OptionError
        If fold or split is unknown.
    """
    root = Path(folder)
    if split not in ("test", "train"):
        raise OptionError(f'split is "{split}"; expected "test" or "train"')
    if fold is not None and not 0 <= fold < len(folds()):
        raise OptionError(f"fold is {fold}; expected 0 to {len(folds()) - 1}")
    frames = range(NUM_FRAMES) if fold is None else folds()[fold][split == "test"]
    record = _record(root)
    names = class_names(classes) if classes is not None else class_names(record["classes"])
    samples = []
    for cls in record["classes"]:
        label = names.find_one(cls, str(root))
        for name in _written(root, cls, frames):
            mask = MaskRegion(root / "masks" / f"{name}.png", cls, label)
            samples.append(Sample(root / "images" / f"{name}.png", name, label, mask))
    return Dataset(str(record["dataset"]).partition(",")[0], tuple(samples))


@dataclasses.dataclass(frozen=True)
class MaskRegion:
    """A mask image as the region of a class."""

    path: Path
    name: str
    label: int

    def __call__(self, size: tuple[int, int]) -> tuple[Region, ...]:
        """The region for an image of size (H, W)."""
        try:
            with Image.open(self.path) as image:
                mask = np.asarray(image.convert("L")) > 127
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read; write the data set again") from error
        if mask.shape != size:
            raise InputError(
                f"{self.path}: has size {mask.shape} (H, W); its image has {size}, write the data "
                "set again"
            )
        if not mask.any():
            return ()
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        box = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float64)
        return (Region(self.name, frozenset({self.label}), box, mask),)


def _record(root: Path) -> dict[str, Any]:
    """What `write_dataset` noted about the folder."""
    path = root / "dataset.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["classes"] and record["dataset"]:
            return dict(record)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{path}: is missing or no record of an8Flower; make it with write_dataset")


def _written(root: Path, cls: str, frames: Iterable[int]) -> list[str]:
    """Names of a class's images, those of frames that were not rendered left out."""
    found = []
    for frame in frames:
        for augmented in (True, False):
            names = view_names(cls, frame, augmented=augmented)
            there = [(root / kind / f"{name}.png").is_file() for kind in KINDS for name in names]
            if any(there) and not all(there):
                raise InputError(
                    f"{root}: images or masks of {cls}/img{frame + 1} are missing; write the data "
                    "set again"
                )
            found += names if all(there) else []
    return found
