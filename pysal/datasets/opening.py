"""One door to data sets on disk: picks the reader by what is there."""

from __future__ import annotations

import os
from pathlib import Path

from pysal.datasets.class_names import Classes
from pysal.datasets.sample import Dataset
from pysal.errors import InputError, OptionError

PathLike = str | os.PathLike[str]


def open_dataset(
    source: PathLike,
    *,
    labels: PathLike | None = None,
    annotations: PathLike | None = None,
    classes: Classes = None,
) -> Dataset:
    """Open photos with what is known of them; photos and masks are read later, one at a time.

    Parameters
    ----------
    source : path
        A folder of photos, of one sub-folder of photos per class, or of an8Flower as
        `pysal.datasets.an8flower.write_dataset` writes it. Or a file that is a `labels` or
        `annotations` itself, whose photos are in its folder.
    labels : path, optional
        CSV file of rows `file,label`; it lists the photos, see `read_labelled`.
    annotations : path, optional
        Where things are: a CSV file of boxes (see `read_box_table`) or a JSON file of COCO
        instances (see `read_coco`). It lists the photos unless `labels` does. Positions are in
        pixels of the photos as stored, and turned with them where EXIF says that they are.
    classes : optional
        What names of classes mean in the model: the number of classes, their names in order
        (`ModelInfo.labels`), a file of these, one per line, or a mapping from names to an index or
        several; for COCO also "imagenet". See `class_names`.

    Returns
    -------
    Dataset
        Sequence of `Sample` in a stable order: that of the list, or by path.

    Raises
    ------
    InputError
        If something is missing, listed twice or wrong; with file and line where it is in a table.
        A photo that cannot be decoded is not found out here.
    OptionError
        If the arguments do not go together.
    """
    place = Path(source)
    if place.is_file():
        if annotations is not None or (labels is not None and not _has_positions(place)):
            raise OptionError(
                f"{place}: is a table itself; give the folder of the photos with labels= and "
                "annotations="
            )
        if _has_positions(place):
            annotations = place
        else:
            labels = place
        place = place.parent
    if not place.is_dir():
        raise InputError(f"{place}: no such folder or file; give a folder of photos")
    known = None if labels is None else Path(labels)
    if annotations is not None:
        return _read_annotations(place, Path(annotations), known, classes)
    from pysal.datasets import folders

    if known is not None:
        return folders.read_labelled(place, known, classes=classes)
    if (place / "dataset.json").is_file() and (place / "masks").is_dir():
        from pysal.datasets.an8flower_files import read_dataset

        return read_dataset(place, classes=classes)
    return folders.read_folder(place, classes=classes)


def _read_annotations(
    folder: Path, annotations: Path, labels: Path | None, classes: Classes
) -> Dataset:
    """Boxes or COCO, by the suffix."""
    kind = annotations.suffix.lower()
    if kind == ".json":
        from pysal.datasets.coco import read_coco

        return read_coco(folder, annotations, labels=labels, classes=classes)
    if kind == ".csv":
        from pysal.datasets.box_tables import read_box_table

        return read_box_table(folder, annotations, labels=labels, classes=classes)
    raise OptionError(
        f'{annotations}: has suffix "{annotations.suffix}"; expected .csv (boxes) or .json (COCO)'
    )


def _has_positions(path: Path) -> bool:
    """Whether a table says where things are, not only what they are."""
    from pysal.datasets.tables import read_rows

    kind = path.suffix.lower()
    if kind not in (".csv", ".json"):
        raise InputError(
            f"{path}: is a file; expected a folder of photos, or a .csv or .json that lists some"
        )
    if kind == ".json":
        return True
    _, first = next(iter(read_rows(path)), ("", []))
    return len(first) == 6 or [field.lower() for field in first] == ["imageid", "predictionstring"]
