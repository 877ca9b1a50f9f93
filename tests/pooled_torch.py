"""The network of `pooled.write_network` as a torch module whose layers have the file's names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn


class Pooled(nn.Module):
    """Conv, ReLU in place, max pool, conv, ReLU, mean, linear, and the end of the file."""

    def __init__(self, width: int, classes: int, end: str) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.r1 = nn.ReLU(inplace=True)
        self.m1 = nn.MaxPool2d(3, 2)
        self.c2 = nn.Conv2d(width, width, 3, bias=False)
        self.r2 = nn.ReLU()
        self.a = nn.AdaptiveAvgPool2d(1)
        self.f = nn.Flatten()
        self.z = nn.Linear(width, classes)
        self._end = end

    def forward(self, x: Tensor) -> Tensor:
        x = self.m1(self.r1(self.c1(x)))
        z = self.z(self.f(self.a(self.r2(self.c2(x)))))
        ends = {"Softmax": lambda z: z.softmax(1), "Sigmoid": torch.sigmoid, "": lambda z: z}
        return ends[self._end](z)


class Wrapped(nn.Module):
    """A module, and what becomes of its output."""

    def __init__(self, module: nn.Module, after: Callable[[Any], Any]) -> None:
        super().__init__()
        self.inner, self.after = module, after

    def forward(self, x: Tensor) -> Any:
        return self.after(self.inner(x))


def pooled_module(path: Path, end: str = "") -> Pooled:
    """The module with the weights of a file, in evaluation mode."""
    graph = onnx.load(path).graph
    weight = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    module = Pooled(len(weight["w1"]), len(weight["fc"]), end)
    state = {"c1.weight": "w1", "c2.weight": "w2", "z.weight": "fc", "z.bias": "bias"}
    module.load_state_dict({name: weight[source] for name, source in state.items()})
    return module.eval()
