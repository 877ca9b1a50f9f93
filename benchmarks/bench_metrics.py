"""Insertion and deletion of sets of photos: pysal.measure against plain torch, on real networks.

The peer evaluates one image after the other and one step after the other, as the published codes
do for one image; "batched" is the same with the steps of an image in batches, as RISE's final
evaluation has them. pysal runs on every engine that is here. Before timing, all sides must give the
same areas and curves.

    python benchmarks/bench_metrics.py [--out FILE] [--photos N] [--busy]

Photos and networks: the folder in PYSAL_DATA.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from timing import environment, measure, write_json

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from naive_igos import blur51  # noqa: E402
from onnx_torch import to_torch  # noqa: E402

import pysal  # noqa: E402
from pysal.backends import engines  # noqa: E402
from pysal.classifier import Classifier  # noqa: E402
from pysal.photos import load_photos  # noqa: E402
from pysal.types import MetricResult, Target  # noqa: E402

DATA = Path(os.environ.get("PYSAL_DATA", ROOT.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "metrics.json"
NETWORKS = ("squeezenet1.1", "mobilenet_v2")
PROTOCOLS = ("igos", "rise")
THREADS = 2
BLOCK = 10
"""Photos that one side does before it is another's turn."""

STEPS = 28
"""Steps in one batch of the batched peer."""

TOLERANCE = 2e-4
"""Of probabilities: engines, float32."""

ENGINES = ("ort", "openvino")

Curves = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclasses.dataclass
class Subject:
    """One network with its photos and maps, for all sides."""

    name: str
    protocol: str
    sides: dict[str, Classifier]
    batch: np.ndarray
    maps: np.ndarray
    target: Target
    network: torch.nn.Module

    def pysal(self, side: str, rows: slice) -> MetricResult:
        """Result of the package on one of its engines."""
        return pysal.measure(
            "insertion_deletion",
            self.sides[side],
            self.batch[rows],
            self.maps[rows],
            targets=self.target[rows],
            protocol=self.protocol,
        )

    def peer(self, rows: slice, together: int = 1) -> Curves:
        """Deletion and insertion curves (n, 2, T + 1), `together` steps in a batch."""
        numbers = range(*rows.indices(len(self.batch)))
        return np.stack([self._curves(photo, together) for photo in numbers])

    @torch.inference_mode()
    def _curves(self, photo: int, together: int) -> Curves:
        image = torch.from_numpy(self.batch[photo : photo + 1])
        saliency = torch.from_numpy(self.maps[photo])
        pixels = self.protocol == "rise"
        away = torch.zeros_like(image) if pixels else blur51(image)
        back = blur11(image) if pixels else away
        order = torch.argsort(saliency.flatten(), descending=True, stable=True)
        step = 8 * image.shape[3] if pixels else max(1, len(order) // 50)
        ends = [*range(0, len(order), step), len(order)]
        masks = torch.ones(len(ends), 1, *saliency.shape)
        for mask, end in zip(masks, ends, strict=True):
            mask.view(-1)[order[:end]] = 0
        index = int(self.target.index[photo])
        curves = []
        for top, under in ((image, away), (back, image)):
            scores = [
                self.network(shown(top, under, part)).softmax(dim=1)[:, index]
                for part in masks.split(together)
            ]
            curves.append(torch.cat(scores).double().numpy())
        return np.stack(curves)


def shown(top: torch.Tensor, under: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Images where masks are 1, what lies under them where they are 0."""
    if masks.shape[2:] != top.shape[2:]:
        masks = F.interpolate(masks, size=top.shape[2:], mode="bilinear", align_corners=True)
    return masks * top + (1 - masks) * under


def blur11(image: torch.Tensor) -> torch.Tensor:
    """Blur of RISE: an impulse in 11 x 11 pixels, filtered; borders of zeros."""
    impulse = np.zeros((11, 11))
    impulse[5, 5] = 1
    kernel = torch.from_numpy(gaussian_filter(impulse, 5)).to(image.dtype)
    channels = image.shape[1]
    return F.conv2d(image, kernel.expand(channels, 1, 11, 11), padding=5, groups=channels)


def open_subject(name: str, protocol: str, photos: int) -> Subject:
    path = DATA / "models" / f"{name}.onnx"
    sides = {
        f"pysal, {engine}": pysal.open_classifier(path, engine=engine, threads=THREADS)
        for engine in ENGINES
        if engines()[engine] == "available"
    }
    clf = next(iter(sides.values()))
    files = sorted((DATA / "photos").glob("*.jpg"))[:photos]
    batch = load_photos(files, clf.preprocess).batch
    target = Target(clf.score(batch).argmax(axis=1))
    size = 224 if protocol == "rise" else 28
    noise = np.random.default_rng(0).normal(size=(len(files), size, size))
    maps = np.stack([gaussian_filter(m, size / 14) for m in noise]).astype(np.float32)
    return Subject(name, protocol, sides, batch, maps, target, to_torch(path))


def check(subject: Subject, side: str) -> float:
    """Largest difference of curves and areas; all sides must agree before they are timed."""
    rows = slice(0, 2)
    found = subject.pysal(side, rows)
    fraction = found.curves["fraction"]
    errors = []
    for together in (1, STEPS):
        curves = subject.peer(rows, together)
        for at, name in enumerate(("deletion", "insertion")):
            area = ((curves[:, at, 1:] + curves[:, at, :-1]) / 2 * np.diff(fraction)).sum(axis=1)
            errors.append(np.abs(found.curves[name] - curves[:, at]).max())
            errors.append(np.abs(found.values[name] - area).max())
    error = float(max(errors))
    assert error <= TOLERANCE, f"{subject.name}, {side}: curves differ by {error:.2g}"
    return error


def time_all(subject: Subject, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of all photos; every block of photos is timed on all sides in turn."""
    total = dict.fromkeys(("peer", "batched", *subject.sides), 0.0)
    for first in range(0, len(subject.batch), BLOCK):
        rows = slice(first, first + BLOCK)
        functions: dict[str, Callable[[], object]] = {
            "peer": functools.partial(subject.peer, rows),
            "batched": functools.partial(subject.peer, rows, STEPS),
            **{s: functools.partial(subject.pysal, s, rows) for s in subject.sides},
        }
        times = measure(functions, repeats=1, warmup=0, pause=0.2, clock=clock)
        for name, timing in times.items():
            total[name] += timing.median
        print(
            subject.name, subject.protocol, {k: round(v, 2) for k, v in total.items()}, flush=True
        )
    return total


def bench(name: str, protocol: str, photos: int, clock: Callable[[], float]) -> dict[str, Any]:
    subject = open_subject(name, protocol, photos)
    errors = {side: check(subject, side) for side in subject.sides}
    print(f"{name}, {protocol}: curves differ by at most {errors}", flush=True)
    seconds = time_all(subject, clock)
    passes = subject.pysal(next(iter(subject.sides)), slice(0, 1)).passes
    return {
        "largest_difference": errors,
        "photos": len(subject.batch),
        "passes_per_photo": dataclasses.asdict(passes),
        "seconds": seconds,
        "ratio": {
            side: {k: seconds[k] / seconds[side] for k in ("peer", "batched")}
            for side in subject.sides
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--protocols", default=",".join(PROTOCOLS))
    parser.add_argument("--busy", action="store_true", help="time work on a machine others load")
    arguments = parser.parse_args()
    # As in bench_igos.py: where others work, the work of one torch thread is compared.
    torch.set_num_threads(1 if arguments.busy else THREADS)
    clock = time.process_time if arguments.busy else time.perf_counter
    record: dict[str, Any] = {"threads": 1 if arguments.busy else THREADS, "block": BLOCK}
    record["clock"] = "processor time, one torch thread" if arguments.busy else "wall time"
    record["insertion_deletion"] = {
        name: {p: bench(name, p, arguments.photos, clock) for p in arguments.protocols.split(",")}
        for name in arguments.networks.split(",")
    }
    record["environment"] = environment()
    write_json(arguments.out, record)
    for name, protocols in record["insertion_deletion"].items():
        for protocol, row in protocols.items():
            for side, ratio in row["ratio"].items():
                print(
                    f"{name:14} {protocol:5} {side:22} {row['seconds'][side]:7.1f} s for "
                    f"{row['photos']} photos: {ratio['peer']:.1f} x step by step, "
                    f"{ratio['batched']:.1f} x in batches"
                )


if __name__ == "__main__":
    main()
