"""Cells of tables, kept as soon as they are known, and tables beside those of the papers."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from timing import environment, write_json

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("PYSAL_DATA", ROOT.parent / "shared" / "data"))
RESULTS = ROOT / "benchmarks" / "results" / "tables"

Cell = Mapping[str, Any]
Table = Mapping[str, Mapping[str, float]]
"""Row -> column -> number."""


class Record:
    """Results of one program, in results/tables/NAME.json; a run continues where the last one was.

    Parameters
    ----------
    name : str
    minutes : float
        No cell begins after these.
    images : Path, optional
        A data set of the caller's; its results stay apart, in build/tables/NAME.FOLDER.json.
    """

    def __init__(self, name: str, minutes: float, images: Path | None = None) -> None:
        self.path = RESULTS / f"{name}.json"
        if images is not None:
            self.path = ROOT / "build" / "tables" / f"{name}.{images.name}.json"
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._until = time.monotonic() + 60 * minutes
        known = json.loads(self.path.read_text()) if self.path.is_file() else {}
        self.cells: dict[str, Cell] = known.get("cells", {})

    def cell(self, key: str, make: Callable[[], Cell]) -> Cell | None:
        """The cell of this key: known, or made now; None where the time is over.

        What `make` warns of is kept in the cell; what it raises is kept as its "error", so that one
        photo does not end a table.
        """
        if key not in self.cells:
            if time.monotonic() > self._until:
                return None
            begin, work = time.perf_counter(), time.process_time()
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                try:
                    found = dict(make())
                except Exception as error:
                    found = {"error": f"{type(error).__name__}: {error}"}
            found["seconds"] = round(time.perf_counter() - begin, 3)
            found["cpu seconds"] = round(time.process_time() - work, 3)
            if heard:
                found["warnings"] = sorted({str(entry.message)[:120] for entry in heard})
            self.cells[key] = found
            self._save({})
            print(f"{key}: {_short(found)}", flush=True)
        return self.cells[key]

    def select(self, *parts: str) -> dict[str, Cell]:
        """Cells without error whose key begins with these parts, by the rest of the key."""
        start = "/".join(parts) + "/"
        return {
            key.removeprefix(start): cell
            for key, cell in self.cells.items()
            if key.startswith(start) and "error" not in cell
        }

    def finish(self, tables: Mapping[str, Any]) -> None:
        """Write the tables in front of the cells."""
        self._save(tables)

    def _save(self, tables: Mapping[str, Any]) -> None:
        record = {"environment": environment(), "tables": tables, "cells": self.cells}
        write_json(self.path, record)


def _short(cell: Cell) -> str:
    """The numbers of a cell in one line."""
    numbers = {k: f"{v:.4g}" for k, v in cell.items() if isinstance(v, float)}
    return str(cell.get("error") or numbers)


def common(cells: Sequence[Mapping[str, Cell]]) -> list[str]:
    """Keys that all of several selections have: the photos on which rows are compared."""
    return sorted(set.intersection(*(set(part) for part in cells))) if cells else []


def mean(cells: Mapping[str, Cell], keys: Sequence[str], value: str) -> float:
    """Mean of a value over some of the cells, without NaN; NaN where there is none."""
    known = np.array([cells[key].get(value, np.nan) for key in keys], np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")


def standard_error(cells: Mapping[str, Cell], keys: Sequence[str], value: str) -> float:
    """Of that mean."""
    known = np.array([cells[key].get(value, np.nan) for key in keys], np.float64)
    known = known[~np.isnan(known)]
    return float(known.std(ddof=1) / len(known) ** 0.5) if len(known) > 1 else float("nan")


def beside(title: str, ours: Table, paper: Table, *, note: str = "") -> dict[str, Any]:
    """Print a table with the paper's numbers below ours, and how well the orders of rows agree.

    Parameters
    ----------
    ours : mapping
        Row -> column -> number; may have columns that the paper has not.
    paper : mapping
        The same for the paper; columns are compared where both have them.

    Returns
    -------
    dict
        For the record: both tables, and per column "agreement", Spearman's rank correlation of the
        rows that both have, from 3 rows on.
    """
    columns = list(dict.fromkeys(column for row in ours.values() for column in row))
    print(f"\n{title}" + (f"  ({note})" if note else ""))
    print(f"{'':34}" + "".join(f"{column[:15]:>16}" for column in columns))
    for row, values in ours.items():
        print(f"{row[:34]:34}" + "".join(_number(values.get(column)) for column in columns))
        if row in paper:
            print(f"{'    paper':34}" + "".join(_number(paper[row].get(c)) for c in columns))
    agreement = {column: _agreement(ours, paper, column) for column in columns}
    agreement = {column: value for column, value in agreement.items() if value is not None}
    if agreement:
        shown = ", ".join(f"{column} {value:.2f}" for column, value in agreement.items())
        print(f"rank correlation of the rows with the paper: {shown}")
    return {"title": title, "note": note, "ours": ours, "paper": paper, "agreement": agreement}


def _number(value: float | None) -> str:
    return f"{'-':>16}" if value is None or np.isnan(value) else f"{value:16.4g}"


def _agreement(ours: Table, paper: Table, column: str) -> float | None:
    """Spearman's correlation of a column over the rows that both tables have."""
    from scipy.stats import spearmanr

    pairs = [
        (ours[row][column], paper[row][column])
        for row in ours
        if row in paper and column in ours[row] and column in paper[row]
    ]
    known = np.array([pair for pair in pairs if not np.isnan(pair).any()])
    if len(known) < 3 or (np.ptp(known, axis=0) == 0).any():
        return None
    return round(float(spearmanr(known[:, 0], known[:, 1]).statistic), 3)


def arguments(doc: str | None, **defaults: Any) -> argparse.Namespace:
    """The command line that all programs share: --photos, --minutes, and what the caller adds."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    if "folds" not in defaults:
        parser.add_argument("--images", type=Path, help="folder of ImageNet or another data set")
        parser.add_argument("--annotations", type=Path, help="its boxes (CSV) or instances (COCO)")
        parser.add_argument("--labels", type=Path, help="CSV of the photos' classes")
        parser.add_argument("--classes", help="names of the networks' classes; see open_dataset")
    parser.add_argument("--photos", type=int, default=defaults.pop("photos", 60))
    parser.add_argument("--minutes", type=float, default=defaults.pop("minutes", 15.0))
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    return parser.parse_args()
