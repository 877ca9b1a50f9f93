"""What bf16 and fp16 on OpenVINO do to scores, gradients and explanations of real networks.

Every precision makes its own I-GOS maps of the same photos, from the same seeds; insertion and
deletion of all of them are measured on ONNX Runtime in float32. The figures of the gradient are
those of `pysal.backends.guard` on its synthetic images, and on the photos.

    python benchmarks/bench_precision.py [--photos 20] [--precisions bf16,fp16] [--out FILE]
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from timing import environment, write_json

import pysal
from pysal.backends import open_classifier
from pysal.classifier import Classifier
from pysal.photos import load_photos

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("PYSAL_DATA", ROOT.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "precision.json"
NETWORKS = ("squeezenet1.1", "mobilenet_v2")
ANYTHING = {"score": 1.0, "cosine": -1.0, "relative": 1e9}
FIGURES = ("score", "cosine", "relative")
PROBED = 8
"""Photos on which gradients are compared."""


def opened(model: Path, precision: str, probe: np.ndarray | None = None) -> Classifier:
    """The network in a precision, whatever its figures are."""
    options: dict[str, Any] = {"tolerance": ANYTHING, "probe": probe}
    found = open_classifier(model, engine="openvino", precision=precision, **options)
    found.prepare({"grad"})
    return found


def figures(clf: Classifier) -> dict[str, float]:
    return {name: clf.info.precision_check[name] for name in FIGURES}


def quality(clf: Classifier, judge: Classifier, photos: list[Path]) -> np.ndarray:
    """Insertion minus deletion of the maps that one classifier makes, on another, (N,)."""
    maps = pysal.explain(clf, photos, method="igos", preset="fast", size=28)
    found = pysal.measure("insertion_deletion", judge, photos, maps.native, targets=maps.target)
    return found.values["insertion"] - found.values["deletion"]


def run_network(model: Path, photos: list[Path], precisions: list[str]) -> dict[str, Any]:
    judge = open_classifier(model, engine="ort", device="cpu")
    batch = load_photos(photos[:PROBED], judge.preprocess, judge.info.input_shape).batch
    exact = opened(model, "fp32")
    base = quality(exact, judge, photos)
    maps = {"fp32": {"insertion - deletion": round(float(base.mean()), 4)}}
    assert np.abs(exact.score(batch) - judge.score(batch)).max() < 1e-4
    for precision in precisions:
        clf = opened(model, precision)
        found = quality(clf, judge, photos)
        change = found - base
        maps[precision] = {
            "insertion - deletion": round(float(found.mean()), 4),
            "change": round(float(change.mean()), 4),
            "standard error": round(float(change.std(ddof=1) / np.sqrt(len(change))), 4),
            "synthetic images": figures(clf),
            "photos": figures(opened(model, precision, batch)),
        }
        print(model.stem, precision, maps[precision], flush=True)
    return maps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--precisions", default="bf16,fp16")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # photos whose class is hardly seen count, too
    photos = sorted((DATA / "photos").glob("*.jpg"))[: options.photos]
    record: dict[str, Any] = {"photos": len(photos), "probed": PROBED, "networks": {}}
    for name in NETWORKS:
        model = DATA / "models" / f"{name}.onnx"
        record["networks"][name] = run_network(model, photos, options.precisions.split(","))
        write_json(options.out, {**record, "environment": environment()})


if __name__ == "__main__":
    main()
