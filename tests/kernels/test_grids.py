"""Grids as masks, and their weighted sums."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from skimage.transform import resize

from pysal import kernels
from pysal.errors import OptionError, ShapeError


def naive_mask(grid, up_size):
    """Bilinear between the centres of the cells; a centre beyond the border is its mirror image."""

    def at(i, size, out):
        position = (i + 0.5) * size / out - 0.5
        low = int(np.floor(position))
        mirror = [abs(k) if k < size else 2 * (size - 1) - k for k in (low, low + 1)]
        first, second = mirror if size > 1 else (0, 0)
        return [(first, 1 - (position - low)), (second, position - low)]

    out = np.zeros(up_size)
    for y, x in np.ndindex(*up_size):
        for row, down in at(y, grid.shape[0], up_size[0]):
            for column, right in at(x, grid.shape[1], up_size[1]):
                out[y, x] += down * right * grid[row, column]
    return out


def some_grids(count, shape, up_size, size, seed=0, binary=True):
    rng = np.random.default_rng(seed)
    grids = rng.random((count, *shape), np.float32)
    last = np.subtract(up_size, size)
    offsets = rng.integers(0, last + 1, (count, 2), np.int32)
    return (grids < 0.5).astype(np.float32) if binary else grids, offsets


def masks_of(grids, offsets, up_size, size):
    """What shows of an image of ones."""
    image = np.ones((1, 1, *size), np.float32)
    return kernels.blend_grids(image, None, grids, offsets, up_size)[0, :, 0]


CASES = [((7, 7), (32, 40), (28, 35)), ((3, 5), (20, 20), (20, 17)), ((1, 4), (9, 8), (4, 4))]
CASES += [((2, 2), (2, 2), (1, 2)), ((6, 1), (13, 5), (12, 5))]


@pytest.mark.parametrize(("shape", "up_size", "size"), CASES)
def test_masks_are_upsampled_grids(impl, shape, up_size, size):
    grids, offsets = some_grids(4, shape, up_size, size, binary=False)
    got = masks_of(grids, offsets, up_size, size)
    for mask, grid, (top, left) in zip(got, grids, offsets, strict=True):
        expected = naive_mask(grid, up_size)[top : top + size[0], left : left + size[1]]
        assert_allclose(mask, expected, atol=1e-6)


def test_the_upsampling_is_that_of_scikit_image(impl):
    """RISE resizes with order 1 and mode "reflect" to (s + 1) * ceil(H / s)."""
    for cells, side in ((7, 224), (8, 50), (2, 9)):
        up = (cells + 1) * -(-side // cells)
        (grid,), _ = some_grids(1, (cells, cells), (up, up), (side, side), seed=cells)
        expected = resize(grid, (up, up), order=1, mode="reflect", anti_aliasing=False)
        got = masks_of(grid[None], [(0, 0)], (up, up), (up, up))[0]
        assert_allclose(got, expected, atol=2e-6)


def test_baselines(impl, draw):
    image, baseline = draw(2, 3, 28, 35), draw(2, 3, 28, 35)
    grids, offsets = some_grids(3, (7, 7), (32, 40), (28, 35))
    masks = masks_of(grids, offsets, (32, 40), (28, 35))[:, None]
    got = kernels.blend_grids(image, baseline, grids, offsets, (32, 40))
    assert_array_equal(got, masks * image[:, None] + (1 - masks) * baseline[:, None])
    zero = kernels.blend_grids(image, np.zeros_like(image), grids > 0, offsets, (32, 40))
    assert_array_equal(kernels.blend_grids(image, None, grids, offsets, (32, 40)), zero)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 99),
    shape=st.tuples(st.integers(0, 2), st.integers(1, 4), *[st.integers(1, 80)] * 2),
    cells=st.tuples(*[st.integers(1, 9)] * 2),
    more=st.tuples(*[st.integers(0, 40)] * 2),
    versions=st.integers(0, 4),
    zeros=st.booleans(),
)
def test_compiled_has_the_bits_of_the_reference(
    both, draw, seed, shape, cells, more, versions, zeros
):
    size = shape[2:]
    up_size = tuple(max(a, b) + c for a, b, c in zip(size, cells, more, strict=True))
    grids, offsets = some_grids(versions, cells, up_size, size, seed, binary=False)
    image, baseline = draw(*shape), None if zeros else draw(*shape)
    compiled, numpy = both("blend_grids", image, baseline, grids, offsets, up_size)
    assert compiled.shape == numpy.shape == (shape[0], versions, *shape[1:])
    assert_array_equal(compiled, numpy)


def test_result_does_not_depend_on_threads_or_split(impl, draw):
    image, baseline = draw(2, 3, 70, 61), draw(2, 3, 70, 61)
    grids, offsets = some_grids(3, (7, 5), (80, 72), (70, 61))
    whole = kernels.blend_grids(image, baseline, grids, offsets, (80, 72), threads=2)
    for n, v in np.ndindex(2, 3):
        rows, part = slice(n, n + 1), slice(v, v + 1)
        got = kernels.blend_grids(
            image[rows], baseline[rows], grids[part], offsets[part], (80, 72), threads=1
        )
        assert_array_equal(got[0, 0], whole[n, v])


# ---- sums


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 99),
    n=st.integers(0, 3),
    size=st.tuples(*[st.integers(1, 70)] * 2),
    cells=st.tuples(*[st.integers(1, 9)] * 2),
    more=st.tuples(*[st.integers(0, 12)] * 2),
    count=st.integers(0, 20),
    square=st.booleans(),
)
def test_sums_are_those_of_the_masks(both, draw, seed, n, size, cells, more, count, square):
    up_size = tuple(max(a, b) + c for a, b, c in zip(size, cells, more, strict=True))
    grids, offsets = some_grids(count, cells, up_size, size, seed, binary=False)
    weights = draw(n, count).astype(np.float64)
    masks = masks_of(grids, offsets, up_size, size).astype(np.float64)
    expected = np.tensordot(weights, masks**2 if square else masks, 1)
    scale = max(1.0, np.abs(weights).sum())
    for got in both("rise_accumulate", grids, offsets, weights, up_size, size, square=square):
        assert got.dtype == np.float64
        assert_allclose(got, expected, atol=1e-6 * scale)


def test_sums_add_in_double_precision(both):
    """As many masks as RISE takes, against the upsampling in float64."""
    grids, offsets = some_grids(600, (7, 7), (64, 64), (56, 56))
    weights = np.random.default_rng(1).random((2, 600))
    masks = np.array([naive_mask(grid, (64, 64)) for grid in grids[:150]])
    cut = [m[y : y + 56, x : x + 56] for m, (y, x) in zip(masks, offsets[:150], strict=True)]
    for square in (False, True):
        compiled, numpy = both(
            "rise_accumulate", grids, offsets, weights, (64, 64), (56, 56), square=square
        )
        assert_allclose(compiled, numpy, rtol=1e-13)
        some = kernels.rise_accumulate(
            grids[:150], offsets[:150], weights[:, :150], (64, 64), (56, 56), square=square
        )
        # weights of the interpolation are float32, as in the masks themselves
        assert_allclose(some, np.tensordot(weights[:, :150], np.power(cut, 1 + square), 1), 1e-6)


def test_sums_do_not_depend_on_threads_or_company(impl):
    grids, offsets = some_grids(200, (7, 7), (64, 64), (56, 56))
    weights = np.random.default_rng(1).random((3, 200))
    arguments = (grids, offsets), ((64, 64), (56, 56))
    for square in (False, True):
        whole = kernels.rise_accumulate(
            *arguments[0], weights, *arguments[1], square=square, threads=2
        )
        for n in range(3):
            rows = weights[n : n + 1]
            one = kernels.rise_accumulate(
                *arguments[0], rows, *arguments[1], square=square, threads=1
            )
            assert_array_equal(one[0], whole[n])


IMAGE = np.zeros((2, 3, 8, 8), np.float32)
GRIDS, OFFSETS = np.zeros((4, 3, 3), np.float32), np.zeros((4, 2), np.int32)
BLEND = {"image": IMAGE, "baseline": IMAGE, "grids": GRIDS, "offsets": OFFSETS, "up_size": (9, 9)}
SUM = {"grids": GRIDS, "offsets": OFFSETS, "weights": np.zeros((2, 4)), "up_size": (9, 9)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": IMAGE[:1]}, "one baseline per image"),
        ({"grids": GRIDS[0]}, "float32 array with 3 axes"),
        ({"grids": GRIDS.astype(float)}, "grids is float64"),
        ({"grids": GRIDS[:, :0]}, "expected at least"),
        ({"offsets": OFFSETS[:3]}, r"expected whole numbers of shape \(4, 2\)"),
        ({"up_size": (7, 9)}, "expected at least"),
        ({"grids": np.zeros((4, 3, 10), np.float32)}, "expected at least"),
        ({"out": np.zeros((2, 3, 3, 8, 8), np.float32)}, "out is float32"),
    ],
)
def test_bad_inputs(impl, change, message):
    with pytest.raises(ShapeError, match=message):
        kernels.blend_grids(**(BLEND | change))


def test_bad_inputs_of_sums(impl):
    for change, message in (
        ({"weights": np.zeros((2, 3))}, "one column per grid"),
        ({"weights": np.zeros(4)}, "one column per grid"),
        ({"grids": GRIDS[0]}, "3 axes"),
        ({"size": (10, 8)}, "expected at least"),
    ):
        with pytest.raises(ShapeError, match=message):
            kernels.rise_accumulate(**({**SUM, "size": (8, 8)} | change))


@pytest.mark.parametrize("offset", [(2, 0), (0, -1)])
def test_offsets_that_leave_the_grid(impl, offset):
    with pytest.raises(OptionError, match="expected rows from 0 to 1"):
        kernels.blend_grids(**(BLEND | {"offsets": OFFSETS + np.int32(offset)}))
    with pytest.raises(OptionError, match="expected rows from 0 to 1"):
        kernels.rise_accumulate(**{**SUM, "size": (8, 8), "offsets": OFFSETS + np.int32(offset)})


def test_bindings_check_again(compiled):
    out = np.zeros((2, 4, 3, 8, 8), np.float32)
    for arrays, message in (
        ((GRIDS, OFFSETS[:3], 9, 9), "offsets must be"),
        ((GRIDS, OFFSETS + 2, 9, 9), "outside of the upsampled grid"),
        ((GRIDS, OFFSETS, 7, 9), "at least"),
        ((GRIDS[:3], OFFSETS[:3], 9, 9), "out must be"),
        ((GRIDS[0], OFFSETS, 9, 9), "out must be"),
    ):
        with pytest.raises(ValueError, match=message):
            compiled.blend_grids(IMAGE, None, *arrays, out, 0)
    with pytest.raises(ValueError, match="one column per grid"):
        compiled.rise_accumulate(GRIDS, OFFSETS, np.zeros((2, 3)), 9, 9, 8, 8, False, 0)
