"""Where the time of one gradient goes, by kind of node, against the floor of two forward passes.

ONNX Runtime's own profile of one thread, medians per node over the runs, on the networks in
PYSAL_DATA.

    python benchmarks/profile_gradient.py [--out FILE] [--runs N]
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from timing import environment, write_json

from pysal.backends.ort import OrtClassifier
from pysal.types import Target

DATA = Path(os.environ.get("PYSAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "profile.json"
NETWORKS = ("squeezenet1.1", "mobilenet_v2")
LAYOUT = {"ReorderInput", "ReorderOutput", "Transpose", "Concat", "Reshape", "Slice", "Split"}


def kind_of(op_type: str, name: str) -> str:
    """Group of a node: what the forward pass needs anyway, and what the gradient adds."""
    appended = name.startswith("pysal/")
    if op_type == "Conv":
        return "convolution, added" if appended else "convolution, forward"
    if op_type in ("HardSigmoid", "Mul"):
        return "masks"
    return "layout" if op_type in LAYOUT else "other"


def node_times(path: str) -> dict[str, float]:
    """Milliseconds per group: sums of the medians of the nodes."""
    durations: dict[tuple[str, str], list[float]] = collections.defaultdict(list)
    for event in json.loads(Path(path).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            durations[event["args"]["op_name"], name].append(event["dur"] / 1e3)
    groups: dict[str, float] = collections.defaultdict(float)
    for (op_type, name), values in durations.items():
        groups[kind_of(op_type, name)] += statistics.median(values)
    return dict(groups)


def profile(network: str, runs: int) -> dict[str, Any]:
    """Node times of forward and gradient sessions, and their ratio to the floor."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYSAL_ORT_PROFILE"] = str(Path(folder) / "ort")
        clf = OrtClassifier(DATA / "models" / f"{network}.onnx", threads=1)
        clf.prepare({"grad"})
        x = np.random.default_rng(0).normal(size=(1, *clf.info.input_shape)).astype(np.float32)
        for _ in range(runs):
            clf.score(x)
            clf.value_and_grad(x, Target(np.zeros(1, np.int64)))
        forward, gradient = (
            node_times(session._session.end_profiling()) for session in clf._sessions.values()
        )
    del os.environ["PYSAL_ORT_PROFILE"]
    floor = 2 * sum(forward.values())
    total = sum(gradient.values())
    return {"forward": forward, "gradient": gradient, "floor": floor, "over floor": total / floor}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--runs", type=int, default=40)
    options = parser.parse_args()
    record = {network: profile(network, options.runs) for network in NETWORKS}
    for network, row in record.items():
        print(f"{network}: {sum(row['gradient'].values()):.1f} ms, {row['over floor']:.2f} x floor")
        for group, value in sorted(row["gradient"].items(), key=lambda item: -item[1]):
            print(f"  {group:24} {value:6.2f} ms")
    write_json(options.out, {"milliseconds": record, "environment": environment()})


if __name__ == "__main__":
    main()
