"""Which classifiers work: architectures, ways to export, rule tables, engines.

    python benchmarks/coverage.py --jobs 2             # what is missing, for hours
    python benchmarks/coverage.py timm/convit_tiny --export dynamo:23 --sm 89
    python benchmarks/coverage.py --table-only

Every network is exported in the first way first: with it every rule table is built, and engines:
for every compute capability of torchvision's networks, for one of timm's. The other ways have the
gradient, on both lowerings and OpenVINO, and are parsed by TensorRT; of timm every third network
has the last three of them. Every export is a process of its own with a time limit; its figures are
written at once, so the same command goes on where it was. The record is results/coverage.json, the
table docs/coverage.md.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import coverage_nets
from coverage_table import write_table
from timing import environment

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "coverage.json", HERE.parent / "docs" / "coverage.md"
EXPORTS = "dynamo:20,torchscript:17,dynamo:23,dynamo:18,torchscript:11"
ALL = EXPORTS.split(",")[:2]
"""Ways in which every network is exported."""
FIRST = ALL[0]
CAPABILITIES = {"torchvision": "86,89,120", "timm": "89"}
RULES = "gradient,guided_backprop,deconvnet,stride1_deconv,excitation_backprop"


def main() -> None:
    """Fill the record, then write the table."""
    options = parse()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {"cells": {}}
    names = options.names or coverage_nets.NAMES
    cells = [
        (name, way)
        for way in options.export.split(",")
        for number, name in enumerate(names)
        if options.names or way in ALL or name.startswith("torchvision") or number % 3 == 0
    ]
    done = [] if options.again else record["cells"]
    missing = [] if options.table_only else [cell for cell in cells if " ".join(cell) not in done]
    with ThreadPoolExecutor(options.jobs) as pool:
        stop = time.monotonic() + 60 * options.minutes
        start = functools.partial(run, options=options, stop=stop)
        for cell, found in zip(missing, pool.map(start, missing), strict=True):
            if found is None:
                continue
            key = " ".join(cell)
            record["cells"][key] = found
            record["environment"] = environment()
            save(record)
            print(key, json.dumps(found)[:200], flush=True)
    TABLE.write_text(write_table(record))


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="PACKAGE/NAME")
    parser.add_argument("--export", default=EXPORTS, help=f"exporter:opset, default {EXPORTS}")
    parser.add_argument("--rules", help=f"default {RULES} for {FIRST}, gradient for the others")
    parser.add_argument(
        "--sm",
        help=f"engines that TensorRT builds for {FIRST}, default {CAPABILITIES}",
    )
    parser.add_argument("--jobs", type=int, default=1, help="exports at a time, a core each")
    parser.add_argument("--no-openvino", action="store_true")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for one export")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start none after")
    parser.add_argument("--again", action="store_true", help="also what the record has")
    parser.add_argument("--table-only", action="store_true")
    return parser.parse_args()


def run(cell: tuple[str, str], options: argparse.Namespace, stop: float) -> dict[str, Any] | None:
    """One cell in a process of its own; None where the time is over."""
    if time.monotonic() > stop:
        return None
    name, way = cell
    exporter, _, opset = way.partition(":")
    rules = (RULES if way == FIRST else "gradient") if options.rules is None else options.rules
    sm = CAPABILITIES[name.partition("/")[0]] if options.sm is None else options.sm
    command = [sys.executable, str(HERE / "coverage_cell.py"), name, exporter, opset]
    command += ["--rules", rules, "--sm", sm if way == FIRST else ""]
    command += [] if options.no_openvino else ["--openvino"]
    start = time.monotonic()
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=options.limit, env=threads
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {options.limit:.0f} s"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return {"failed": last[:160]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**found, "wall": round(time.monotonic() - start, 1)}


def save(record: dict[str, Any]) -> None:
    """Write the record whole or not at all."""
    part = RECORD.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    part.replace(RECORD)


if __name__ == "__main__":
    main()
