"""One network twice: behind pysal on ONNX Runtime, and as the torch module that a peer takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx_torch import to_torch
from tiny import write_model, write_photo
from torch import Tensor

from pysal.photos import load_photos
from pysal.types import ScoreKind, Target

NETWORKS = (
    "tiny",
    pytest.param("squeezenet1.1", marks=[pytest.mark.data, pytest.mark.slow]),
    pytest.param("mobilenet_v2", marks=[pytest.mark.data, pytest.mark.slow]),
)
"""Parameters of a fixture: one network made on the spot, two from the folder of `data`."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """A classifier, the same network in torch (logits), and images with their top classes."""

    name: str
    clf: Any
    modules: dict[torch.dtype, torch.nn.Module]
    batch: np.ndarray
    index: np.ndarray

    def target(self, kind: ScoreKind) -> Target:
        return Target(self.index, kind)

    def scores(self, kind: ScoreKind, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Function from images (n, C, H, W) to the scores of all classes."""
        module = self.modules[dtype]
        return module if kind == "logit" else lambda x: module(x).softmax(dim=1)

    def gradient(self, image: int, dtype: torch.dtype) -> Callable[[np.ndarray], np.ndarray]:
        """Function from arrays (n, C, H, W) to gradients of one image's probability."""

        def gradient(x: np.ndarray) -> np.ndarray:
            tensor = torch.from_numpy(np.ascontiguousarray(x)).to(dtype).requires_grad_()
            self.scores("probability", dtype)(tensor)[:, self.index[image]].sum().backward()
            return tensor.grad.numpy()

        return gradient


def open_pair(name: str, request: pytest.FixtureRequest, folder: Path) -> Pair:
    """Build, or open, one of `NETWORKS`, with images for it."""
    backend = pytest.importorskip("pysal.backends.ort")
    threads = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    torch.set_num_threads(1)  # on a busy machine threads wait for each other far longer
    if name == "tiny":
        model = _soften(write_model(folder / "tiny.onnx"))
        photos = [write_photo(folder / f"{seed}.png", seed) for seed in (0, 1)]
        clf = backend.OrtClassifier(model, preprocess={"size": [16, 16]})
    else:
        data = request.getfixturevalue("data")
        model, photos = data / "models" / f"{name}.onnx", [data / "photos" / "000000000036.jpg"]
        clf = backend.OrtClassifier(model)
    batch = load_photos(photos, clf.preprocess).batch
    modules = {dtype: to_torch(model, dtype) for dtype in (torch.float32, torch.float64)}
    return Pair(name, clf, modules, batch, clf.score(batch).argmax(axis=1))


def _soften(path: Path) -> Path:
    """Divide the last layer's weights by 20: probabilities near 1 have no digits in float32."""
    model = onnx.load(path)
    last = next(t for t in model.graph.initializer if t.name == "fc")
    last.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(last) / np.float32(20), "fc"))
    onnx.save(model, path)
    return path


def check(ours: np.ndarray, peer: Callable[[torch.dtype], Any], limit: float) -> None:
    """Compare with what a peer finds in float64, relative to its largest value per image.

    In a deep network rounding alone switches units near zero: where the peer in float32 is further
    from itself in float64 than `limit`, three times as far is allowed.
    """
    exact, rough = peer(torch.float64), peer(torch.float32)
    found, rounding = difference(ours, exact), difference(rough, exact)
    assert found <= max(limit, 3 * rounding), (found, rounding)
    assert rounding < 0.1, "rounding decides: the comparison says nothing"


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference over the largest magnitude, of the worst image."""
    gap = np.abs(np.asarray(ours, float) - np.asarray(theirs, float))
    axes = tuple(range(1, gap.ndim))
    return float((gap.max(axis=axes) / np.abs(theirs).max(axis=axes)).max())
