import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pysal import kernels
from pysal.errors import ShapeError


def naive(image, baseline, labels, keep):
    """Pixel by pixel."""
    n, c, height, width = image.shape
    out = np.empty((n, keep.shape[1], c, height, width), np.float32)
    for i, v, y, x in np.ndindex(n, keep.shape[1], height, width):
        label = labels[i, y, x]
        shown = keep[i, v, label] if 0 <= label < keep.shape[2] else True
        out[i, v, :, y, x] = (image if shown else baseline)[i, :, y, x]
    return out


def parts(seed, n, height, width, segments):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, segments + 1, (n, -(-height // 3), -(-width // 3)))
    return np.kron(labels, np.ones((3, 3), int))[:, :height, :width]


def test_segments_show_the_image_or_the_baseline(impl, draw):
    image, baseline, labels = draw(2, 3, 11, 14), draw(2, 3, 11, 14), parts(0, 2, 11, 14, 5)
    keep = np.random.default_rng(1).random((2, 6, 5)) < 0.5
    got = kernels.blend_segments(image, baseline, labels, keep)
    assert_array_equal(got, naive(image, baseline, labels, keep))
    assert_array_equal(kernels.blend_segments(image, baseline, labels, keep.astype(np.uint8)), got)
    every = kernels.blend_segments(image, baseline, labels, np.ones((2, 1, 5), bool))
    assert_array_equal(every[:, 0], image)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 99),
    shape=st.tuples(st.integers(0, 3), st.integers(1, 4), *[st.integers(1, 80)] * 2),
    versions=st.integers(0, 70),
    segments=st.integers(0, 300),
)
def test_compiled_has_the_bits_of_the_reference(both, draw, seed, shape, versions, segments):
    n, _, height, width = shape
    image, baseline = draw(*shape), draw(*shape)
    keep = np.random.default_rng(seed).integers(0, 3, (n, versions, segments), np.uint8)
    labels = parts(seed, n, height, width, segments)
    compiled, numpy = both("blend_segments", image, baseline, labels, keep)
    assert compiled.shape == numpy.shape == (n, versions, *shape[1:])
    assert_array_equal(compiled, numpy)


def test_result_does_not_depend_on_threads_or_split(impl, draw):
    image, baseline, labels = draw(2, 3, 70, 61), draw(2, 3, 70, 61), parts(2, 2, 70, 61, 9)
    keep = np.random.default_rng(1).random((2, 3, 9)) < 0.5
    whole = kernels.blend_segments(image, baseline, labels, keep, threads=2)
    for n, v in np.ndindex(2, 3):
        rows = slice(n, n + 1)
        got = kernels.blend_segments(
            image[rows], baseline[rows], labels[rows], keep[rows, v : v + 1], threads=1
        )
        assert_array_equal(got[0, 0], whole[n, v])


IMAGE = np.zeros((2, 3, 8, 8), np.float32)
LABELS = np.zeros((2, 8, 8), np.int32)
KEEP = np.zeros((2, 4, 5), np.uint8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": IMAGE[0]}, "4 axes"),
        ({"labels": LABELS[:1]}, r"expected whole numbers of shape \(2, 8, 8\)"),
        ({"labels": LABELS.astype(float)}, "labels is float64"),
        ({"keep": KEEP[:1], "labels": LABELS[:1]}, r"expected \(2, V, S\)"),
        ({"keep": KEEP.astype(np.int32)}, "expected bool or uint8"),
        ({"keep": KEEP[0]}, "expected bool or uint8"),
        ({"out": np.zeros((2, 3, 3, 8, 8), np.float32)}, "out is float32"),
    ],
)
def test_bad_inputs(impl, change, message):
    given = {"image": IMAGE, "baseline": IMAGE, "labels": LABELS, "keep": KEEP} | change
    with pytest.raises(ShapeError, match=message):
        kernels.blend_segments(**given)


def test_bindings_check_again(compiled):
    out = np.zeros((2, 4, 3, 8, 8), np.float32)
    for arrays, message in (
        ((LABELS[:1], KEEP), "labels must be"),
        ((LABELS, KEEP[:1]), "one row per image"),
        ((LABELS, KEEP[:, :3].copy()), "out must be"),
    ):
        with pytest.raises(ValueError, match=message):
            compiled.blend_segments(IMAGE, IMAGE, *arrays, out, 0)
