"""Where a model's preprocessing and class names come from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pysal.errors import InputError
from pysal.prepared import LABELS_KEY, PREPROCESS_KEY
from pysal.preprocess import Preprocess


def find_preprocess(
    given: Preprocess | Mapping[str, Any] | str | os.PathLike[str] | None,
    metadata: Mapping[str, str],
    path: Path | None,
    input_shape: tuple[int, int, int],
) -> Preprocess:
    """Take the argument, else the file's metadata, else the .json beside it, else assume one."""
    if isinstance(given, Preprocess):
        return given
    if isinstance(given, Mapping):
        return Preprocess.from_dict(given)
    if given is not None:
        return Preprocess.from_json(Path(given))
    if PREPROCESS_KEY in metadata:
        return Preprocess.from_text(metadata[PREPROCESS_KEY], f"metadata {PREPROCESS_KEY}")
    beside = Preprocess.beside(path) if path is not None else None
    return beside or Preprocess.default(input_shape)


def find_labels(
    given: Sequence[str] | str | os.PathLike[str] | None,
    metadata: Mapping[str, str],
    num_classes: int,
) -> tuple[str, ...] | None:
    """Take the argument, else the file's metadata; None where there are no names."""
    if given is None:
        if LABELS_KEY not in metadata:
            return None
        names, source = json.loads(metadata[LABELS_KEY]), f"metadata {LABELS_KEY}"
    elif isinstance(given, str | os.PathLike):
        names, source = _read_lines(Path(given)), str(given)
    else:
        names, source = list(given), "labels"
    if len(names) != num_classes:
        raise InputError(
            f"{source} has {len(names)} class names; the model has {num_classes} classes"
        )
    return tuple(str(name) for name in names)


def _read_lines(path: Path) -> list[str]:
    """One name per line; a leading "id," (and a header "id,name") is dropped."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"labels {path} cannot be read as text ({error})") from error
    lines = [line for line in lines if line and line != "id,name"]
    split = [line.partition(",") for line in lines]
    numbered = all(left.isdigit() and right for left, _, right in split)
    return [right for _, _, right in split] if numbered else lines
