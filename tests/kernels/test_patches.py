import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pysal import kernels
from pysal.errors import ShapeError


def naive(image, baseline, corners, size):
    """Pixel by pixel."""
    n, c, height, width = image.shape
    out = np.empty((n, len(corners), c, height, width), np.float32)
    for v, (top, left) in enumerate(corners):
        for y in range(height):
            for x in range(width):
                inside = top <= y < top + size[0] and left <= x < left + size[1]
                out[:, v, :, y, x] = (baseline if inside else image)[:, :, y, x]
    return out


def test_windows_and_those_cut_by_the_border(impl, draw):
    image, baseline = draw(2, 3, 12, 17), draw(2, 3, 12, 17)
    corners = [(0, 0), (3, 4), (11, 16), (-2, 5), (4, -6), (-4, 0), (12, 0), (0, 17), (-99, 99)]
    got = kernels.blend_patches(image, baseline, corners, (4, 7))
    assert_array_equal(got, naive(image, baseline, corners, (4, 7)))
    whole = kernels.blend_patches(image, baseline, [(-1, -1)], (99, 99))
    assert_array_equal(whole[:, 0], baseline)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    shape=st.tuples(st.integers(0, 3), st.integers(1, 4), *[st.integers(1, 80)] * 2),
    size=st.tuples(*[st.integers(1, 90)] * 2),
    corners=st.lists(st.tuples(*[st.integers(-90, 90)] * 2), max_size=5),
)
def test_compiled_has_the_bits_of_the_reference(both, draw, shape, size, corners):
    image, baseline = draw(*shape), draw(*shape)
    corners = np.array(corners, np.int64).reshape(-1, 2)
    compiled, numpy = both("blend_patches", image, baseline, corners, size)
    assert compiled.shape == numpy.shape == (shape[0], len(corners), *shape[1:])
    assert_array_equal(compiled, numpy)


def test_result_does_not_depend_on_threads_or_split(impl, draw):
    image, baseline, corners = draw(3, 3, 70, 61), draw(3, 3, 70, 61), [(5, 6), (40, 2), (60, 50)]
    whole = kernels.blend_patches(image, baseline, corners, (9, 20), threads=2)
    for n in range(3):
        for v in range(3):
            rows, part = slice(n, n + 1), corners[v : v + 1]
            out = np.full((1, 1, 3, 70, 61), np.nan, np.float32)
            got = kernels.blend_patches(
                image[rows], baseline[rows], part, (9, 20), out=out, threads=1
            )
            assert got is out
            assert_array_equal(out[0, 0], whole[n, v])


IMAGE = np.zeros((2, 3, 8, 8), np.float32)
CORNERS = np.zeros((4, 2), np.int32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": IMAGE.astype(np.float64)}, "image is float64"),
        ({"baseline": IMAGE[:1]}, "one baseline per image"),
        ({"corners": CORNERS[0]}, r"expected whole numbers of shape \(any, 2\)"),
        ({"corners": CORNERS.astype(np.float32)}, "corners is float32"),
        ({"corners": CORNERS.astype(np.int64) + 2**31}, "beyond 32 bits"),
        ({"size": (0, 3)}, "at least one row"),
        ({"out": np.zeros((2, 3, 3, 8, 8), np.float32)}, "out is float32"),
    ],
)
def test_bad_inputs(impl, change, message):
    given = {"image": IMAGE, "baseline": IMAGE, "corners": CORNERS, "size": (2, 2)} | change
    with pytest.raises(ShapeError, match=message):
        kernels.blend_patches(**given)


def test_bindings_check_again(compiled):
    out = np.zeros((2, 4, 3, 8, 8), np.float32)
    with pytest.raises(ValueError, match="out must be"):
        compiled.blend_patches(IMAGE, IMAGE, CORNERS[:3], 2, 2, out, 0)
    with pytest.raises(ValueError, match="corners must be"):
        compiled.blend_patches(IMAGE, IMAGE, CORNERS.reshape(2, 4), 2, 2, out, 0)
    with pytest.raises(ValueError, match="at least one row"):
        compiled.blend_patches(IMAGE, IMAGE, CORNERS, 2, 0, out, 0)
    with pytest.raises(TypeError):
        compiled.blend_patches(IMAGE, IMAGE, CORNERS.astype(np.int64), 2, 2, out, 0)
