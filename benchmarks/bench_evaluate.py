"""Throughput of `pysal.evaluate`, in this process and on a Ray cluster of one and two workers.

    python benchmarks/bench_evaluate.py [--images N] [--repeats R] [--out FILE]

Before anything is timed the tables of all ways are compared: they have to be the same but for the
seconds. "whole" counts from the call to the finished table, starting the workers included; "steady"
counts from the first part that is done to the last one. Each worker has one thread. Photos and
networks: PYSAL_DATA.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from timing import environment, measure, write_json

import pysal
from pysal.evaluation.table import SECONDS

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("PYSAL_DATA", ROOT.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "evaluate.json"
NETWORK = "squeezenet1.1"
METHODS = ("gradcam", "integrated_gradients")
METRICS = ("insertion_deletion", "average_drop")
METRIC_OPTIONS = {"insertion_deletion": {"step": 5018}}
"""Ten steps at 224 x 224, so that the ways are compared and not the metric."""

WAYS: dict[str, dict[str, Any]] = {
    "in this process": {},
    "Ray, 1 worker": {"ray": True, "workers": 1},
    "Ray, 2 workers": {"ray": True, "workers": 2},
}


class Clock:
    """When parts of a run were done."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def __call__(self, done: float, total: float) -> None:
        """Note a part; what is done within one does not count."""
        if done == int(done) and (not self.marks or done > self.marks[-1][1]):
            self.marks.append((time.perf_counter(), done))

    def steady(self) -> float:
        """Maps per second from the first part to the last."""
        marks = [mark for mark in self.marks if mark[1] > 0]
        return (marks[-1][1] - marks[0][1]) / (marks[-1][0] - marks[0][0])


def run(way: dict[str, Any], photos: list[Path], out: Path) -> tuple[list[Any], float]:
    """One evaluation from nothing: its rows without the seconds, and its steady rate."""
    clock = Clock()
    found = pysal.evaluate(
        DATA / "models" / f"{NETWORK}.onnx",
        photos,
        METHODS,
        METRICS,
        out,
        metric_options=METRIC_OPTIONS,
        batch_size=1,
        threads=1,
        device="cpu",
        resume=False,
        figures=False,
        progress=clock,
        **way,
    )
    table = pq.read_table(found.path).drop_columns(list(SECONDS))
    return table.to_pylist(), clock.steady()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    photos = sorted((DATA / "photos").glob("*.jpg"))[: options.images]
    maps = len(photos) * len(METHODS)
    warnings.simplefilter("ignore")  # of methods about photos
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    import ray

    # One cluster for all runs: how long Ray takes to start is not the question.
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        tables = {way: run(WAYS[way], photos, Path(folder))[0] for way in WAYS}
        first = next(iter(tables.values()))
        assert all(repr(table) == repr(first) for table in tables.values()), "tables differ"

        def timed(way: str) -> None:
            rates[way].append(run(WAYS[way], photos, Path(folder))[1])

        ways = {way: (lambda way=way: timed(way)) for way in WAYS}
        whole = measure(ways, repeats=options.repeats, warmup=0)
    ray.shutdown()
    rows = {
        way: {
            "whole_seconds": whole[way],
            "whole_maps_per_second": float(f"{maps / whole[way].median:.4g}"),
            "steady_maps_per_second": [float(f"{rate:.4g}") for rate in sorted(rates[way])],
        }
        for way in WAYS
    }
    setting = {
        **{"network": NETWORK, "images": len(photos), "methods": METHODS, "metrics": METRICS},
        **{"threads_per_worker": 1, "batch_size": 1, "maps": maps, "ray": ray.__version__},
    }
    write_json(options.out, {"environment": environment(), "setting": setting, "ways": rows})
    for way, row in rows.items():
        steady = row["steady_maps_per_second"]
        print(f"{way}: {row['whole_maps_per_second']} maps/s, steady {steady}")


if __name__ == "__main__":
    main()
