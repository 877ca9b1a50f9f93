"""What inpainting does to SP, LIME and MP2: the same methods with a plain fill and with inpainters.

    python benchmarks/bench_inpainting.py [--photos N] [--minutes M]

Photo by photo: deletion and insertion (protocol "rise", as in Agarwal and Nguyen, with the mean
colour), the change of the probability under patches that lie outside of all objects of the data
(SP only; their section on it has 0.09 for SP and 0.04 for SP-G), and CPU seconds. A run can be
interrupted and continued; the table says over how many photos it is, with paired differences.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from bench_inpainters import load
from timing import environment, write_json

from pysal.backends.ort import OrtClassifier
from pysal.explainer import Explainer
from pysal.heatmap import upsample
from pysal.metrics.insertion_deletion import insertion_deletion

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("PYSAL_DATA", ROOT.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "inpainting.json"
NETWORKS = ("squeezenet1.1", "mobilenet_v2")

SP, LIME = {"stride": 8}, {"samples": 300}
CANDIDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "sp, mean colour": ("sliding_patch", SP),
    "sp, telea": ("sp_g", {**SP, "filler": "telea"}),
    "sp, learnt": ("sp_g", {**SP, "filler": "learnt"}),
    "lime, mean colour": ("lime", LIME),
    "lime, telea": ("lime_g", {**LIME, "filler": "telea"}),
    "lime, learnt": ("lime_g", {**LIME, "filler": "learnt"}),
    "mp2, blur": ("mp2", {"output": "ranks"}),
    "mp2, telea": ("mp2_g", {"output": "ranks", "filler": "telea"}),
    "mp2, learnt": ("mp2_g", {"output": "ranks", "filler": "learnt"}),
}
VALUES = ("deletion", "insertion", "outside", "cpu seconds")


def judge(
    clf: OrtClassifier, method: str, options: dict[str, Any], batch: np.ndarray, objects: np.ndarray
) -> dict[str, float | None]:
    """One photo under one candidate."""
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Explainer(clf, method, **options)(batch)
    seconds = time.process_time() - begin
    scores = insertion_deletion(clf, batch, found.native, found.target, protocol="rise")
    away = ~objects
    outside = None
    if method in ("sliding_patch", "sp_g") and away.mean() > 0.02:
        outside = float(np.abs(upsample(found.native, objects.shape)[0])[away].mean())
    return {
        "deletion": float(scores.values["deletion"][0]),
        "insertion": float(scores.values["insertion"][0]),
        "outside": outside,
        "cpu seconds": seconds,
    }


def table(known: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Means over the photos that all candidates of a method have, and differences to the first."""
    rows: dict[str, dict[str, Any]] = {}
    for network in NETWORKS:
        for name in CANDIDATES:
            family = name.partition(",")[0]
            first = next(other for other in CANDIDATES if other.startswith(family))
            members = [other for other in CANDIDATES if other.startswith(family)]
            photos = sorted(
                set.intersection(*(_photos(known, network, member) for member in members))
            )
            if not photos:
                continue
            row: dict[str, Any] = {"photos": len(photos)}
            for value in VALUES:
                mine, base = (
                    np.array([known[f"{network}/{c}/{p}"][value] for p in photos], np.float64)
                    for c in (name, first)
                )
                if np.isnan(mine).all():
                    continue
                row[value] = round(float(np.nanmean(mine)), 4)
                if name != first and value != "cpu seconds":
                    change = (mine - base)[~np.isnan(mine - base)]
                    row[f"{value}, difference"] = round(float(change.mean()), 4)
                    if len(change) > 1:
                        error = change.std(ddof=1) / np.sqrt(len(change))
                        row[f"{value}, standard error"] = round(float(error), 4)
            rows.setdefault(network, {})[name] = row
    return rows


def _photos(known: dict[str, Any], network: str, name: str) -> set[str]:
    prefix = f"{network}/{name}/"
    return {key.removeprefix(prefix) for key in known if key.startswith(prefix)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=30.0)
    options = parser.parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    record = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    known: dict[str, Any] = record.get("photos", {})
    names = [path.stem for path in sorted((DATA / "photos").glob("*.jpg"))[: options.photos]]
    _, _, objects = load(options.photos)
    classifiers = {name: OrtClassifier(DATA / "models" / f"{name}.onnx") for name in NETWORKS}
    for number, photo in enumerate(names):
        for network, clf in classifiers.items():
            for name, (method, given) in CANDIDATES.items():
                key = f"{network}/{name}/{photo}"
                if key in known or time.monotonic() > deadline:
                    continue
                path = DATA / "photos" / f"{photo}.jpg"
                known[key] = judge(clf, method, given, _batch(clf, path), objects[number])
                print(f"{key}: {known[key]}", flush=True)
        record = {"environment": environment(), "candidates": CANDIDATES, "table": table(known)}
        write_json(RESULTS, {**record, "photos": known})
    for network, rows in table(known).items():
        for name, row in rows.items():
            print(f"{network:14} {name:18} {row}")


def _batch(clf: OrtClassifier, path: Path) -> np.ndarray:
    from pysal.photos import load_photos

    return load_photos([path], clf.preprocess).batch


if __name__ == "__main__":
    main()
