"""Every engine that the contract is tested on, and what may be missing here."""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pooled import SIZE, write_network

from pysal.backends import devices, engines
from pysal.classifier import Classifier

REQUESTED = set(filter(None, os.environ.get("PYSAL_TEST_BACKENDS", "").split(",")))
"""Engines that must run here: ort, openvino, pytorch, and on a GPU ort_cuda, pytorch_cuda,
tensorrt_cuda, ort_tensorrt_cuda."""


@dataclasses.dataclass(frozen=True)
class Engine:
    """One way to run the pooled network.

    Attributes
    ----------
    name : str
        As in PYSAL_TEST_BACKENDS.
    open : callable
        (file, its end) -> classifier.
    exact : bool
        Whether an image has the same bits in any run, and the fused operations those of the
        defaults; else they agree to rounding.
    end : str
        What the network ends in by default.
    """

    name: str
    open: Callable[[Path, str], Classifier]
    exact: bool = True
    end: str = "Softmax"

    def same(self, found: Any, expected: Any, message: str = "") -> None:
        """Assert that numbers are those expected, as far as this engine promises."""
        found, expected = np.asarray(found), np.asarray(expected)
        if self.exact:
            np.testing.assert_array_equal(found, expected, err_msg=message)
            return
        scale = np.abs(expected).max(initial=0)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6 * scale, err_msg=message)


def open_torch(**options: Any) -> Callable[[Path, str], Classifier]:
    """Opener of the torch twin of a file."""

    def opened(path: Path, end: str) -> Classifier:
        from pooled_torch import pooled_module

        from pysal.backends.pytorch import TorchClassifier

        kind = {"Softmax": "softmax", "Sigmoid": "sigmoid", "": "logits"}[end]
        module = pooled_module(path, end)
        return TorchClassifier(module, input_shape=(3, SIZE, SIZE), output_kind=kind, **options)

    return opened


def open_file(entry: str, **options: Any) -> Callable[[Path, str], Classifier]:
    """Opener of a file by "module:class" of `pysal.backends`, imported when it is used."""
    module, _, name = entry.partition(":")

    def opened(path: Path, end: str) -> Classifier:
        opener = getattr(importlib.import_module(f"pysal.backends.{module}"), name)
        found: Classifier = opener(path, **options)
        return found

    return opened


ORT, ORT_BATCHED = "ort:OrtClassifier", "ort_batched:OrtBatchedClassifier"
OPENVINO = "openvino:OpenVinoClassifier"


def open_planned(entry: str) -> Callable[[Path, str], Classifier]:
    """Opener of an engine that keeps plans, beside the file."""
    return lambda path, end: open_file(entry, rows=4, cache=path.parent / "plans")(path, end)


ENGINES = {
    "ort, 1 thread": Engine("ort", open_file(ORT, threads=1)),
    "ort, 2 threads": Engine("ort", open_file(ORT, threads=2)),
    "ort, 4 rows": Engine("ort", open_file(ORT_BATCHED, rows=4)),
    "openvino, 1 thread": Engine("openvino", open_file(OPENVINO, threads=1)),
    "openvino, 2 threads": Engine("openvino", open_file(OPENVINO, threads=2)),
    "pytorch, 1 row": Engine("pytorch", open_torch(threads=1), end=""),
    "pytorch, 4 rows": Engine("pytorch", open_torch(rows=4, threads=1), end=""),
    "pytorch, cuda": Engine("pytorch_cuda", open_torch(rows=4, device="cuda"), False, ""),
    "ort, cuda": Engine("ort_cuda", open_file("ort_cuda:OrtCudaClassifier", rows=4), False),
    "tensorrt, cuda": Engine("tensorrt_cuda", open_planned("tensorrt:TensorrtClassifier"), False),
    "ort_tensorrt, cuda": Engine(
        "ort_tensorrt_cuda", open_planned("ort_tensorrt:OrtTensorrtClassifier"), False
    ),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the contract on every engine; those of CUDA are marked."""
    if "engine" in metafunc.fixturenames:
        marks = {name: [pytest.mark.gpu] * ("cuda" in name) for name in ENGINES}
        params = [pytest.param(name, marks=marks[name], id=name) for name in ENGINES]
        metafunc.parametrize("engine", params, indirect=True, scope="module")


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    """An engine; one that is requested and missing is a failure, else it is skipped."""
    found = ENGINES[request.param]
    cuda = found.name.endswith("cuda")
    state = devices()[found.name.removesuffix("_cuda") + " cuda"] if cuda else engines()[found.name]
    if found.name == "ort_tensorrt_cuda" and os.environ.get("NVIDIA_TF32_OVERRIDE") != "0":
        state = "ort_tensorrt has float32 only where NVIDIA_TF32_OVERRIDE=0"
    if state != "available":
        (pytest.fail if found.name in REQUESTED else pytest.skip)(state)
    return found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pooled network as a file."""
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def net(engine: Engine, path: Path) -> Classifier:
    """The pooled network on an engine."""
    return engine.open(path, engine.end)


def pytest_configure() -> None:
    """Refuse names of engines that do not exist."""
    unknown = REQUESTED - {engine.name for engine in ENGINES.values()}
    if unknown:
        raise pytest.UsageError(f"PYSAL_TEST_BACKENDS names {sorted(unknown)}")
