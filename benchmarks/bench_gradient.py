"""Value and input gradient: pysal on ONNX Runtime against PyTorch eager, on the same networks.

Every network is a torchvision architecture with random weights and calibrated batch statistics,
exported once. Before timing, both float32 gradients are judged by PyTorch in float64.

    python benchmarks/bench_gradient.py [--out FILE] [--networks resnet50,...] [--repeats N]
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import environment, measure, write_json

from pysal.backends.ort import OrtClassifier
from pysal.types import Target

RESULTS = Path(__file__).parent / "results" / "gradient.json"
NETWORKS = ("resnet50", "squeezenet1_1", "mobilenet_v2")
BATCHES = (1, 20)
THREADS = 2
TOLERANCE = 2.0  # times torch's own float32 error


@functools.cache
def torchvision_models() -> Any:
    """torchvision.models, after the definitions of operators that it expects to find."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision.models

    torchvision_models.library = library  # the definitions live as long as this object
    return torchvision.models


def make_network(name: str) -> torch.nn.Module:
    """Random weights; batch statistics of one random batch, so that activations are sane."""
    torch.manual_seed(0)
    network = getattr(torchvision_models(), name)(weights=None)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(torch.randn(8, 3, 224, 224))
    return network.eval().requires_grad_(False)


def export(network: torch.nn.Module, path: Path) -> OrtClassifier:
    """Write the network as ONNX with an open batch axis, and open it."""
    x = torch.randn(2, 3, 224, 224)
    batch = torch.export.Dim("N", min=1)
    program = torch.onnx.export(network, (x,), dynamo=True, dynamic_shapes=({0: batch},))
    program.save(str(path))
    return OrtClassifier(path, threads=THREADS)


def torch_gradient(
    network: torch.nn.Module, x: torch.Tensor, target: np.ndarray
) -> Callable[[], np.ndarray]:
    """Logit and its input gradient by autograd."""
    index = torch.from_numpy(target)

    def run() -> np.ndarray:
        leaf = x.detach().requires_grad_(True)
        network(leaf).gather(1, index[:, None]).sum().backward()
        assert leaf.grad is not None
        return leaf.grad.numpy()

    return run


def relative_error(grad: np.ndarray, judge: np.ndarray) -> float:
    """Median over images of the relative 2-norm."""
    axes = (1, 2, 3)
    difference = np.sqrt(((grad - judge) ** 2).sum(axes) / (judge**2).sum(axes))
    return float(np.median(difference))


def check(network: torch.nn.Module, clf: OrtClassifier, seed: int = 1) -> dict[str, float]:
    """Errors of both float32 gradients against float64; ours at most twice torch's."""
    x = torch.randn(6, 3, 224, 224, generator=torch.Generator().manual_seed(seed))
    target = np.arange(6)
    judge = torch_gradient(network.double(), x.double(), target)()
    theirs = relative_error(torch_gradient(network.float(), x, target)(), judge)
    ours = relative_error(clf.value_and_grad(x.numpy(), Target(target, "logit"))[1], judge)
    assert ours <= TOLERANCE * theirs + 1e-6, f"gradient is off: {ours} against {theirs}"
    return {"pysal": ours, "torch": theirs}


def compare(
    network: torch.nn.Module, clf: OrtClassifier, batch: int, repeats: int
) -> dict[str, Any]:
    """Interleaved medians of one batch size, in seconds."""
    x = torch.randn(batch, 3, 224, 224)
    array, target = x.numpy(), np.arange(batch)
    wanted = Target(target, "logit")
    last = network.to(memory_format=torch.channels_last)
    lasted = torch_gradient(last, x.to(memory_format=torch.channels_last), target)
    timings = measure({"torch channels-last": lasted}, repeats, 2, pause=0.2)
    network.to(memory_format=torch.contiguous_format)
    timings |= measure(
        {
            "pysal": lambda: clf.value_and_grad(array, wanted),
            "pysal forward": lambda: clf.score(array, "logit"),
            "torch contiguous": torch_gradient(network, x, target),
        },
        repeats,
        2,
        pause=0.2,
    )
    seconds = {name: timing.median for name, timing in timings.items()}
    return {
        "seconds": seconds,
        "torch contiguous / pysal": seconds["torch contiguous"] / seconds["pysal"],
        "torch channels-last / pysal": seconds["torch channels-last"] / seconds["pysal"],
        "pysal / own forward": seconds["pysal"] / seconds["pysal forward"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    record: dict[str, Any] = {"threads": THREADS, "networks": {}}
    for name in options.networks.split(","):
        network = make_network(name)
        with tempfile.TemporaryDirectory() as folder:
            clf = export(network, Path(folder) / f"{name}.onnx")
            rows = {"relative error": check(network, clf)}
            for batch in BATCHES:
                row = rows[f"batch {batch}"] = compare(network, clf, batch, options.repeats)
                figures = {k: round(v, 2) for k, v in row.items() if k != "seconds"}
                print(
                    f"{name:14} batch {batch:2} {row['seconds']['pysal']:.3f} s",
                    figures,
                    flush=True,
                )
            clf.close()
        record["networks"][name] = rows
    write_json(options.out, {**record, "environment": environment()})


if __name__ == "__main__":
    main()
