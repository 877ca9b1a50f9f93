"""`pysal methods` and `pysal metrics`: what there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from pysal.cli.console import emit_json, emit_table
from pysal.registry import Entry

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line on stdout.")]


def methods(as_json: Json = False) -> None:
    """List the explanation methods."""
    from pysal.methods import METHODS

    _show(METHODS, as_json, ("needs", "cost", "source"))


def metrics(as_json: Json = False) -> None:
    """List the metrics."""
    from pysal.metrics import METRICS

    _show(METRICS, as_json, ("better", "needs", "cost", "source"))


def _show(registry: Mapping[str, Entry], as_json: bool, columns: tuple[str, ...]) -> None:
    """Write a registry as lines of JSON or as a table."""
    records = [
        {"name": name, "summary": entry.summary, **{c: getattr(entry, c) for c in columns}}
        for name, entry in registry.items()
    ]
    if as_json:
        for record in records:
            emit_json(record)
        return
    rows = [[_text(value) for value in record.values()] for record in records]
    emit_table(("name", "what it does", *columns), rows)


def _text(value: object) -> str:
    """A cell of the table."""
    return ", ".join(sorted(value)) or "scores" if isinstance(value, frozenset) else str(value)
