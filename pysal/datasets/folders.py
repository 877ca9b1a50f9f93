"""Photos in folders: flat, one folder per class, or labelled by a CSV file."""

from __future__ import annotations

from pathlib import Path

from pysal.datasets.class_names import Classes, ClassNames, class_names
from pysal.datasets.photo_files import PhotoFinder, list_photos, names_of
from pysal.datasets.sample import Dataset, Sample
from pysal.datasets.tables import read_rows
from pysal.errors import InputError

FILE_HEADERS = frozenset({"file", "filename", "file_name", "image", "imageid", "image_id", "path"})
"""First fields, in lower case, of rows that name the columns."""


def read_folder(folder: Path, *, classes: Classes = None) -> Dataset:
    """Photos of a folder, without labels, or of its sub-folders, one per class.

    Parameters
    ----------
    folder : Path
        Holds photos, or folders of photos but no photo itself.
    classes : see `class_names`
        What the names of sub-folders mean. None: they are indices if all are numbers, else classes
        in alphabetical order (as ImageNet's synsets are).

    Returns
    -------
    Dataset
        Sorted by path.

    Raises
    ------
    InputError
        If there is no folder or no photo, both kinds are mixed, or a class is unknown.
    """
    flat = list_photos(folder, recursive=False)
    deep = [path for path in list_photos(folder) if path.parent != folder]
    if flat and deep:
        raise InputError(
            f"{folder}: holds {len(flat)} photos and {len(deep)} in sub-folders; expected one kind,"
            " give one of the folders, or labels="
        )
    if not deep:
        names = names_of(folder, flat)
        samples = [Sample(path, name) for path, name in zip(flat, names, strict=True)]
        return Dataset(folder.name, tuple(samples))
    index = _folder_labels(folder, [path.relative_to(folder).parts[0] for path in deep], classes)
    samples = [
        Sample(path, name, index[path.relative_to(folder).parts[0]])
        for path, name in zip(deep, names_of(folder, deep), strict=True)
    ]
    return Dataset(folder.name, tuple(samples))


def _folder_labels(folder: Path, names: list[str], classes: Classes) -> dict[str, int]:
    """Class index of each sub-folder."""
    found = sorted(set(names))
    table = class_names(classes)
    if not table.indices:
        if all(name.isdecimal() for name in found):
            return {name: table.check(int(name), str(folder / name)) for name in found}
        return {name: table.check(row, str(folder / name)) for row, name in enumerate(found)}
    return {name: table.find_one(name, str(folder / name)) for name in found}


def read_labelled(folder: Path, labels: Path, *, classes: Classes = None) -> Dataset:
    """The photos that a CSV file lists, in its order.

    Parameters
    ----------
    folder : Path
    labels : Path
        Rows `file,label`, with or without a first row of names. A file is a path in the folder, or
        the name of one photo somewhere in it; a label is an index or a name.
    classes : see `class_names`
        What names of classes mean.

    Raises
    ------
    InputError
        With file and line: a wrong number of fields, a photo that is missing or listed twice, a
        class that is unknown or out of range.
    """
    index = label_table(folder, labels, class_names(classes))
    paths = list(index)
    samples = [
        Sample(path, name, index[path])
        for path, name in zip(paths, names_of(folder, paths), strict=True)
    ]
    return Dataset(labels.stem, tuple(samples))


def label_table(folder: Path, labels: Path, table: ClassNames) -> dict[Path, int]:
    """Photo -> class index, in the order of the file."""
    finder, found = PhotoFinder(folder), dict[Path, int]()
    for number, (where, row) in enumerate(read_rows(labels)):
        if number == 0 and row[0].lower() in FILE_HEADERS:
            continue
        if len(row) != 2:
            raise InputError(
                f"{where}: has {len(row)} fields; expected 2, file and label (quote names that "
                "contain commas)"
            )
        path = finder.find(row[0], where)
        if path in found:
            raise InputError(f"{where}: {row[0]} is listed twice; give one label per photo")
        found[path] = table.find_one(row[1], where)
    return found
