"""One table and one JSON file from the rows that the steps have written."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]

ROWS = "rows.jsonl"
DRY = "dry run: figures mean nothing"
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All rows; a line that was cut off when its step was stopped is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def median(timing: Any) -> float:
    """Seconds, or NaN where a case is missing."""
    return timing["median"] if timing else math.nan


def collect(rows: list[dict[str, Any]], dry: bool) -> dict[str, Any]:
    """The record: facts in front, steps and their outcome, then the rows of each step."""
    steps = [{k: v for k, v in row.items() if k != "whole"} for row in rows if row.get("whole")]
    parts: dict[str, list[Row]] = {}
    for row in rows:
        if not row.get("whole"):
            rest = {key: value for key, value in row.items() if key != "step"}
            parts.setdefault(row["step"], []).append(rest)
    facts = {row.get("case"): row for row in parts.get("machine", ())}
    software = facts.get("software", {})
    return {
        "note": DRY if dry else "",
        "card": facts.get("card", {}).get("name", "unknown"),
        "driver": facts.get("card", {}).get("driver_version", ""),
        "date": software.get("date", time.strftime("%Y-%m-%d")),
        "versions": software.get("versions", {}),
        "passed": all(step["rc"] == 0 for step in steps if step["required"]) and bool(steps),
        "steps": steps,
        **parts,
    }


def select(record: Mapping[str, Any], step: str, **wanted: Any) -> list[Row]:
    """Rows of a step with figures, and these values."""
    rows = [row for row in record.get(step, ()) if "error" not in row or "seconds" in row]
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def head(record: Mapping[str, Any]) -> Iterator[str]:
    """The card, its ceilings, and how the steps ended."""
    versions = record["versions"]
    yield (
        f"{record['card']}, driver {record['driver'] or '-'}, torch {versions.get('torch', '-')}, "
        f"{record['date']}"
    )
    for row in select(record, "machine", case="ceilings"):
        products = ", ".join(f"{k} {v / 1e12:.0f}" for k, v in row["flops_per_s"].items())
        yield f"copy {row['copy_per_s'] / 1e9:.0f} GB/s; matrix product, TFLOP/s: {products}"
    for step in record["steps"]:
        outcome = "ok" if step["rc"] == 0 else f"FAILED ({step['rc']})"
        if step["rc"] in (124, 137):
            outcome = "STOPPED at its limit"
        yield f"  {step['step']:9} {step['seconds']:4d} s  {outcome}"
    tests = record.get("tests_line")
    if tests:
        yield f"  tests: {tests}"


def failures(record: Mapping[str, Any]) -> Iterator[str]:
    """Cases that failed, and how many were left out."""
    for step, rows in record.items():
        if not isinstance(rows, list) or step == "steps":
            continue
        for row in rows:
            if isinstance(row.get("error"), str) and row.get("required"):
                yield f"  FAILED {step}: {row['case']}: {row['error'][:140]}"
        skipped = [row for row in rows if "skipped" in row]
        if skipped:
            yield f"  {step}: {len(skipped)} left out ({skipped[0]['skipped'][:100]})"


def check_table(record: Mapping[str, Any]) -> Iterator[str]:
    for row in select(record, "check"):
        hidden = ("case", "at", "network", "warnings")
        figures = ", ".join(f"{k} {v:.2g}" for k, v in row.items() if k not in hidden)
        yield f"  {row['case']}: {figures}"


def kernel_table(record: Mapping[str, Any]) -> Iterator[str]:
    rows = [row for row in record.get("kernels", ()) if "seconds" in row]
    ceiling = next((r["copy_per_s"] for r in select(record, "machine", case="ceilings")), math.nan)
    if rows:
        yield f"kernels {'':20} {'us':>8} {'GB/s':>7} {'of copy':>8} {'eager':>7} {'compile':>8}"
    for row in rows:
        seconds = row["seconds"]
        ours = median(seconds["pysal"])
        eager, compiled = (median(seconds.get(side)) / ours for side in ("eager", "compile"))
        yield (
            f"  {row['case']:26} {1e6 * ours:8.1f} {row['per_s'] / 1e9:7.0f} "
            f"{row['per_s'] / ceiling:8.0%} {_times(eager):>7} {_times(compiled):>8}"
        )


def gradient_table(record: Mapping[str, Any]) -> Iterator[str]:
    """Milliseconds of pysal, times as fast as PyTorch, share of the rate of a matrix product."""
    rows = select(record, "gradient")
    pairs = dict.fromkeys((r["network"], r["batch"]) for r in rows if "batch" in r)
    rates = next((r["flops_per_s"] for r in select(record, "machine", case="ceilings")), {})
    flops = {r["network"]: r["flops"] for r in rows if "flops" in r}
    if pairs:
        yield "gradient, ms (x best eager of PyTorch in that precision; x compiled) of product rate"
    for network, batch in pairs:
        here = [r for r in rows if r.get("network") == network and r.get("batch") == batch]
        parts = []
        for precision in PRECISIONS:
            ours = _best(here, "pysal", precision)
            if not ours:
                continue
            share = flops.get(network, math.nan) * batch / ours / rates.get(precision, math.nan)
            text = f"{share:.0%}" if math.isfinite(share) else "-"
            parts.append(f"{precision} {_gradient(here, precision)} {text}")
        yield f"  {network:12} {batch:3d}  " + "  ".join(parts)


def _best(rows: Iterable[Row], side: str, precision: str, **wanted: Any) -> float:
    """Least median of these rows; 0 where there is none."""
    keys = {"side": side, "precision": precision, **wanted}
    fitting = [r for r in rows if all(r.get(key) == value for key, value in keys.items())]
    return min((median(row["seconds"]) for row in fitting), default=0.0)


def _gradient(rows: list[Row], precision: str) -> str:
    ours = _best(rows, "pysal", precision)
    eager = _best(rows, "torch", precision, compiled=False) / ours
    compiled = _best(rows, "torch", precision, compiled=True) / ours
    return f"{1e3 * ours:.2f} ({_times(eager)}; {_times(compiled)})"


def explain_table(record: Mapping[str, Any], step: str) -> Iterator[str]:
    """Latency of one image, speed against PyTorch alone, the network's share, batches."""
    rows = [row for row in record.get(step, ()) if "latency" in row and "passes" in row]
    if rows:
        yield (
            f"{step} {'':16} {'p50 ms':>8} {'p99 ms':>8} {'torch':>7} {'network':>8} {'MB':>6}"
            "  images/s"
        )
    for row in rows:
        name = row["case"].removesuffix(f" {row['precision']}")
        peer = next((r for r in record.get("explain", ()) if r["case"] == f"{name} peer"), {})
        ratio = median(peer.get("latency")) / row["latency"]["median"]
        batches = [
            f"{r['images']}: {r['per_s']:.1f}"
            for r in record[step]
            if "per_s" in r and r["case"].startswith(f"{row['case']} batch")
        ]
        yield (
            f"  {row['case']:21} {1e3 * row['latency']['median']:8.1f} "
            f"{1e3 * row['latency']['p99']:8.1f} {_times(ratio):>7} {row['network_share']:8.0%} "
            f"{row['peak_bytes'] / 1e6:6.0f}  {', '.join(batches)}"
        )


def engine_table(record: Mapping[str, Any], step: str) -> Iterator[str]:
    """Milliseconds of gradients on another engine, and their distance from PyTorch's."""
    for row in record.get(step, ()):
        if "seconds" in row and "error" in row and not isinstance(row["error"], str):
            ms = 1e3 * median(row["seconds"])
            yield f"  {step} {row['case']}: {ms:.2f} ms, distance {row['error']:.2g}"


def _times(ratio: float) -> str:
    """How many times as long, or a dash."""
    return f"x{ratio:.2f}" if ratio > 0 and math.isfinite(ratio) else "-"


def table(record: Mapping[str, Any]) -> list[str]:
    """All lines; in a dry run each says so."""
    lines = [
        *head(record),
        *check_table(record),
        *kernel_table(record),
        *gradient_table(record),
        *explain_table(record, "explain"),
        *explain_table(record, "methods"),
        *explain_table(record, "ort"),
        *engine_table(record, "ort"),
        *engine_table(record, "tensorrt"),
        *failures(record),
        "all required steps passed" if record["passed"] else "NOT all required steps passed",
    ]
    return [f"{line}  [{record['note']}]" if record["note"] else line for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    record = collect(read_rows(options.out / ROWS), options.dry_run)
    text = json.dumps(record, indent=1)
    (options.out / "results.json").write_text(text + "\n", encoding="utf-8")
    try:
        lines = table(record)
    except Exception as error:  # the figures are in the file already
        lines = [f"the table could not be made: {type(error).__name__}: {error}"]
    (options.out / "table.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n" + "\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
