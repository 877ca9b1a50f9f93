"""What is written beside the table: summary, differences of methods, figures."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysal.errors import MissingDependencyError
from pysal.evaluation import statistics
from pysal.evaluation.figures import bar_chart, curve_chart
from pysal.evaluation.folder import Folder
from pysal.evaluation.names import file_stem
from pysal.evaluation.pictures import Maps, map_sheet
from pysal.evaluation.plan import Plan
from pysal.evaluation.result import Evaluation
from pysal.evaluation.worker import Worker
from pysal.report.save import write_file

if TYPE_CHECKING:
    import pyarrow as pa

SUMMARY = ("method", "metric", "value", "mean", "standard_error", "n", "skipped", "better")
PAIRS = ("metric", "value", "a", "b", "difference", "standard_error", "n", "a_better", "ties")


def write_report(folder: Folder, plan: Plan, worker: Worker, figures: bool) -> Evaluation:
    """Write summary and figures of a finished table."""
    records: dict[tuple[str, str], dict[str, Any]] = {}
    pairs: list[dict[str, Any]] = []
    drawn: list[Path] = []
    notes: list[str] = []
    first, made = "", Maps(worker)
    for metric in plan.metrics:
        tables = {method: _read(folder.table, method, metric) for method in plan.methods}
        found = {m: statistics.summary(table, m, metric) for m, table in tables.items()}
        first = first or next((e for e in map(first_error, tables.values()) if e), "")
        records |= {(method, metric): record for method, record in found.items()}
        pairs += statistics.paired(tables, metric)
        if figures and not notes:
            try:
                drawn += _draw(folder.path / "figures", metric, tables, found, plan, made)
            except MissingDependencyError as error:
                notes.append(f"no figures: {error}")
    summary = [records[method, metric] for method in plan.methods for metric in plan.metrics]
    warned = folder.warnings()
    strict = {"summary": summary, "pairs": pairs, "warnings": warned}
    text = json.dumps(plain(strict), indent=1, allow_nan=False) + "\n"
    write_file(folder.path / "summary.json", text.encode())
    write_file(folder.path / "summary.csv", _csv(SUMMARY, flat(summary)))
    write_file(folder.path / "pairs.csv", _csv(PAIRS, pairs))
    errors = sum(record["errors"] for record in summary)
    return Evaluation(folder.table, summary, pairs, errors, first, warned, drawn, notes)


def flat(summary: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """One record per value; figures of a whole set have a mean only."""
    for record in summary:
        start = {"method": record["method"], "metric": record["metric"]}
        for name, figures in record["values"].items():
            yield {**start, "value": name, **figures}
        for name, figure in record["set"].items():
            yield {**start, "value": f"{name} (set)", "mean": figure}


def plain(value: Any) -> Any:
    """Strict JSON: numbers that are none become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def _read(path: Path, method: str, metric: str) -> pa.Table:
    """Rows of one method and metric, by image."""
    import pyarrow.parquet as pq

    wanted = [("method", "=", method), ("metric", "=", metric)]
    return pq.read_table(path, filters=wanted)


def first_error(part: pa.Table) -> str:
    """The first error of some rows with the name of its image; empty where there is none."""
    wrong = part.filter(part["error"].is_valid()).slice(0, 1).to_pylist()
    return f"{wrong[0]['image']}: {wrong[0]['error']}" if wrong else ""


def _draw(
    folder: Path,
    metric: str,
    tables: Mapping[str, pa.Table],
    found: Mapping[str, Mapping[str, Any]],
    plan: Plan,
    made: Maps,
) -> list[Path]:
    """All figures of one metric."""
    results = {method: statistics.joined(table, metric) for method, table in tables.items()}
    known = {method: result for method, result in results.items() if result is not None}
    stem = file_stem(metric)
    paths = [
        bar_chart(folder / f"{stem}.bars.png", metric, found),
        curve_chart(folder / f"{stem}.curves.png", metric, known),
        map_sheet(folder / f"{stem}.images.png", metric, tables, plan, made),
    ]
    return [path for path in paths if path is not None]


def _csv(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> bytes:
    """Records as a CSV file; what is not known is empty."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        cells = [plain(record.get(column)) for column in columns]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return buffer.getvalue().encode()
