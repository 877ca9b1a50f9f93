"""Names of classes as data sets write them, and the model's class indices that they mean."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from pysal.datasets.tables import read_lines
from pysal.errors import InputError, OptionError

Classes: TypeAlias = (
    int | str | os.PathLike[str] | Sequence[str] | Mapping[str, int | Sequence[int]] | None
)
"""Number of classes, file of their names, their names in order, or name -> index or indices."""

_SYNSET = re.compile(r"(n\d{8})(?:\s+(.*))?$")
_NUMBERED = re.compile(r"(\d+)\s*,\s*(.*)$")


@dataclasses.dataclass(frozen=True)
class ClassNames:
    """What names mean.

    Attributes
    ----------
    indices : mapping of str to tuple of int
        In lower case. Names that stand for several classes of a list by accident ("crane" is a bird
        and a machine) are in `ambiguous` instead.
    num_classes : int or None
        Where known.
    ambiguous : frozenset of str
    """

    indices: Mapping[str, tuple[int, ...]]
    num_classes: int | None = None
    ambiguous: frozenset[str] = frozenset()

    def find(self, text: str, where: str) -> tuple[int, ...]:
        """Indices that a name, or an index as text, means; InputError starting with `where`."""
        key = text.strip().lower()
        if key in self.indices:
            return self.indices[key]
        if key in self.ambiguous:
            raise InputError(
                f'{where}: class "{text.strip()}" is the name of several classes; give its index'
            )
        if re.fullmatch(r"[+-]?\d+", key):
            return (self.check(int(key), where),)
        near = difflib.get_close_matches(key, self.indices, 1)
        hint = f'did you mean "{near[0]}"?' if near else "give an index, or classes="
        raise InputError(f'{where}: class "{text.strip()}" is unknown; {hint}')

    def find_one(self, text: str, where: str) -> int:
        """The index that a label means; InputError where it means several."""
        found = self.find(text, where)
        if len(found) != 1:
            raise InputError(
                f'{where}: class "{text.strip()}" stands for {len(found)} classes of the model; a '
                "label is one of them, give its index"
            )
        return found[0]

    def check(self, index: int, where: str) -> int:
        """The index, if there is such a class."""
        if index < 0 or (self.num_classes is not None and index >= self.num_classes):
            last = "" if self.num_classes is None else f" to {self.num_classes - 1}"
            raise InputError(f"{where}: label is {index}; expected 0{last or ' or more'}")
        return index


def class_names(classes: Classes) -> ClassNames:
    """What a caller says of the model's classes, as names and indices.

    Parameters
    ----------
    classes : int, path, sequence of str, mapping or None
        The number of classes; a file with one class per line, in order ("tench, Tinca tinca",
        "n01440764 tench, Tinca tinca" or "0,tench, Tinca tinca"); the names in order, for instance
        `ModelInfo.labels`; or a mapping from names to one index or several. Names with commas count
        as a whole and in their parts. None: labels are indices.

    Raises
    ------
    InputError, OptionError
        If the file cannot be read, or an index is negative or no integer.
    """
    if classes is None:
        return ClassNames({})
    if isinstance(classes, int):
        if classes < 1:
            raise OptionError(f"classes is {classes}; expected the number of classes, 1 or more")
        return ClassNames({}, classes)
    if isinstance(classes, str | os.PathLike):
        return _listed(_entries(Path(classes)))
    if isinstance(classes, Mapping):
        return ClassNames({key.lower(): _indices(key, value) for key, value in classes.items()})
    return _listed([(name,) for name in classes])


def _indices(name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    found = (value,) if isinstance(value, int) else tuple(value)
    if any(not isinstance(index, int) or index < 0 for index in found):
        raise OptionError(
            f'classes of "{name}" are {value!r}; expected an index from 0, or a sequence of them'
        )
    return found


def _entries(path: Path) -> list[tuple[str, ...]]:
    """Names of each class of a file, by line."""
    lines = [line for _, line in read_lines(path)]
    if lines and lines[0].lower().replace(" ", "") == "id,name":
        lines = lines[1:]
    return [_parse(line, index) for index, line in enumerate(lines)]


def _parse(line: str, index: int) -> tuple[str, ...]:
    """Names in one line: those after a synset or the class's own number, and the synset."""
    if found := _SYNSET.match(line):
        return (found[1], *([found[2]] if found[2] else []))
    if (found := _NUMBERED.match(line)) and int(found[1]) == index:
        return (found[2],)
    return (line,)


def _listed(entries: Iterable[tuple[str, ...]]) -> ClassNames:
    """Names of classes in order; whole names win over parts of others."""
    whole: dict[str, set[int]] = {}
    parts: dict[str, set[int]] = {}
    count = 0
    for index, names in enumerate(entries):
        count = index + 1
        for name in names:
            whole.setdefault(name.strip().lower(), set()).add(index)
            for part in name.split(","):
                parts.setdefault(part.strip().lower(), set()).add(index)
    found = {**parts, **whole}
    known = {name: tuple(rows) for name, rows in found.items() if len(rows) == 1}
    return ClassNames(known, count, frozenset(found) - known.keys())
