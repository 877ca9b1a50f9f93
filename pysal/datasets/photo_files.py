"""Photos in a folder: which there are, in which order, and which one a table means."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from pathlib import Path

from pysal.errors import InputError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)
"""Files that count as photos, whatever the case; whether they can be read is found out later."""


def list_photos(folder: Path, *, recursive: bool = True) -> list[Path]:
    """Photos of a folder, sorted by their path; hidden files and folders are left out.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of the photos")
    found = [
        path
        for path in (folder.rglob("*") if recursive else folder.iterdir())
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def names_of(folder: Path, paths: Iterable[Path]) -> list[str]:
    """A unique name per photo, whatever the case of its letters.

    It is the path in the folder, without suffix unless two differ in that only; photos that a table
    finds elsewhere are called by their file's name, with _1, _2, ... where that is taken.
    """
    files = [_within(folder, path) for path in paths]
    stems = [file.with_suffix("").as_posix() for file in files]
    count = collections.Counter(stem.casefold() for stem in stems)
    taken: dict[str, int] = {}
    names = []
    for file, stem in zip(files, stems, strict=True):
        name = stem if count[stem.casefold()] == 1 else file.as_posix()
        number = taken[name.casefold()] = taken.get(name.casefold(), -1) + 1
        names.append(f"{name}_{number}" if number else name)
    return names


def _within(folder: Path, path: Path) -> Path:
    """Path below the folder, or the file's name where it is elsewhere."""
    inner = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
    return Path(path.name) if ".." in inner.parts else inner


class PhotoFinder:
    """Finds the photos of a folder that tables name, with or without suffix or sub-folder.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_stem: dict[str, list[Path]] | None = None

    def find(self, name: str, where: str) -> Path:
        """The photo that is meant; InputError starting with `where` if there is none."""
        path = self._folder / name
        if path.is_file():
            return path
        if self._by_stem is None:
            self._by_stem = {}
            for photo in list_photos(self._folder):
                self._by_stem.setdefault(photo.stem, []).append(photo)
        given = Path(name)
        stem = given.stem if given.suffix.lower() in SUFFIXES else given.name
        found = [
            photo
            for photo in self._by_stem.get(stem, [])
            if given.suffix.lower() not in SUFFIXES or photo.name == given.name
        ]
        if len(found) > 1:
            raise InputError(
                f"{where}: {name} is {len(found)} photos of {self._folder}; give its path there"
            )
        if not found:
            raise InputError(f"{where}: {name} is not in {self._folder}; expected a photo there")
        return found[0]
