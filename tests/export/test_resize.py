"""Matrices of Resize against what ONNX Runtime makes of unit vectors, and against torch."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from checker import Net, run

from pysal.errors import UnsupportedOpError
from pysal.export.nodes import Node
from pysal.export.rules._resize import matrix

SIZES = ((4, 7), (7, 4), (5, 10), (6, 3), (3, 1), (1, 4), (5, 5))
COORDINATES = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
NEAREST = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
MODES = [
    *({"mode": "nearest", "nearest_mode": mode} for mode in NEAREST),
    {"mode": "linear"},
    *({"mode": "cubic", "cubic_coeff_a": a} for a in (-0.75, -0.5)),
    {"mode": "cubic", "exclude_outside": 1},
]


def shown(size: int, new: int, attrs: dict) -> np.ndarray:
    """(new, size): column j is the resized unit vector j, along the width."""
    net = Net(np.eye(size).reshape(size, 1, 1, size), 18)
    out = net.op("Resize", "x", "", "", net.ints(size, 1, 1, new), **attrs)
    return run(net.model(out, None), {"x": net.x})[out].reshape(size, new).T


@pytest.mark.parametrize("coordinates", [*COORDINATES, "half_pixel_symmetric"])
def test_matrix_is_that_of_the_engine(coordinates: str) -> None:
    for (size, new), mode in product(SIZES, MODES):
        if coordinates == "half_pixel_symmetric" and new == 1:
            continue
        attrs = {"coordinate_transformation_mode": coordinates, **mode}
        found = matrix(Node("Resize", "", (), (), attrs), size, new, new / size)
        message = f"{size} -> {new} {attrs}"
        np.testing.assert_allclose(found, shown(size, new, attrs), atol=2e-6, err_msg=message)


@pytest.mark.parametrize("coordinates", [*COORDINATES, "half_pixel_symmetric"])
def test_matrix_of_a_scale_is_that_of_the_engine(coordinates: str) -> None:
    for size, scale, mode in product((3, 5), (0.6, 1.5, 2.5), MODES[len(NEAREST) :]):
        attrs = {"coordinate_transformation_mode": coordinates, **mode}
        net = Net(np.eye(size).reshape(size, 1, 1, size), 19)
        out = net.op("Resize", "x", "", net.const([1.0, 1.0, 1.0, scale]), **attrs)
        shown = run(net.model(out, None), {"x": net.x})[out].reshape(size, -1).T
        found = matrix(
            Node("Resize", "", (), (), attrs), size, len(shown), float(np.float32(scale))
        )
        np.testing.assert_allclose(found, shown, atol=2e-6, err_msg=f"{size} {scale} {attrs}")


def test_what_engines_do_differently_is_refused() -> None:
    with pytest.raises(UnsupportedOpError, match="export it with sizes"):
        matrix(Node("Resize", "r", (), ("y",), {"mode": "nearest"}), 3, 3, 1.3)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_antialiasing_is_that_of_torch(mode: str) -> None:
    """Torch's cubic has a = -0.5 where it smooths."""
    attrs = {"mode": mode, "antialias": 1, "cubic_coeff_a": -0.5}
    for size, new in SIZES:
        found = matrix(Node("Resize", "", (), (), attrs), size, new, new / size)
        unit = torch.eye(size, dtype=torch.float64).reshape(size, 1, 1, size)
        name = {"linear": "bilinear", "cubic": "bicubic"}[mode]
        expected = F.interpolate(unit, (1, new), mode=name, antialias=True).reshape(size, new).T
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-6, err_msg=f"{size} {new}")
