"""Images, masks, and fillers by name; those whose package is absent are skipped."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from pysal.fillers import FILLERS, open_filler
from pysal.preprocess import Preprocess

PACKAGES = {
    "telea": "cv2",
    "navier_stokes": "cv2",
    "biharmonic": "skimage",
    "learnt": "onnxruntime",
}
STATIC = set(FILLERS) - set(PACKAGES) - {"local_mean"}
RECORDS = {
    "RGB": Preprocess(),
    "BGR": Preprocess(channels="BGR", scale=255.0, mean=(103.0, 116.0, 123.0), std=(1.0,) * 3),
    "GRAY": Preprocess(channels="GRAY", mean=(0.45,), std=(0.2,)),
}


def open_or_skip(name: str, record: Preprocess = RECORDS["RGB"]):
    """The filler, or skip the test where its package is not installed."""
    if (package := PACKAGES.get(name)) and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return open_filler(name, record)


def images(count: int, record: Preprocess = RECORDS["RGB"], size=(40, 48), seed: int = 0):
    """Smooth pictures with some grain, in model space."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    waves = rng.uniform(-6, 6, (count, 3, 2))
    bend = waves[..., 0, None, None] * y + waves[..., 1, None, None] * x
    rgb = 0.5 + 0.4 * np.sin(bend) + 0.05 * rng.standard_normal(bend.shape)
    return record.normalize(np.clip(rgb, 0, 1).transpose(0, 2, 3, 1))


def masks(count: int, size=(40, 48), seed: int = 0):
    """Keep masks of all sorts: squares, scattered cells, half of the image, a hole at a corner."""
    rng = np.random.default_rng(seed)
    keep = np.ones((count, *size), bool)
    for row in range(count):
        if row % 4 == 0:
            keep[row, 10:23, 15:28] = False
        elif row % 4 == 1:
            cells = rng.random((-(-size[0] // 4), -(-size[1] // 4))) < 0.5
            keep[row] = np.kron(cells, np.ones((4, 4), bool))[: size[0], : size[1]]
        elif row % 4 == 2:
            keep[row, :, : size[1] // 2] = False
        else:
            keep[row, :9, -11:] = False
    return keep


def seeds(count: int):
    return np.arange(count, dtype=np.uint64) + np.uint64(5)
