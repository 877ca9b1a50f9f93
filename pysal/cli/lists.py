"""`pysal methods` and `pysal metrics`: what there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from pysal.cli.console import emit, emit_json, emit_table
from pysal.registry import Entry

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line on stdout.")]


def methods(as_json: Json = False) -> None:
    """List the explanation methods."""
    from pysal.methods import METHODS

    _show(METHODS, as_json, ("needs", "cost", "source"))


def metrics(as_json: Json = False) -> None:
    """List the metrics of maps, and the studies of labelled data sets (`pysal study`)."""
    from pysal.metrics import METRICS
    from pysal.studies import STUDIES

    columns = ("better", "needs", "cost", "source")
    _show(METRICS, as_json, columns)
    if not as_json:
        emit("\nStudies, which judge a network or a filler and no map: pysal study NAME")
    _show(STUDIES, as_json, columns)


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
