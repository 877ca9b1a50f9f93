"""What the CUDA engines do around their computations, with stand-ins where a GPU would be."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cupy_stand_in import Stream, make_cupy
from pooled import SIZE, X, every_result
from pooled_torch import pooled_module

from pysal.backends import cuda_memory
from pysal.backends.cuda_memory import CudaMemory
from pysal.backends.ort import OrtClassifier
from pysal.backends.ort_cuda import OrtCudaClassifier
from pysal.backends.pytorch import TorchClassifier
from pysal.backends.pytorch_run import CapturedRun, Graphs
from pysal.errors import CapabilityError, MissingDependencyError, OptionError, ShapeError

# ---- ONNX Runtime --------------------------------------------------------------------------------


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A CuPy whose arrays are numpy's, and a provider that computes on the CPU."""
    log: list[str] = []
    monkeypatch.setattr(cuda_memory, "_load_cupy", lambda engine: make_cupy(log))
    monkeypatch.setattr(cuda_memory, "cuda_missing", lambda engine: "")
    return log


class Memory(CudaMemory):
    def __init__(self, device: str) -> None:
        super().__init__(device, "ort", lambda stream: None)
        self.device = ("cpu", self.device[1])

    def pointer(self, array: np.ndarray) -> int:
        return array.ctypes.data


class OnHost(OrtCudaClassifier):
    """Everything of the CUDA engine but CUDA."""

    fails = False

    def _find_memory(self) -> CudaMemory:
        self._cuda = Memory(self._wanted)
        return self._cuda

    def _providers(self) -> list[Any]:
        ((name, self.options), fallback) = super()._providers()
        assert (name, fallback) == ("CUDAExecutionProvider", "CPUExecutionProvider")
        if self.fails and self.options["enable_cuda_graph"] == "1":
            raise CapabilityError("a node is not on the GPU")
        return [fallback]


def test_ort_computes_between_the_events_of_the_current_stream(log: list[str], path: Path) -> None:
    net = OnHost(path, rows=4, precision="tf32", provider_options={"prefer_nhwc": "1"})
    assert net.info.engine == "ort (cuda:0 Stand-in, tf32, batches of 4)"
    assert net.prefers_batches
    expected = every_result(OrtClassifier(path, threads=1), slice(None))
    for name, value in every_result(net, slice(None)).items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5 * scale)
    assert net.options == {
        "device_id": "0",
        "user_compute_stream": "77",
        "use_tf32": "1",
        "enable_cuda_graph": "1",
        "prefer_nhwc": "1",
    }
    log.clear()
    net.score(X[:1])
    assert log == [
        "current wait_event used",
        "filled record current",
        "ours wait_event filled",
        "computed record ours",
        "current wait_event computed",
        "used record current",
    ]
    with pytest.raises(ShapeError, match="the arrays are of torch"):
        net.score(torch.zeros(1, 3, SIZE, SIZE))


@pytest.mark.usefixtures("log")
def test_ort_runs_without_graphs_where_it_must_and_says_so_once(path: Path) -> None:
    class Failing(OnHost):
        fails = True

    net = Failing(path, rows=2)
    with pytest.warns(UserWarning, match="runs without: a node is not on the GPU"):
        net.prepare(())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.prepare({"grad"})
    assert net.options["enable_cuda_graph"] == "0"


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"precision": "bf16"}, CapabilityError, "fp32 and tf32"),
        ({"device": "cuda:3"}, CapabilityError, 'the last one here is "cuda:0"'),
        ({"device": "cpu"}, OptionError, '"cuda:N"'),
        ({"rows": 0}, OptionError, "rows is 0"),
    ],
)
def test_ort_refuses_in_one_line(path: Path, options: dict, error, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        OnHost(path, **options)
    assert "\n" not in str(caught.value)


def test_ort_names_what_is_missing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    with pytest.raises(MissingDependencyError, match=r"pysal-saliency\[gpu\]"):
        OrtCudaClassifier(path)


# ---- PyTorch -------------------------------------------------------------------------------------


@pytest.fixture
def torch_log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Streams and graphs of torch that only write down what is asked of them."""
    log: list[str] = []

    @contextlib.contextmanager
    def captured(graph: Stream, **options: Any):
        assert options["capture_error_mode"] == "thread_local"
        log.append("capture")
        yield

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream(log, "side"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream(log, "current"))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Stream(log, "graph"))
    monkeypatch.setattr(torch.cuda, "graph", captured)
    return log


def with_graphs(path: Path, log: list[str]) -> TorchClassifier:
    net = TorchClassifier(pooled_module(path), input_shape=(3, SIZE, SIZE), rows=2, threads=1)
    net._graphs, net._event = Graphs(net._device), Stream(log, "used")
    return net


def test_torch_captures_after_warm_up_and_replays(torch_log: list[str], path: Path) -> None:
    net = with_graphs(path, torch_log)
    net.prepare({"grad"})
    assert torch_log.count("capture") == 2
    assert all(isinstance(run.run, CapturedRun) for run in net._runs.values())
    torch_log.clear()
    net.score(X[:3])
    assert torch_log == [
        "used wait current",
        "graph replay",
        "graph replay",
        "used record current",
    ]


def test_torch_runs_eagerly_where_a_capture_fails_and_says_so_once(
    torch_log: list[str], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def broken(graph: Stream, **options: Any):
        yield
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    monkeypatch.setattr(torch.cuda, "graph", broken)
    net = with_graphs(path, torch_log)
    with pytest.warns(UserWarning, match="runs without: operation not permitted$"):
        net.prepare(())
    expected = TorchClassifier(pooled_module(path), input_shape=(3, SIZE, SIZE), rows=2)
    np.testing.assert_array_equal(net.score(X), expected.score(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.prepare({"grad"})
    assert torch_log.count("graph replay") == 0
