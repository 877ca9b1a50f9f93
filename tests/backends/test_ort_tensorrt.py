"""What ONNX Runtime's TensorRT provider is told; computed on the CPU, without CUDA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from cupy_stand_in import make_cupy
from pooled import X, every_result

from pysal.backends import cuda_memory
from pysal.backends.cuda_memory import CudaMemory
from pysal.backends.ort import OrtClassifier
from pysal.backends.ort_tensorrt import OrtTensorrtClassifier
from pysal.errors import CapabilityError, InputError, OptionError


class Memory(CudaMemory):
    def __init__(self, device: str) -> None:
        super().__init__(device, "ort", lambda stream: None)
        self.device = ("cpu", self.device[1])

    def pointer(self, array: np.ndarray) -> int:
        return array.ctypes.data


class OnHost(OrtTensorrtClassifier):
    """Everything of the engine but its providers."""

    seen: list[Any]

    def _find_memory(self) -> CudaMemory:
        self._cuda, self.seen = Memory(self._wanted), []
        return self._cuda

    def _providers(self) -> list[Any]:
        self.seen.append(super()._providers())
        return ["CPUExecutionProvider"]


@pytest.fixture(autouse=True)
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_memory, "_load_cupy", lambda engine: make_cupy([]))
    monkeypatch.setattr(cuda_memory, "cuda_missing", lambda engine: "")


def test_options_are_those_of_the_provider(path: Path, tmp_path: Path) -> None:
    net = OnHost(
        path,
        rows=4,
        precision="tf32",
        cache=tmp_path / "c",
        workspace=2**20,
        provider_options={"trt_builder_optimization_level": "5"},
    )
    assert net.info.engine == "ort_tensorrt (cuda:0 Stand-in, tf32, batches of 4)"
    expected = every_result(OrtClassifier(path, threads=1), slice(None))
    for name, value in every_result(net, slice(None)).items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5 * scale)
    (name, trt), (cuda, fallback), cpu = net.seen[0]
    assert (name, cuda, cpu) == (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    )
    folder = trt.pop("trt_engine_cache_path")
    assert trt == {
        "device_id": "0",
        "user_compute_stream": "77",
        "trt_cuda_graph_enable": "1",
        "trt_max_workspace_size": "1048576",
        "trt_engine_cache_enable": "1",
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(tmp_path / "c"),
        "trt_builder_optimization_level": "5",
    }
    assert fallback["enable_cuda_graph"] == "0"
    assert "trt_builder_optimization_level" not in fallback
    assert Path(folder).is_dir()


def test_every_graph_has_a_folder_of_its_own(path: Path, tmp_path: Path) -> None:
    folders = []
    for rows in (4, 4, 5):
        net = OnHost(path, rows=rows, precision="tf32", cache=tmp_path)
        net.prepare({"grad"})
        folders.append([trt["trt_engine_cache_path"] for (_, trt), *_ in net.seen])
    assert len(set(folders[0])) == 2
    assert folders[0] == folders[1]
    assert not set(folders[0]) & set(folders[2])
    net = OnHost(path, precision="tf32", cache=False)
    net.score(X[:1])
    assert not [option for option in net.seen[0][0][1] if "cache" in option]


def test_precisions_that_it_cannot_promise(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    for options, words in (
        ({}, "NVIDIA_TF32_OVERRIDE=0 before"),
        ({"precision": "fp32"}, "tf32"),
        ({"precision": "fp16"}, 'engine "tensorrt"'),
    ):
        with pytest.raises(CapabilityError, match=words) as caught:
            OnHost(path, cache=False, **options)
        assert "\n" not in str(caught.value)
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    OnHost(path, cache=False).score(X[:1])
    with pytest.raises(OptionError, match="workspace is 0"):
        OnHost(path, workspace=0)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(InputError, match="cannot write to"):
        OnHost(path, cache=file / "inside").score(X[:1])


def test_a_provider_that_is_not_there_is_one_line(path: Path) -> None:
    class Real(OrtTensorrtClassifier):
        def _find_memory(self) -> CudaMemory:
            self._cuda = Memory(self._wanted)
            return self._cuda

    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has TensorRT")
    with (
        pytest.warns(UserWarning, match="is not in available provider names"),
        pytest.raises(CapabilityError, match="could not load its TensorrtExecutionProvider"),
    ):
        Real(path, precision="tf32", cache=False, cuda_graph=False).score(X[:1])
