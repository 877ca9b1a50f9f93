"""Rows of the table: one per image, method and metric; and the files that hold them."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysal.errors import MissingDependencyError

if TYPE_CHECKING:
    import pyarrow as pa

SECONDS = ("method_seconds", "metric_seconds")
"""Columns that differ from run to run."""


@dataclasses.dataclass(frozen=True)
class Row:
    """What one metric says of one method on one image.

    Attributes
    ----------
    image : str
    index : int
        Number of the image in the evaluation, from 0.
    method, metric : str
    class_index : int or None
        Class that was explained; None where the image could not be read. Column "class".
    kind : str or None
        Score space that was explained.
    score : float or None
        Score of the class on the image.
    values : mapping of str to float
        NaN where the image does not count.
    curves : mapping of str to list of float
    shared_curves : list of str
        Curves that are the same for all images: abscissas.
    method_options, metric_options : str
        JSON.
    seed : int
        Of the image, where method and metric were not given another.
    method_forward, method_backward, metric_forward, metric_backward : float
        Passes, means over the images that ran together.
    method_seconds, metric_seconds : float
        Likewise.
    error : str or None
        What went wrong with this image, method or metric.
    model, sha256 : str
    """

    image: str
    index: int
    method: str
    metric: str
    seed: int
    model: str
    sha256: str
    class_index: int | None = None
    kind: str | None = None
    score: float | None = None
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    curves: Mapping[str, list[float]] = dataclasses.field(default_factory=dict)
    shared_curves: Sequence[str] = ()
    method_options: str = "{}"
    metric_options: str = "{}"
    method_forward: float = 0.0
    method_backward: float = 0.0
    metric_forward: float = 0.0
    metric_backward: float = 0.0
    method_seconds: float = 0.0
    metric_seconds: float = 0.0
    error: str | None = None


def require_pyarrow() -> None:
    """See that tables can be written.

    Raises
    ------
    MissingDependencyError
        If pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingDependencyError(
            "tables need pyarrow, which is not installed; run pip install "
            '"pysal-saliency[evaluate]"'
        ) from None


def schema() -> pa.Schema:
    """Columns of the table, in order."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    columns = {
        **{"image": text, "index": pa.int64(), "method": text, "metric": text},
        **{"class": pa.int64(), "kind": text, "score": number},
        "values": pa.map_(text, number),
        "curves": pa.map_(text, pa.list_(number)),
        "shared_curves": pa.list_(text),
        **{"method_options": text, "metric_options": text, "seed": pa.int64()},
        **{f"{side}_{way}": number for side in _SIDES for way in ("forward", "backward")},
        **dict.fromkeys(SECONDS, number),
        **{"error": text, "model": text, "sha256": text},
    }
    return pa.schema(list(columns.items()))


_SIDES = ("method", "metric")


def to_table(rows: Sequence[Row]) -> pa.Table:
    """Rows as a table."""
    import pyarrow as pa

    names = ["class_index" if name == "class" else name for name in schema().names]
    columns = [[getattr(row, name) for row in rows] for name in names]
    for name in ("values", "curves"):
        columns[names.index(name)] = [list(getattr(row, name).items()) for row in rows]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema(), strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema())


def to_bytes(table: pa.Table, notes: Mapping[str, Any]) -> bytes:
    """A table as a Parquet file, with notes in its metadata."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(encode(notes)), buffer, compression="zstd")
    return buffer.getvalue()


def encode(notes: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Notes as metadata of a Parquet schema: one value of JSON under the key "pysal"."""
    return {b"pysal": json.dumps(notes, sort_keys=True).encode()}


def notes_of(path: Path) -> dict[str, Any] | None:
    """Notes of a file of `to_bytes`; None where it is not whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found: dict[str, Any] = json.loads((pq.read_schema(path).metadata or {})[b"pysal"])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None
    return found


def join_parts(parts: Mapping[str, Sequence[Path]], metrics: Sequence[str]) -> Iterator[pa.Table]:
    """The parts of each method as one table, by image, then by metric.

    The order depends on nothing but the images, methods and metrics, so that neither interruptions
    nor workers can be seen in it. Memory holds one method at a time.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for paths in parts.values():
        whole = pa.concat_tables([pq.read_table(path, schema=schema()) for path in paths])
        rank = pc.index_in(whole["metric"], pa.array(list(metrics)))
        order = pa.table({"index": whole["index"], "rank": rank})
        by = [("index", "ascending"), ("rank", "ascending")]
        yield whole.take(pc.sort_indices(order, sort_keys=by))
