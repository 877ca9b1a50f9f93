"""The TensorRT engine with stand-ins for the library and for CuPy, so that it runs on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cupy_stand_in import make_cupy
from trt_stand_in import make_module

from pysal.backends import cuda_memory
from pysal.backends.cuda_memory import CudaMemory
from pysal.backends.tensorrt import TensorrtClassifier
from pysal.backends.tensorrt_library import Library, _make_logger


class Memory(CudaMemory):
    def pointer(self, array: np.ndarray) -> int:
        return array.ctypes.data


class OnHost(TensorrtClassifier):
    """Everything of the engine but CUDA and TensorRT."""

    def _find_memory(self, device: str) -> CudaMemory:
        return Memory(device, "tensorrt")


def use(monkeypatch: pytest.MonkeyPatch, flavour: str, version: str = "99.1") -> Any:
    """Make a stand-in the library that is found; return its module."""
    module = make_module(flavour, version)
    library = Library(module, flavour, version, _make_logger(module))
    monkeypatch.setattr("pysal.backends.tensorrt.find_library", lambda wanted=None: library)
    monkeypatch.setattr(cuda_memory, "_load_cupy", lambda engine: make_cupy(module.log))
    monkeypatch.setattr(cuda_memory, "cuda_missing", lambda engine: "")
    return module
