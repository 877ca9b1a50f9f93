"""What the console writes: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import numpy as np

WIDTH_WHEN_PIPED = 160
"""Columns of a table that goes to a file or another program."""


def note(text: str) -> None:
    """Write one line on stderr."""
    print(f"pysal: {one_line(text)}", file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """Return `text` without line breaks."""
    return " ".join(text.split())


def emit(text: str) -> None:
    """Write one line on stdout, at once: a reader of the pipe sees every image when it is done."""
    print(text, flush=True)


def emit_json(value: Mapping[str, Any]) -> None:
    """Write one object on stdout as one line."""
    emit(json.dumps(value, default=_plain, allow_nan=False))


def _plain(value: Any) -> Any:
    """What JSON does not know, as what it knows."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table on stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))
    width = None if sys.stdout.isatty() else WIDTH_WHEN_PIPED
    Console(width=width, highlight=False).print(table)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning as one line on stderr, without the place in the code."""
    note(f"warning: {message}")
