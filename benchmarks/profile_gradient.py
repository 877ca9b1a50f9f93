"""Where the time of one gradient goes, on the engines of a CPU, in passes of their own forward.

One image on one thread, forward and gradient in turns; the engines' own profiles, medians per node
over the runs. A gradient cannot take less than about two forward passes: the forward pass itself
and, for every product of it, the product with the transposed weights. What it takes beyond is the
rest of the groups. Networks are those of `bench_engines.py`.

    python benchmarks/profile_gradient.py [--networks resnet50,...] [--engines ort,...] [--runs N]
        [--out FILE]
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from bench_engines import ENGINES, NETWORKS, SIZES, export, make_network
from timing import environment, write_json

from pysal.backends.ort_session import OrtSession
from pysal.export import PreparedModel, build_forward, build_gradient, prepare
from pysal.types import Array

RESULTS = Path(__file__).parent / "results" / "profile.json"
PRODUCTS = {"Conv", "Convolution", "GroupConvolution", "Gemm", "FullyConnected", "MatMul"}
LAYOUT = {
    *("Reorder", "ReorderInput", "ReorderOutput", "Transpose", "Concat", "Reshape", "Slice"),
    *("Split", "VariadicSplit", "Pad", "DepthToSpace", "Gather", "Squeeze", "Unsqueeze", "Expand"),
}
POOLS = {"MaxPool", "AveragePool", "AvgPool", "Interpolate", "Resize"}
Rows = Iterable[tuple[str, str, float]]


def kind_of(op_type: str, name: str) -> str:
    """Group of a node: what it does, and whether the gradient has added it."""
    op_type = op_type.removeprefix("Fused")
    if op_type in LAYOUT:  # the engines' own reorderings belong to no side
        return "layout"
    side = "added" if "pysal/" in name else "forward"
    if op_type in PRODUCTS:
        return f"products, {side}"
    return f"pooling, {side}" if op_type in POOLS else f"element-wise, {side}"


def grouped(rows: Rows) -> dict[str, float]:
    """Milliseconds per group: sums of the medians of the nodes."""
    durations: dict[tuple[str, str], list[float]] = collections.defaultdict(list)
    for op_type, name, milliseconds in rows:
        durations[op_type, name].append(milliseconds)
    groups: dict[str, float] = collections.defaultdict(float)
    for (op_type, name), values in durations.items():
        groups[kind_of(op_type, name)] += statistics.median(values)
    return dict(groups)


def feeds(prepared: PreparedModel) -> dict[str, Array]:
    """One image and cotangents that ask for one logit."""
    draw = np.random.default_rng(0)
    image = draw.normal(size=(1, *prepared.input_shape)).astype(np.float32)
    seed = np.eye(1, prepared.num_classes, dtype=np.float32)
    return {
        prepared.input_name: image,
        "pysal/seed": seed,
        "pysal/seed_probability": np.zeros_like(seed),
    }


class OnOrt:
    """The session that explanations use on ONNX Runtime, with the runtime's own profile."""

    def __init__(self, model: onnx.ModelProto, given: dict[str, Array]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        os.environ["PYSAL_ORT_PROFILE"] = str(Path(self._folder.name) / "ort")
        shapes = {name: array.shape for name, array in given.items()}
        session = OrtSession(model.SerializeToString(), threads=1, shapes=shapes, outputs=())
        del os.environ["PYSAL_ORT_PROFILE"]
        self._inner = session._session
        self._given = {i.name: given[i.name] for i in self._inner.get_inputs()}

    def run(self) -> None:
        """One pass."""
        self._inner.run(None, self._given)

    def rows(self) -> Rows:
        """Kernel times of all runs; ends the profile."""
        events = json.loads(Path(self._inner.end_profiling()).read_text())
        self._folder.cleanup()
        for event in events:
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
                name = event["name"].removesuffix("_kernel_time")
                yield event["args"]["op_name"], name, event["dur"] / 1e3


class OnOpenVino:
    """A model on OpenVINO with the shape of one image, and times of executed nodes."""

    def __init__(self, model: onnx.ModelProto, given: dict[str, Array], hint: str) -> None:
        import openvino as ov

        core = ov.Core()
        read = core.read_model(model.SerializeToString(), b"")
        read.reshape({port: given[port.any_name].shape for port in read.inputs})
        settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": 1}
        compiled = core.compile_model(read, "CPU", {**settings, "PERF_COUNT": True})
        self._request = compiled.create_infer_request()
        self._given = {port.any_name: given[port.any_name] for port in read.inputs}
        self._executed = ov.ProfilingInfo.Status.EXECUTED
        self._rows: list[tuple[str, str, float]] = []

    def run(self) -> None:
        """One pass."""
        self._request.infer(self._given)
        self._rows += [
            (node.node_type, node.node_name, node.real_time.total_seconds() * 1e3)
            for node in self._request.get_profiling_info()
            if node.status == self._executed
        ]

    def rows(self) -> Rows:
        """Times of all runs."""
        return self._rows


def profile(prepared: PreparedModel, engine: str, runs: int) -> dict[str, Any]:
    """Groups of the forward and the gradient session, run in turns; the gradient in forwards."""
    given = feeds(prepared)
    lowering = "ort" if engine == "ort" else "portable"
    models = {
        "forward": build_forward(prepared),
        "gradient": build_gradient(prepared, lowering=lowering),
    }
    hint = "bf16" if engine.endswith("bf16") else "f32"
    sessions = {
        name: OnOrt(model, given) if engine == "ort" else OnOpenVino(model, given, hint)
        for name, model in models.items()
    }
    for _ in range(runs + 1):
        for session in sessions.values():
            session.run()
    found: dict[str, Any] = {
        name: {group: round(ms, 3) for group, ms in grouped(session.rows()).items()}
        for name, session in sessions.items()
    }
    whole = sum(found["forward"].values())
    shares = {group: round(ms / whole, 3) for group, ms in found["gradient"].items()}
    found["in forward passes"] = dict(sorted(shares.items(), key=lambda item: -item[1]))
    found["gradient / forward"] = round(sum(found["gradient"].values()) / whole, 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    record: dict[str, Any] = {}
    for network in options.networks.split(","):
        with tempfile.TemporaryDirectory() as folder:
            size = SIZES.get(network, 224)
            path = export(make_network(network), size, Path(folder) / f"{network}.onnx")
            prepared = prepare(path)
        for engine in options.engines.split(","):
            row = profile(prepared, engine, options.runs)
            record.setdefault(network, {})[engine] = row
            print(f"{network} {engine}: {row['gradient / forward']} forward passes", flush=True)
            print("  " + ", ".join(f"{k} {v}" for k, v in row["in forward passes"].items()))
        write_json(options.out, {"milliseconds": record, "environment": environment()})


if __name__ == "__main__":
    main()
