"""Two trained networks on real photos, against torch in float64."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from checker import run
from onnx_torch import to_torch
from zoo import errors, gradients

from pysal.export import build_gradient, prepare
from pysal.photos import load_photos
from pysal.preprocess import Preprocess

NETWORKS = ["squeezenet1.1", "mobilenet_v2"]
PHOTOS = 6
FLOOR = 1e-6


@functools.cache
def batch(data: Path, name: str) -> torch.Tensor:
    """Photos in the input space of a network."""
    record = Preprocess.from_json(data / "models" / f"{name}.json")
    paths = sorted((data / "photos").glob("*.jpg"))[:: 60 // PHOTOS][:PHOTOS]
    return torch.from_numpy(load_photos(paths, record, (3, 224, 224)).batch)


@functools.cache
def exact(data: Path, name: str, kind: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Targets, gradients of torch in float64, and the errors of torch in float32."""
    path, x = data / "models" / f"{name}.onnx", batch(data, name)
    wide = to_torch(path, torch.float64)
    with torch.no_grad():
        target = wide(x).argmax(1)
    best = gradients(wide, x, target, kind, torch.float64)
    narrow = gradients(to_torch(path, torch.float32), x, target, kind, torch.float32)
    return target, best, errors(narrow, best)


@pytest.mark.parametrize("kind", ["logit", "probability"])
@pytest.mark.parametrize("lowering", ["ort", "portable"])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_is_as_good_as_that_of_torch(
    name: str, lowering: str, kind: str, data: Path
) -> None:
    target, best, torchs = exact(data, name, kind)
    prepared = prepare(data / "models" / f"{name}.onnx")
    assert (prepared.num_classes, prepared.output_kind) == (1000, "softmax")
    one_hot = np.eye(1000, dtype=np.float32)[target.numpy()]
    seeds = {"pysal/seed": kind == "logit", "pysal/seed_probability": kind == "probability"}
    feeds = {seed: one_hot * used for seed, used in seeds.items()}
    feeds[prepared.input_name] = batch(data, name).numpy()
    found = run(build_gradient(prepared, lowering=lowering), feeds)["pysal/input_gradient"]
    own = errors(torch.from_numpy(found).double(), best)
    assert own.median() <= 2 * torchs.median() + FLOOR
    assert own.max() <= 2 * torchs.max() + 0.02  # a flipped unit on one photo
