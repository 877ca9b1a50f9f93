"""The folder of an evaluation: its settings, the parts that are done, and the finished table."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysal.errors import InputError, OptionError
from pysal.evaluation.lock import locked
from pysal.evaluation.names import file_stem
from pysal.evaluation.plan import Unit
from pysal.evaluation.table import encode, join_parts, notes_of, schema
from pysal.report.save import check_folder, write_file

if TYPE_CHECKING:
    import pyarrow as pa

RESULTS = ("results.parquet", "summary.json", "summary.csv", "pairs.csv")
ROW_GROUP = 65536
MAX_NAMED = 4
"""Differences of settings that an error lists."""


class Folder:
    """Files of one evaluation.

    Attributes
    ----------
    path : Path
    settings : mapping
        What the table depends on.
    hash : str
        Of the settings; every part carries it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.hash = ""
        self.settings: Mapping[str, Any] = {}
        check_folder(self.path)

    @property
    def table(self) -> Path:
        """The finished table."""
        return self.path / "results.parquet"

    @property
    def parts(self) -> Path:
        """Folder of the parts."""
        return self.path / "parts"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs out.

        Raises
        ------
        InputError
            If another run is at work here, or the folder cannot be written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be made ({error.strerror}); give another folder"
            ) from None
        with locked(self.path / "lock"):
            yield

    def begin(self, settings: Mapping[str, Any], resume: bool) -> None:
        """Start a run with these settings, or go on with one that has the same.

        Raises
        ------
        OptionError
            If the folder holds a run with other settings.
        """
        manifest = self.path / "manifest.json"
        self.settings = settings
        self.hash = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        if not resume:
            self._clear()
        known = _read(manifest)
        if known != settings and not any(self.parts.glob("*.parquet")):
            known = None  # a run that was refused has left nothing that could be lost
        if known is not None and known != settings:
            raise OptionError(
                f"{self.path}: holds a run with other settings: {_differences(known, settings)}; "
                "give another folder (--out), or start this one afresh (--fresh, resume=False)"
            )
        self.parts.mkdir(exist_ok=True)
        for leftover in self.parts.glob(".*.part"):
            leftover.unlink()
        if known is None:
            record = {"settings": settings, "hash": self.hash}
            write_file(manifest, (json.dumps(record, indent=1) + "\n").encode())

    def save(self, unit: Unit, part: bytes) -> None:
        """Write the part of one unit, whole or not at all."""
        write_file(self.parts / f"{file_stem(unit.method)}.{unit.indices[0]:08d}.parquet", part)

    def done(self) -> dict[str, set[int]]:
        """Images that are done, per method; parts that are broken or of another run are removed."""
        found: dict[str, set[int]] = {}
        for path in sorted(self.parts.glob("*.parquet")):
            notes = notes_of(path)
            if notes is None or notes.get("hash") != self.hash:
                path.unlink()
            else:
                found.setdefault(notes["method"], set()).update(notes["indices"])
        return found

    def finish(self, methods: Sequence[str], metrics: Sequence[str]) -> None:
        """Write the table of all parts."""
        import pyarrow.parquet as pq

        parts = {
            method: sorted(self.parts.glob(f"{file_stem(method)}.*.parquet")) for method in methods
        }
        columns: pa.Schema = schema().with_metadata(encode(self.settings))
        temporary = self.path / ".results.part"
        with pq.ParquetWriter(temporary, columns, compression="zstd") as writer:
            for table in join_parts(parts, metrics):
                writer.write_table(table.cast(columns), row_group_size=ROW_GROUP)
        os.replace(temporary, self.table)

    def warnings(self) -> list[dict[str, Any]]:
        """What was warned of, alike ones together: category, text of the first, how often."""
        counts: Counter[tuple[str, str]] = Counter()
        texts: dict[tuple[str, str], str] = {}
        for path in sorted(self.parts.glob("*.parquet")):
            for category, text in (notes_of(path) or {}).get("warnings", []):
                kind = re.sub(r"\d+(, \d+)*", "0", text)
                counts[category, kind] += 1
                texts.setdefault((category, kind), text)
        return [
            {"category": key[0], "text": texts[key], "count": count}
            for key, count in sorted(counts.items())
        ]

    def _clear(self) -> None:
        """Remove what a run has left here, and nothing else."""
        found = [*self.parts.glob("*.parquet"), *(self.path / "figures").glob("*.png")]
        for path in [*found, *(self.path / name for name in ("manifest.json", *RESULTS))]:
            path.unlink(missing_ok=True)


def _read(manifest: Path) -> dict[str, Any] | None:
    """Settings of the run in a folder; None where there is none."""
    try:
        settings: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["settings"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{manifest}: is not the manifest of an evaluation; give another folder"
        ) from None
    return settings


def _differences(known: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """What differs, as one line."""
    old, new = dict(_flat(known)), dict(_flat(settings))
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    shown = [f"{key} was {_short(old, key)}, is {_short(new, key)}" for key in changed]
    more = f" and {len(shown) - MAX_NAMED} more" if len(shown) > MAX_NAMED else ""
    return "; ".join(shown[:MAX_NAMED]) + more


def _flat(settings: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    """Settings as {"methods.igos.size": 7}; an empty mapping counts as a value."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{start}{key}.")
        else:
            yield f"{start}{key}", value


def _short(settings: Mapping[str, Any], key: str) -> str:
    """A value as short text."""
    if key not in settings:
        return "not there"
    text = json.dumps(settings[key])
    return text if len(text) <= 40 else text[:37] + "..."
