import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from placing import Interface

from pysal import kernels
from pysal.errors import OptionError, ShapeError
from pysal.kernels import cuda


def some_grids(versions, shape, up_size, size, seed=0):
    rng = np.random.default_rng(seed)
    last = np.subtract(up_size, size)
    offsets = rng.integers(0, last + 1, (versions, 2), np.int32)
    return rng.random((versions, *shape), np.float32), offsets


def summed(device, grids, offsets, weights, up_size, size, layout="c", **options):
    """The result of the device, written over NaN."""
    out = device.put(np.full((len(weights), *size), np.nan), layout)
    arrays = [device.put(a, "offset") for a in (grids, offsets, weights)]
    assert cuda.rise_accumulate(*arrays, up_size, size, out=out, **options) is out
    return device.get(out)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 99),
    n=st.integers(0, 3),
    size=st.tuples(*[st.integers(1, 40)] * 2),
    cells=st.tuples(*[st.integers(1, 9)] * 2),
    more=st.tuples(*[st.integers(0, 9)] * 2),
    versions=st.integers(0, 12),
    square=st.booleans(),
    layout=st.sampled_from(["c", "channels_last", "sliced"]),
)
def test_sums_are_those_of_the_cpu(
    device, draw, seed, n, size, cells, more, versions, square, layout
):
    up_size = tuple(max(a, b) + c for a, b, c in zip(size, cells, more, strict=True))
    grids, offsets = some_grids(versions, cells, up_size, size, seed)
    weights = draw(n, versions).astype(np.float64)
    got = summed(device, grids, offsets, weights, up_size, size, layout, square=square)
    expected = kernels.rise_accumulate(grids, offsets, weights, up_size, size, square=square)
    assert_allclose(got, expected, atol=1e-12)


def test_more_images_than_the_scratch_holds(device, draw):
    grids, offsets = some_grids(3, (1, 5), (300, 60), (8, 40))
    weights = draw(40, 3).astype(np.float64)
    got = summed(device, grids, offsets, weights, (300, 60), (8, 40))
    expected = kernels.rise_accumulate(grids, offsets, weights, (300, 60), (8, 40))
    assert_allclose(got, expected, atol=1e-12)
    one = summed(device, grids, offsets, weights[:1], (300, 60), (8, 40))
    assert_array_equal(one[0], got[0])


def test_offsets_that_leave_the_grid_read_nothing_else(device):
    """Their values are not looked at on the host; the numbers are wrong, and that is all."""
    limit = np.iinfo(np.int32)
    offsets = np.array([[-1, 0], [0, 9], [limit.max] * 2, [limit.min] * 2, [0, 0]], np.int32)
    grids = np.ones((5, 2, 2), np.float32)
    assert np.isfinite(summed(device, grids, offsets, np.ones((1, 5)), (8, 8), (6, 6))).all()


def test_results_of_torch_are_tensors(emulated, monkeypatch, draw):
    monkeypatch.setattr(cuda, "_load", lambda: emulated)
    grids, offsets = some_grids(5, (3, 3), (12, 12), (9, 9))
    weights = draw(2, 5).astype(np.float64)
    tensors = [torch.from_numpy(a) for a in (grids, offsets, weights)]
    got = cuda.rise_accumulate(*tensors, (12, 12), (9, 9))
    assert got.dtype == torch.float64
    expected = kernels.rise_accumulate(grids, offsets, weights, (12, 12), (9, 9))
    assert_allclose(got.numpy(), expected, atol=1e-12)


GRIDS, OFFSETS = np.zeros((4, 3, 3), np.float32), np.zeros((4, 2), np.int32)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weights": np.zeros((2, 3))}, ShapeError, "one column per grid"),
        ({"weights": np.zeros((2, 4), np.float32)}, ShapeError, "expected a float64 array"),
        ({"offsets": OFFSETS[:3]}, ShapeError, r"expected \(4, 2\)"),
        ({"size": (10, 8)}, ShapeError, "expected at least"),
        ({"out": np.zeros((2, 8, 8), np.float32)}, ShapeError, "expected writable float64"),
        ({"out": None}, OptionError, "give out, a float64 array"),
    ],
)
def test_refuses(emulated, monkeypatch, change, error, message):
    monkeypatch.setattr(cuda, "_load", lambda: emulated)
    given = {"grids": GRIDS, "offsets": OFFSETS, "weights": np.zeros((2, 4)), "up_size": (9, 9)}
    given |= {"size": (8, 8), "out": np.zeros((2, 8, 8))} | change
    wrapped = {k: Interface.Array(v) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    with pytest.raises(error, match=message):
        cuda.rise_accumulate(**wrapped)


def test_bindings_check_again(emulated):
    def view(array):
        return emulated.View(array.ctypes.data, array.shape, None, str(array.dtype))

    out = np.zeros((2, 8, 8))
    for weights, up_size, message in (
        (np.zeros((2, 3)), (9, 9), "one column per grid"),
        (np.zeros((2, 4)), (7, 9), "at least"),
        (np.zeros((2, 4), np.float32), (9, 9), "wrong dtype"),
    ):
        with pytest.raises(ValueError, match=message):
            emulated.rise_accumulate(
                view(GRIDS), view(OFFSETS), view(weights), *up_size, False, view(out), 0
            )
