"""Whole I-GOS explanations: pysal against plain torch, on real networks and photos.

The peer is the method as published: points of the path one after the other, candidate steps one
after the other. Before timing, both must give the same masks without noise.

    python benchmarks/bench_igos.py [--out FILE] [--photos N] [--busy]
    python benchmarks/bench_igos.py --skip-timing --quality peer,published,fast [--seeds N]

Quality is insertion minus deletion at 28 x 28. Its values are kept in a cache, photo by photo, so
a run can be interrupted and continued. Photos and networks: the folder in PYSAL_DATA.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import environment, measure, write_json

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from naive_igos import blur51, naive_igos  # noqa: E402
from onnx_torch import to_torch  # noqa: E402

from pysal.backends.ort import OrtClassifier  # noqa: E402
from pysal.backends.ort_session import OrtSession  # noqa: E402
from pysal.methods.igos import igos  # noqa: E402
from pysal.metrics.insertion_deletion import insertion_deletion  # noqa: E402
from pysal.photos import load_photos  # noqa: E402
from pysal.types import Target  # noqa: E402

DATA = Path(os.environ.get("PYSAL_DATA", ROOT.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "igos.json"
NETWORKS = ("squeezenet1.1", "mobilenet_v2")
VARIANTS = ("published", "fast")
THREADS = 2
TOLERANCE = 2.5e-3
"""Of mask values. Steps that change the objective by about 1e-6 are picked by float32 rounding: the
peer with one and with two threads differs by 7e-4 at the end and by 2e-3 on the way."""


@dataclasses.dataclass
class Subject:
    """One network with its photos, for both sides."""

    name: str
    clf: OrtClassifier
    batch: np.ndarray
    target: Target
    network: torch.nn.Module

    def peer(self, photo: int, noise: bool = True) -> np.ndarray:
        """Saliency (28, 28) by the peer."""
        image = torch.from_numpy(self.batch[photo : photo + 1])
        std = self.clf.preprocess.noise_std(0.2) if noise else np.zeros(3, np.float32)
        mask, _ = naive_igos(
            self.network,
            image,
            blur51(image),
            int(self.target.index[photo]),
            noise_std=torch.from_numpy(std).view(1, -1, 1, 1),
        )
        return 1 - mask[0, 0].numpy()

    def pysal(self, photo: int, **options: Any) -> np.ndarray:
        """Saliency (28, 28) by pysal."""
        rows = slice(photo, photo + 1)
        return igos(self.clf, self.batch[rows], self.target[rows], **options).native[0]


def open_subject(name: str, photos: int) -> Subject:
    path = DATA / "models" / f"{name}.onnx"
    clf = OrtClassifier(path, threads=THREADS)
    files = sorted((DATA / "photos").glob("*.jpg"))[:photos]
    batch = load_photos(files, clf.preprocess).batch
    target = Target(clf.score(batch).argmax(axis=1))
    return Subject(name, clf, batch, target, to_torch(path))


def check(subject: Subject) -> float:
    """Largest difference of masks without noise; both sides must agree before they are timed."""
    error = float(np.abs(subject.peer(0, noise=False) - subject.pysal(0, noise="off")).max())
    assert error <= TOLERANCE, f"{subject.name}: masks differ by {error:.2g}"
    return error


def time_all(subject: Subject, clock: Callable[[], float]) -> dict[str, Any]:
    """Median seconds and ratios; every photo is timed on all sides in turn."""
    subject.pysal(0, preset="fast")
    rows = []
    for photo in range(len(subject.batch)):
        functions: dict[str, Callable[[], object]] = {
            "peer": functools.partial(subject.peer, photo),
            **{v: functools.partial(subject.pysal, photo, preset=v) for v in VARIANTS},
        }
        times = measure(functions, repeats=1, warmup=0, pause=0.2, clock=clock)
        rows.append({name: timing.median for name, timing in times.items()})
        print(subject.name, {k: round(v, 2) for k, v in rows[-1].items()}, flush=True)
    seconds = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    ratios = {v: statistics.median(row["peer"] / row[v] for row in rows) for v in VARIANTS}
    return {"seconds": seconds, "ratio": ratios, "photos": rows}


def outside(subject: Subject, preset: str) -> float:
    """Share of the processor time that is not spent in the engine's run."""
    spent: list[float] = []
    run = OrtSession.run

    def timed(session: OrtSession) -> None:
        start = time.thread_time()  # a run of one image stays on the thread that calls it
        run(session)
        spent.append(time.thread_time() - start)

    rows = slice(0, 4)
    OrtSession.run = timed  # type: ignore[method-assign]
    try:
        start = time.process_time()
        igos(subject.clf, subject.batch[rows], subject.target[rows], preset=preset)
        total = time.process_time() - start
    finally:
        OrtSession.run = run  # type: ignore[method-assign]
    return 1 - sum(spent) / total


FIRST_MAP = """
import resource, sys, pysal
a = pysal.explain(sys.argv[1], sys.argv[2], preset=sys.argv[3], threads=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def first_map(name: str, preset: str) -> dict[str, float]:
    """Seconds from the start of a process to the first map, and its peak memory in bytes."""
    photo = min((DATA / "photos").glob("*.jpg"))
    model = DATA / "models" / f"{name}.onnx"
    command = [sys.executable, "-c", FIRST_MAP, str(model), str(photo), preset]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    return {"seconds": time.perf_counter() - start, "peak_bytes": float(done.stdout)}


def bench(name: str, photos: int, clock: Callable[[], float]) -> dict[str, Any]:
    subject = open_subject(name, photos)
    error = check(subject)
    print(f"{name}: masks without noise differ by at most {error:.2g}", flush=True)
    return {
        "largest_difference": error,
        **time_all(subject, clock),
        "share_outside_engine": {v: outside(subject, v) for v in VARIANTS},
        "first_map": {v: first_map(name, v) for v in VARIANTS},
        "passes": {
            v: dataclasses.asdict(igos(subject.clf, subject.batch, subject.target, preset=v).passes)
            for v in VARIANTS
        },
    }


def quality(names: list[str], photos: int, seeds: int, cache: Path) -> dict[str, Any]:
    """Mean insertion, deletion and difference per network and variant, over photos and seeds."""
    known: dict[str, list[float]] = json.loads(cache.read_text()) if cache.is_file() else {}
    for network in NETWORKS:
        subject = open_subject(network, photos)
        for seed in range(seeds):
            for variant in names:
                for photo in range(photos):
                    key = f"{network}/{variant}/{seed}/{photo}"
                    if key not in known:
                        known[key] = _judge(subject, variant, photo, seed)
                        write_json(cache, known)
                done = [known[f"{network}/{variant}/{seed}/{p}"] for p in range(photos)]
                print(network, variant, seed, np.mean(done, axis=0).round(4), flush=True)
    return summary(known)


def _judge(subject: Subject, variant: str, photo: int, seed: int) -> list[float]:
    """Insertion and deletion of one map."""
    torch.manual_seed(1000 * seed + photo)
    peer = variant == "peer"
    saliency = subject.peer(photo) if peer else subject.pysal(photo, preset=variant, seed=seed)
    rows = slice(photo, photo + 1)
    target = subject.target[rows]
    result = insertion_deletion(subject.clf, subject.batch[rows], saliency[None], target)
    return [float(result.values[key][0]) for key in ("insertion", "deletion")]


def summary(known: dict[str, list[float]]) -> dict[str, Any]:
    """Means over the photos, then over the seeds, with the spread between seeds."""
    groups: dict[tuple[str, str], dict[str, list[list[float]]]] = {}
    for key, pair in known.items():
        network, variant, seed, _ = key.split("/")
        groups.setdefault((network, variant), {}).setdefault(seed, []).append(pair)
    table: dict[str, Any] = {}
    for (network, variant), by_seed in groups.items():
        means = np.array([np.mean(pairs, axis=0) for pairs in by_seed.values()])
        difference = means[:, 0] - means[:, 1]
        table.setdefault(network, {})[variant] = {
            "insertion": means[:, 0].mean(),
            "deletion": means[:, 1].mean(),
            "difference": difference.mean(),
            "difference_per_seed": difference,
            "maps": [len(pairs) for pairs in by_seed.values()],
        }
    return table


def show(record: dict[str, Any]) -> None:
    """Print the table."""
    for name, row in record.get("networks", {}).items():
        seconds = row["seconds"]
        print(f"\n{name}: torch, as published {seconds['peer']:.2f} s")
        for v in VARIANTS:
            first, share = row["first_map"][v], row["share_outside_engine"][v]
            print(
                f"  {v:10} {seconds[v]:6.2f} s  {row['ratio'][v]:5.1f} x  outside the engine "
                f"{share:5.1%}  first map {first['seconds']:.1f} s, "
                f"{first['peak_bytes'] / 1e6:.0f} MB"
            )
    for name, variants in record.get("quality", {}).items():
        for variant, row in variants.items():
            print(f"{name:14} {variant:10} insertion - deletion {row['difference']:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--photos", type=int, default=5)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--skip-timing", action="store_true")
    parser.add_argument("--quality", default="", help="of peer, published and fast")
    parser.add_argument("--quality-photos", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--busy", action="store_true", help="time work on a machine others load")
    arguments = parser.parse_args()
    # Threads of torch that share a core with other work wait for each other without end: there,
    # the work of one thread is compared, which leaves out what either side gains by the second.
    torch.set_num_threads(1 if arguments.busy else THREADS)
    clock = time.process_time if arguments.busy else time.perf_counter
    record = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    if not arguments.skip_timing:
        names = arguments.networks.split(",")
        record["networks"] = {name: bench(name, arguments.photos, clock) for name in names}
        record["clock"] = "processor time, one torch thread" if arguments.busy else "wall time"
        record["environment"] = environment()
    if arguments.quality:
        variants = arguments.quality.split(",")
        cache = arguments.out.with_suffix(".quality.json")
        photos, seeds = arguments.quality_photos, arguments.seeds
        record["quality"] = quality(variants, photos, seeds, cache)
        record.setdefault("environment", environment())
    write_json(arguments.out, record)
    show(record)


if __name__ == "__main__":
    main()
