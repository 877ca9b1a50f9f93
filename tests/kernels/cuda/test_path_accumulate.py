import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from placing import LAYOUTS

from pysal.kernels import cuda, reference


def inputs(draw, n, s, size, channels=3):
    grad = draw(n, s, channels, *size)
    return grad, draw(n, channels, *size), draw(n, channels, *size), draw(s)


def expected(grad, image, baseline, weights, size):
    """The definition, in float64."""
    total = np.einsum("s,nschw,nchw->nhw", *map(np.float64, (weights, grad, image - baseline)))
    rows, columns = (
        reference.upsample_matrix(*pair).astype(np.float64)
        for pair in zip(size, image.shape[2:], strict=True)
    )
    return rows.T @ (total @ columns)


def path_on(device, grad, image, baseline, weights, size, layout="c", in_layout="c", out="c"):
    """The result of the device, written over NaN."""
    target = device.put(np.full((len(grad), *size), np.nan, np.float32), out)
    dy = device.put(grad, layout)
    rest = [device.put(a, in_layout) for a in (image, baseline)]
    assert cuda.path_accumulate(dy, *rest, weights, size, out=target) is target
    return device.get(target)


def assert_close(got, wanted):
    assert_allclose(got, wanted, rtol=1e-5, atol=3e-6 * np.abs(wanted).max(initial=1e-6))


SHAPES = [
    # n, s, c, (h, w), (H, W)
    (2, 5, 3, (7, 7), (32, 48)),
    (1, 3, 3, (5, 3), (33, 51)),
    (2, 4, 3, (12, 16), (12, 16)),
    (2, 2, 1, (1, 1), (9, 4)),
    (1, 6, 4, (40, 30), (13, 20)),
    (1, 2, 5, (4, 4), (1, 1)),
    (1, 2, 7, (3, 9), (12, 1)),
    (1, 9, 70, (2, 3), (6, 8)),
    (1, 1, 2, (3, 200), (5, 600)),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("in_layout", ["c", "channels_last", "offset"])
@pytest.mark.parametrize(("n", "s", "c", "mask_size", "size"), SHAPES)
def test_equals_the_definition(device, draw, n, s, c, mask_size, size, layout, in_layout):
    arrays = inputs(draw, n, s, size, c)
    got = path_on(device, *arrays, mask_size, layout, in_layout)
    assert_close(got, expected(*arrays, mask_size))


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    shape=st.tuples(*[st.integers(0, 3)] * 2, st.integers(1, 5), *[st.integers(1, 60)] * 2),
    mask=st.tuples(*[st.integers(1, 30)] * 2),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
    out=st.sampled_from(["c", "sliced", "offset"]),
)
def test_equals_the_definition_in_any_shape(device, draw, shape, mask, layouts, out):
    n, s, c, h, w = shape
    arrays = inputs(draw, n, s, (h, w), c)
    assert_close(path_on(device, *arrays, mask, *layouts, out), expected(*arrays, mask))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mask_size", [(9, 13), (36, 40)])
def test_other_images_change_no_bit(device, draw, layout, mask_size):
    grad, image, baseline, weights = inputs(draw, 4, 5, (36, 40))
    whole = path_on(device, grad, image, baseline, weights, mask_size, layout)
    for n in range(4):
        rows = slice(n, n + 1)
        alone = path_on(device, grad[rows], image[rows], baseline[rows], weights, mask_size, layout)
        assert_array_equal(alone, whole[rows])


@pytest.mark.parametrize("mask_size", [(2, 2), (3, 2)])
@pytest.mark.parametrize(("n", "s"), [(1, 1300), (300, 2)])
def test_more_than_one_launch_takes(device, draw, n, s, mask_size):
    arrays = inputs(draw, n, s, (2, 2), 1)
    assert_close(path_on(device, *arrays, mask_size), expected(*arrays, mask_size))


@pytest.mark.slow
def test_images_in_parts_of_the_scratch_memory(device, draw):
    arrays = inputs(draw, 2, 1, (1450, 1450), 1)
    got = path_on(device, *arrays, (2, 2))
    assert_close(got, expected(*arrays, (2, 2)))


def test_no_nodes_is_zero(device, draw):
    for size in ((8, 8), (4, 4)):
        got = path_on(device, *inputs(draw, 2, 0, (8, 8)), size)
        assert_array_equal(got, np.zeros((2, *size)))


def test_without_memory_pools(emulated, monkeypatch):
    """The first call of a process decides, so this one has its own."""
    code = (
        "import importlib.util, sys, numpy as np\n"
        "spec = importlib.util.spec_from_file_location('_cuda', sys.argv[1])\n"
        "m = importlib.util.module_from_spec(spec); spec.loader.exec_module(m)\n"
        "def view(a): return m.View(a.ctypes.data, a.shape, None, 'float32')\n"
        "g, x = np.ones((1, 1, 1, 4, 4), np.float32), np.ones((1, 1, 4, 4), np.float32)\n"
        "b, out = np.zeros_like(x), np.full((1, 2, 2), np.nan, np.float32)\n"
        "one = np.ones(1, np.float32)\n"
        "m.path_accumulate(view(g), view(x), view(b), one, view(out), 0)\n"
        "print(out.sum())\n"
    )
    monkeypatch.setenv("PYSAL_EMULATE_POOLS", "0")
    command = [sys.executable, "-c", code, emulated.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "16.0", done.stderr
