"""Forward, and value with input gradient, on every CPU engine against PyTorch eager.

Every network is a torchvision architecture with random weights and calibrated batch statistics,
exported once. Before timing, each gradient is judged by PyTorch in float64: its error may be twice
that of PyTorch in the same arithmetic. All candidates run in turns.

    python benchmarks/bench_engines.py [--networks resnet50,...] [--batches 20] [--repeats 7]
        [--engines "ort,openvino,openvino bf16"] [--out FILE]
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import environment, measure, write_json

from pysal.backends import open_classifier
from pysal.classifier import Classifier
from pysal.errors import UnsupportedOpError
from pysal.types import Target

RESULTS = Path(__file__).parent / "results" / "engines.json"
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet50": {},
    "vgg19": {},
    "densenet201": {},
    "inception_v3": {"aux_logits": False, "transform_input": False, "init_weights": False},
    "mobilenet_v2": {},
    "squeezenet1_1": {},
    "vit_b_16": {},
}
SIZES = {"inception_v3": 299}
ENGINES = ("ort", "openvino", "openvino bf16")
CONTIGUOUS, LAST = "torch contiguous", "torch channels-last"
TARGETS = (
    ("resnet50", "ort", f"{CONTIGUOUS} gradient / ort gradient", 2.2),
    ("resnet50", "ort", f"{LAST} gradient / ort gradient", 1.5),
    ("resnet50", "openvino bf16", f"{CONTIGUOUS} gradient / openvino bf16 gradient", 4.0),
)
"""Network, engine, ratio and the least that it should be."""
MOST_FORWARDS = 2.3
"""A gradient should take at most this many of its own engine's forward passes."""
THREADS, JUDGED = 2, 2
TOLERANCE = 2.0  # times torch's own error in the same arithmetic
ANYTHING = {"score": 1.0, "cosine": -1.0, "relative": float("inf")}


@functools.cache
def torchvision_models() -> Any:
    """torchvision.models, after the definitions of operators that it expects to find."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision.models

    torchvision_models.library = library  # the definitions live as long as this object
    return torchvision.models


def pictures(count: int, size: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, size, size, generator=draw)


def make_network(name: str) -> torch.nn.Module:
    """Random weights; batch statistics of one random batch, so that activations are sane."""
    torch.manual_seed(0)
    network = getattr(torchvision_models(), name)(weights=None, **NETWORKS[name])
    for weight in network.parameters():  # ViT's head begins as zeros, and so would its gradient
        if weight.dim() > 1 and not weight.any():
            torch.nn.init.normal_(weight, std=0.02)
    normalizations = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for module in normalizations:
        module.momentum = None
    if normalizations:
        with torch.no_grad():
            network.train()(pictures(8, SIZES.get(name, 224), 0))
    return network.eval().requires_grad_(False)


def export(network: torch.nn.Module, size: int, path: Path) -> Path:
    """Write the network as ONNX with an open batch axis."""
    batch = torch.export.Dim("N", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (pictures(2, size, 0),),
            dynamo=True,
            verbose=False,
            dynamic_shapes=({0: batch},),
        )
        program.save(str(path))
    return path


@contextmanager
def opened(engines: list[str], path: Path) -> Iterator[dict[str, Classifier]]:
    """The file on every engine; reduced precision is used whatever its figures are."""
    found: dict[str, Classifier] = {}
    try:
        for label in engines:
            engine, _, precision = label.partition(" ")
            options: dict[str, Any] = {"tolerance": ANYTHING} if precision else {}
            found[label] = open_classifier(
                path,
                engine=engine,
                device="cpu",
                threads=THREADS,
                precision=precision or "fp32",
                **options,
            )
            found[label].prepare({"grad"})
        yield found
    finally:
        for clf in found.values():
            clf.close()


def torch_gradient(
    network: torch.nn.Module, x: torch.Tensor, target: np.ndarray, dtype: torch.dtype | None = None
) -> Callable[[], np.ndarray]:
    """Logit and its input gradient by autograd, under autocast where a type is given."""
    index = torch.from_numpy(target)

    def run() -> np.ndarray:
        leaf = x.detach().requires_grad_(True)
        with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
            logits = network(leaf)
        logits.gather(1, index[:, None]).sum().backward()
        assert leaf.grad is not None
        return leaf.grad.numpy()

    return run


def torch_forward(network: torch.nn.Module, x: torch.Tensor) -> Callable[[], np.ndarray]:
    def run() -> np.ndarray:
        with torch.no_grad():
            return network(x).numpy()

    return run


def relative_error(grad: np.ndarray, judge: np.ndarray) -> float:
    """Median over images of the relative 2-norm."""
    axes = (1, 2, 3)
    difference = np.sqrt(((grad - judge) ** 2).sum(axes) / (judge**2).sum(axes))
    return float(np.median(difference))


def check(network: torch.nn.Module, clfs: dict[str, Classifier], size: int) -> dict[str, float]:
    """Errors of all gradients against float64; ours at most twice torch's."""
    x, target = pictures(JUDGED, size, 1), np.arange(JUDGED)
    judge = torch_gradient(copy.deepcopy(network).double(), x.double(), target)()
    kinds = {"fp32": None, "bf16": torch.bfloat16}
    errors = {
        f"torch {kind}": relative_error(torch_gradient(network, x, target, dtype)(), judge)
        for kind, dtype in kinds.items()
    }
    for label, clf in clfs.items():
        found = clf.value_and_grad(x.numpy(), Target(target, "logit"))[1]
        errors[label] = relative_error(found, judge)
        theirs = errors["torch bf16" if label.endswith("bf16") else "torch fp32"]
        assert errors[label] <= TOLERANCE * theirs + 1e-6, f"{label}: {errors[label]} ({theirs})"
    return errors


def compare(
    network: torch.nn.Module, clfs: dict[str, Classifier], size: int, batch: int, repeats: int
) -> dict[str, Any]:
    """Interleaved medians of one batch size, in seconds, and their ratios."""
    x = pictures(batch, size, 2)
    array, target = x.numpy(), np.arange(batch)
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    x_last = x.to(memory_format=torch.channels_last)
    calls: dict[str, Callable[[], Any]] = {
        f"{CONTIGUOUS} forward": torch_forward(network, x),
        f"{LAST} forward": torch_forward(last, x_last),
        f"{CONTIGUOUS} gradient": torch_gradient(network, x, target),
        f"{LAST} gradient": torch_gradient(last, x_last, target),
    }
    for label, clf in clfs.items():
        calls[f"{label} forward"] = functools.partial(clf.score, array, "logit")
        calls[f"{label} gradient"] = functools.partial(
            clf.value_and_grad, array, Target(target, "logit")
        )
    timings = measure(calls, repeats, 1, pause=0.2)
    seconds = {name: timing.median for name, timing in timings.items()}
    return {"seconds": seconds, "spread": timings, "ratios": ratios(seconds, clfs)}


def ratios(seconds: dict[str, float], clfs: dict[str, Classifier]) -> dict[str, float]:
    """How many times as fast as PyTorch, and gradients in passes of their own forward."""
    found = {}
    for label in clfs:
        for what in ("forward", "gradient"):
            for peer in (CONTIGUOUS, LAST):
                name = f"{peer} {what} / {label} {what}"
                found[name] = seconds[f"{peer} {what}"] / seconds[f"{label} {what}"]
    for label in (CONTIGUOUS, LAST, *clfs):
        name = f"{label} gradient / {label} forward"
        found[name] = seconds[f"{label} gradient"] / seconds[f"{label} forward"]
    return {name: round(value, 3) for name, value in found.items()}


def against_targets(name: str, found: dict[str, float], engines: list[str]) -> dict[str, Any]:
    """Every target of a network: what it is, what was found, whether that is enough."""
    rows = {}
    for network, engine, ratio, least in TARGETS:
        if network == name and engine in engines:
            rows[f"{ratio} >= {least}"] = {"found": found[ratio], "met": found[ratio] >= least}
    for label in engines:
        ratio = f"{label} gradient / {label} forward"
        row = {"found": found[ratio], "met": found[ratio] <= MOST_FORWARDS}
        rows[f"{ratio} <= {MOST_FORWARDS}"] = row
    return rows


def run_network(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Everything about one network; one whose operators have no rule is reported as such."""
    size, engines = SIZES.get(name, 224), options.engines.split(",")
    network = make_network(name)
    rows: dict[str, Any] = {"size": size}
    with tempfile.TemporaryDirectory() as folder:
        path = export(network, size, Path(folder) / f"{name}.onnx")
        try:
            with opened(engines, path) as clfs:
                rows["relative error"] = check(network, clfs, size)
                rows["precision check"] = {
                    label: clf.info.precision_check
                    for label, clf in clfs.items()
                    if clf.info.precision_check
                }
                for batch in map(int, options.batches.split(",")):
                    row = compare(network, clfs, size, batch, options.repeats)
                    row["targets"] = against_targets(name, row["ratios"], engines)
                    rows[f"batch {batch}"] = row
                    show(name, batch, row)
        except UnsupportedOpError as error:
            rows["no rule"] = str(error)
            print(f"{name:14} {error}", flush=True)
    return rows


def show(name: str, batch: int, row: dict[str, Any]) -> None:
    for label, seconds in row["seconds"].items():
        print(f"{name:14} batch {batch:2} {label:28} {seconds:.3f} s", flush=True)
    for target, found in row["targets"].items():
        mark = "met" if found["met"] else "missed"
        print(f"{name:14} {target}: {found['found']} {mark}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--batches", default="20")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    record: dict[str, Any] = {"threads": THREADS, "networks": {}}
    if options.out.exists():  # networks that are not named keep their rows
        record["networks"] = json.loads(options.out.read_text())["networks"]
    for name in options.networks.split(","):
        record["networks"][name] = run_network(name, options)
        write_json(options.out, {**record, "environment": environment()})


if __name__ == "__main__":
    main()
