"""Text files of lines and of comma-separated fields, with line numbers for error messages."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from pysal.errors import InputError


def read_text(path: Path) -> str:
    """Text of a file in UTF-8.

    Raises
    ------
    InputError
        If it is missing or no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text in UTF-8"
        raise InputError(f"{path}: {reason}; expected a text file") from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not empty, with their numbers from 1."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def read_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Rows of a CSV file: "FILE, line 3" for messages, and the stripped fields."""
    reader = csv.reader(read_text(path).splitlines())
    try:
        for row in reader:
            if any(field.strip() for field in row):
                yield f"{path}, line {reader.line_num}", [field.strip() for field in row]
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: {error}; expected comma-separated fields"
        ) from None
