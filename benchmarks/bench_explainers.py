"""Explainers as one ONNX file against pysal in the same process: one photo, the same options.

Both compute the same map, which is asserted first: within 1e-3, or, where the map itself is less
stable than that, within twice what a change of the photo by one unit in the last place does to it.

    python benchmarks/bench_explainers.py [--out FILE] [--networks squeezenet1.1,...] [--repeats N]
        [--threads N] [--cpu]
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from timing import environment, measure, write_json

import pysal
from pysal.export import build_explainer, prepare
from pysal.photos import load_photos

DATA = Path(os.environ.get("PYSAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "explainers.json"
NETWORKS = ("squeezenet1.1", "mobilenet_v2")
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gradcam": ("gradcam", {}),
    "integrated_gradients, 20 steps": ("integrated_gradients", {"steps": 20}),
    "igos, fast": ("igos", {"preset": "fast"}),
}
TOLERANCE = 1e-3


def open_file(model: Any, threads: int) -> ort.InferenceSession:
    """A session that does not spin between runs, as a service would open it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model.SerializeToString(), options)


def check(explain: Callable[[Any], Any], found: Any, batch: Any) -> float:
    """Largest difference of the maps, asserted to be small."""
    wanted = explain(batch).map
    difference = float(np.abs(found - wanted).max())
    if difference > TOLERANCE:
        own = np.abs(explain(np.nextafter(batch, np.float32(np.inf))).map - wanted).max()
        assert difference <= 2 * own, (difference, own)
    return difference


def compare(name: str, case: str, args: argparse.Namespace) -> dict[str, Any]:
    """Times of one method on one network."""
    method, options = CASES[case]
    path = DATA / "models" / f"{name}.onnx"
    own = {"noise": "off"} if method == "igos" else {}
    explain = pysal.Explainer(path, method, threads=args.threads, **options, **own)
    record = explain.classifier.preprocess
    photo = sorted((DATA / "photos").glob("*.jpg"))[0]
    batch = load_photos([photo], record, (3, 224, 224)).batch
    functions, row = {"pysal": lambda: explain(batch)}, {"network": name, "case": case}
    for form, build in (("file", {}), ("compact file", {"compact": True, "lowering": "portable"})):
        model = build_explainer(prepare(path), method, preprocess=record, **options, **build)
        session = open_file(model, args.threads)
        found = session.run(["map"], {"image": batch})[0]
        row[f"{form}, difference"] = check(explain, found, batch)
        row[f"{form}, MiB"] = round(model.ByteSize() / 2**20, 1)
        functions[form] = lambda session=session: session.run(["map"], {"image": batch})
    clock = time.process_time if args.cpu else time.perf_counter
    row["seconds"] = measure(functions, args.repeats, warmup=1, clock=clock)
    return row


def main() -> None:
    """Compare and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu", action="store_true", help="seconds of processor, not of the clock")
    args = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    clock = "processor" if args.cpu else "wall"
    facts, rows = {**environment(), "threads": args.threads, "clock": clock}, []
    for name in args.networks.split(","):
        for case in CASES:
            rows.append(compare(name, case, args))
            write_json(args.out, {**facts, "rows": rows})
            print(name, case, {form: round(t.median, 3) for form, t in rows[-1]["seconds"].items()})


if __name__ == "__main__":
    main()
