"""Every method on real networks and photos: a table of quality and cost, and a montage.

    python benchmarks/bench_methods.py [--minutes M] [--methods a,b] [--photos N]

Quality is insertion and deletion at the method's own resolution (protocol "igos", probability).
Values are kept photo by photo in results/methods.json, so that a run can be interrupted and
continued: all methods on the photos of the montage first, then the other photos, cheap methods
first. A row says over how many photos it is. "seconds" is the wall time of the fastest photo,
"cpu seconds" the mean over the photos of what all threads took, which other work on the machine
hardly changes. The montage shows maps alone, since the photos may not be published. Photos and
networks: PYSAL_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from timing import environment, write_json

from pysal.backends.ort import OrtClassifier
from pysal.explainer import Explainer
from pysal.heatmap import overlay
from pysal.methods import METHODS
from pysal.metrics.insertion_deletion import insertion_deletion
from pysal.types import Attribution

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("PYSAL_DATA", ROOT.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "methods.json"
NETWORKS = ("squeezenet1.1", "mobilenet_v2")
SKIPPED = {"relevant_features": "explains features selected on a data set of the model"}
OPTIONS: dict[str, dict[str, Any]] = {
    "occlusion": {"stride": 8},
    "sliding_patch": {"stride": 8},
    "sp_g": {"stride": 8},
    "lime": {"samples": 500},
    "lime_g": {"samples": 500},
    "fido": {"steps": 150},
}
"""What differs from the defaults, which take minutes per photo: 44,101 passes for occlusion, 4,356
fillings for SP-G."""
MONTAGE_PHOTOS = 6
SIDE, LABEL, COLUMNS = 112, 12, 3


def explain(clf: OrtClassifier, method: str, photo: Path) -> Attribution:
    """One photo with the method's defaults, but for `OPTIONS`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Explainer(clf, method, **OPTIONS.get(method, {}))(photo)


def judge(clf: OrtClassifier, method: str, photo: Path, folder: Path | None) -> dict[str, float]:
    """Quality and cost of one map; its picture goes to `folder`."""
    start, work = time.perf_counter(), time.process_time()
    found = explain(clf, method, photo)
    seconds, work = time.perf_counter() - start, time.process_time() - work
    scores = insertion_deletion(clf, _batch(clf, photo), found.native, found.target)
    if folder is not None and found.images is not None:
        folder.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(overlay(found.images, found.map, alpha=1.0)[0])
        picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(folder / f"{photo.stem}.png")
    return {
        "insertion": float(scores.values["insertion"][0]),
        "deletion": float(scores.values["deletion"][0]),
        "forward": found.passes.forward,
        "backward": found.passes.backward,
        "seconds": seconds,
        "cpu seconds": work,
    }


def _batch(clf: OrtClassifier, photo: Path) -> np.ndarray:
    from pysal.photos import load_photos

    return load_photos([photo], clf.preprocess).batch


def in_order(
    known: dict[str, Any], names: list[str], photos: list[Path]
) -> Iterator[tuple[str, Path, bool]]:
    """Method, photo, and whether its picture is kept: photos of the montage first, then methods."""
    for photo in photos[:MONTAGE_PHOTOS]:
        for method in cheapest_first(known, names):
            yield method, photo, True
    for method in cheapest_first(known, names):
        for photo in photos[MONTAGE_PHOTOS:]:
            yield method, photo, False


def cheapest_first(known: dict[str, Any], names: list[str]) -> list[str]:
    """Methods by the seconds that they took so far; unknown ones first, so that all get a row."""
    spent = {
        name: np.mean([row["seconds"] for key, row in known.items() if f"/{name}/" in key] or [0])
        for name in names
    }
    return sorted(names, key=lambda name: float(spent[name]))


def run(names: list[str], photos: list[Path], deadline: float, pictures: Path) -> dict[str, Any]:
    """Fill the table until the time is over."""
    record = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    known: dict[str, Any] = record.get("photos", {})
    classifiers = {name: OrtClassifier(DATA / "models" / f"{name}.onnx") for name in NETWORKS}
    for method, photo, shown in in_order(known, names, photos):
        for network, clf in classifiers.items():
            key = f"{network}/{method}/{photo.stem}"
            if key in known:
                continue
            if time.monotonic() > deadline:
                return known
            known[key] = judge(clf, method, photo, pictures / network / method if shown else None)
            save(known)
            print(f"{key}: {known[key]}", flush=True)
    return known


def save(known: dict[str, Any]) -> None:
    record = {"environment": environment(), "options": OPTIONS, "table": table(known)}
    write_json(RESULTS, {**record, "photos": known})


def table(known: dict[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Means over photos, {network: {method: row}}."""
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for network in NETWORKS:
        for method in METHODS:
            found = [row for key, row in known.items() if key.startswith(f"{network}/{method}/")]
            if found:
                row = {k: float(np.mean([f[k] for f in found if k in f])) for k in found[-1]}
                row["seconds"] = min(f["seconds"] for f in found)
                difference = [f["insertion"] - f["deletion"] for f in found]
                row["difference"] = float(np.mean(difference))
                row["standard error"] = float(np.std(difference) / max(len(found) - 1, 1) ** 0.5)
                rows.setdefault(network, {})[method] = {
                    k: float(f"{v:.4g}") for k, v in row.items()
                } | {"photos": len(found)}
    return rows


def montage(network: str, photos: list[Path], pictures: Path, out: Path) -> None:
    """Three columns of methods, each a row of maps, one per photo."""
    names = [m for m in METHODS if (pictures / network / m).is_dir()]
    wide, high = SIDE * MONTAGE_PHOTOS, SIDE + LABEL
    rows = -(-len(names) // COLUMNS)
    sheet = Image.new("RGB", (wide * COLUMNS, high * rows), "white")
    draw = ImageDraw.Draw(sheet)
    for number, name in enumerate(names):
        left, top = wide * (number // rows), high * (number % rows)
        draw.text((left + 2, top), name, fill="black")
        for column, photo in enumerate(photos[:MONTAGE_PHOTOS]):
            path = pictures / network / name / f"{photo.stem}.png"
            if path.is_file():
                sheet.paste(Image.open(path), (left + SIDE * column, top + LABEL))
    sheet.save(out, quality=88)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--methods", default=",".join(m for m in METHODS if m not in SKIPPED))
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--pictures", type=Path, default=ROOT / "build" / "montage")
    options = parser.parse_args()
    photos = sorted((DATA / "photos").glob("*.jpg"))[: options.photos]
    deadline = time.monotonic() + 60 * options.minutes
    known = run(options.methods.split(","), photos, deadline, options.pictures)
    save(known)
    for network, rows in table(known).items():
        montage(network, photos, options.pictures, RESULTS.with_name(f"methods.{network}.jpg"))
        for method, row in sorted(rows.items(), key=lambda item: -item[1]["difference"]):
            print(f"{network:14} {method:22}", row)


if __name__ == "__main__":
    main()
