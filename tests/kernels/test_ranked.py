import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pysal import kernels
from pysal.errors import ShapeError


def ranks_of(seed, n, shape):
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(shape[0] * shape[1]).reshape(shape) for _ in range(n)])


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 99),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), *[st.integers(1, 80)] * 2),
    cells=st.tuples(*[st.integers(1, 50)] * 2),
    whole=st.booleans(),
    thresholds=st.lists(st.integers(-2, 2600), max_size=5),
)
def test_is_blend_with_binary_masks(both, draw, seed, shape, cells, whole, thresholds):
    """To the bit: so curves may take either."""
    cells = shape[2:] if whole else cells
    image, baseline, ranks = draw(*shape), draw(*shape), ranks_of(seed, shape[0], cells)
    ends = np.array(thresholds, np.int64)
    masks = (ranks[:, None] >= ends[:, None, None]).astype(np.float32)
    expected = kernels.blend(image, baseline, masks)
    for got in both("blend_ranked", image, baseline, ranks, ends):
        assert_array_equal(got, expected)


def test_result_does_not_depend_on_threads_or_split(impl, draw):
    image, baseline, ranks = draw(2, 3, 70, 61), draw(2, 3, 70, 61), ranks_of(0, 2, (9, 7))
    whole = kernels.blend_ranked(image, baseline, ranks, [3, 30, 60], threads=2)
    for n, v in np.ndindex(2, 3):
        rows, end = slice(n, n + 1), [(3, 30, 60)[v]]
        got = kernels.blend_ranked(image[rows], baseline[rows], ranks[rows], end, threads=1)
        assert_array_equal(got[0, 0], whole[n, v])


def test_no_images_or_versions(impl, draw):
    image = draw(0, 3, 8, 8)
    assert (
        kernels.blend_ranked(image, image, ranks_of(0, 0, (2, 2)).reshape(0, 2, 2), [1]).size == 0
    )
    image = draw(1, 3, 8, 8)
    none = np.zeros(0, np.int32)
    assert kernels.blend_ranked(image, image, ranks_of(0, 1, (2, 2)), none).shape[1] == 0


IMAGE = np.zeros((2, 3, 8, 8), np.float32)
RANKS, ENDS = np.zeros((2, 4, 4), np.int32), np.zeros(4, np.int32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranks": RANKS[:1]}, r"expected whole numbers of shape \(2, any, any\)"),
        ({"ranks": RANKS.astype(float)}, "ranks is float64"),
        ({"ranks": RANKS[:, :0]}, "at least one row"),
        ({"thresholds": ENDS[None]}, r"expected whole numbers of shape \(any\)"),
        ({"out": np.zeros((2, 3, 3, 8, 8), np.float32)}, "out is float32"),
    ],
)
def test_bad_inputs(impl, change, message):
    given = {"image": IMAGE, "baseline": IMAGE, "ranks": RANKS, "thresholds": ENDS} | change
    with pytest.raises(ShapeError, match=message):
        kernels.blend_ranked(**given)


def test_bindings_check_again(compiled):
    out = np.zeros((2, 4, 3, 8, 8), np.float32)
    with pytest.raises(ValueError, match="one row per image"):
        compiled.blend_ranked(IMAGE, IMAGE, RANKS[:1], ENDS, out, 0)
    with pytest.raises(ValueError, match="out must be"):
        compiled.blend_ranked(IMAGE, IMAGE, RANKS, ENDS[:3], out, 0)
