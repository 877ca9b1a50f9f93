"""What `pysal.evaluate` returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A finished evaluation.

    Attributes
    ----------
    path : Path
        `results.parquet`.
    summary : sequence of mapping
        One per method and metric, see `pysal.evaluation.statistics.summary`.
    pairs : sequence of mapping
        One per metric, value and pair of methods, see `pysal.evaluation.statistics.paired`.
    errors : int
        Rows with an error.
    first_error : str
        The first of them; empty where there is none.
    warnings : sequence of mapping
        What methods and metrics have warned of: "category", "text" of the first, "count".
    figures : sequence of Path
    notes : sequence of str
        What was left out, one line each.
    """

    path: Path
    summary: Sequence[Mapping[str, Any]]
    pairs: Sequence[Mapping[str, Any]]
    errors: int
    first_error: str = ""
    warnings: Sequence[Mapping[str, Any]] = ()
    figures: Sequence[Path] = ()
    notes: Sequence[str] = ()

    @property
    def table(self) -> pa.Table:
        """The table: one row per image, method and metric; read when it is asked for."""
        import pyarrow.parquet as pq

        return pq.read_table(self.path)
