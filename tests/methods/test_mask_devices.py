"""Mask optimizers keep their arrays where the network runs, with the host's results."""

from __future__ import annotations

import numpy as np
import pytest
from toy_device import DeviceToy
from toy_layers import LayeredToy

from pysal.methods import METHODS

GRID = {"size": 6, "iterations": 4, "steps": 3, "l1": 0.1, "l2": 0.2}
RUNS = {
    "igos": {**GRID, "momentum": 0.5},
    "igos_plus": {**GRID, "objective": "path"},
    "igos_pp": GRID,
    "igos_pp-mask": {**GRID, "product": "mask", "objective": "path"},
    "sigcam": {**GRID, "warmup": 2},
    "aop": {"settings": GRID, "optimizer": "igos_pp"},
    "aop-mp": {"settings": {"size": 6, "iterations": 5}, "optimizer": "mp"},
    "mp": {"size": 8, "iterations": 5, "smoothing": 1.0},
    "mp-top": {"size": 8, "iterations": 5, "variant": "gildenblat", "top": 2},
    "mp_g": {"size": 8, "iterations": 5, "filler": "local_mean", "smoothing": 1.0},
    "mp2": {"size": 8, "chance": 0.5, "output": "ranks"},
    "mp2_g": {"size": 8, "chance": 0.5, "filler": "local_mean"},
    "mp2_g-input": {"size": 8, "chance": 0.5, "filler": "local_mean", "gradient": "input"},
    "fido": {"size": 4, "steps": 5, "samples": 2, "tv": 0.1},
    "fido-random": {"size": 4, "steps": 5, "samples": 2, "filler": "random_color"},
    "fido-direct": {"size": 4, "steps": 5, "masks": "direct", "filler": "local_mean"},
}


@pytest.mark.parametrize("name", RUNS)
def test_device_arrays_give_the_hosts_maps(name):
    method = METHODS[name.partition("-")[0]].load()
    host, device = LayeredToy(), DeviceToy()
    photos = host.photos(3)
    target = host.top(photos)
    found = method(device, photos, target, **RUNS[name])
    expected = method(host, photos, target, **RUNS[name])
    assert type(found.native) is np.ndarray
    np.testing.assert_allclose(found.native, expected.native, atol=2e-3)
    np.testing.assert_allclose(found.map, expected.map, atol=2e-3)
