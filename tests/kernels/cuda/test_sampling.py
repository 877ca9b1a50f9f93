"""Compositions without masks in memory, on devices."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from placing import LAYOUTS, Interface

from pysal import kernels
from pysal.errors import ShapeError
from pysal.kernels import cuda

NAMES = ("blend_patches", "blend_segments", "blend_grids", "blend_ranked")


def arguments(name, n, versions, size, seed):
    """What a composition takes beside images and baselines: arrays, then sizes."""
    rng = np.random.default_rng(seed)
    if name == "blend_patches":
        corners = rng.integers(-9, 30, (versions, 2), np.int32)
        return [corners], [tuple(rng.integers(1, 20, 2).tolist())]
    if name == "blend_segments":
        segments = int(rng.integers(1, 9))
        labels = rng.integers(-1, segments + 1, (n, *size), np.int32)
        return [labels, rng.integers(0, 2, (n, versions, segments), np.uint8)], []
    shape = tuple(rng.integers(1, 9, 2).tolist())
    if name == "blend_ranked":
        ranks = rng.integers(0, 50, (n, *shape), np.int32)
        return [ranks, rng.integers(-1, 51, versions, np.int32)], []
    up_size = tuple(int(max(a, b) + rng.integers(0, 9)) for a, b in zip(shape, size, strict=True))
    grids = rng.random((versions, *shape), np.float32)
    offsets = rng.integers(0, np.subtract(up_size, size) + 1, (versions, 2), np.int32)
    return [grids, offsets], [up_size]


def num_versions(name, arrays):
    """V, as the arrays have it."""
    return arrays[1].shape[1] if name == "blend_segments" else len(arrays[name == "blend_ranked"])


def on(device, name, image, baseline, arrays, sizes, layout="c", in_layout="c"):
    """The result of the device, written over NaN."""
    shape = (len(image), num_versions(name, arrays), *image.shape[1:])
    out = device.put(np.full(shape, np.nan, np.float32), layout)
    images = [None if a is None else device.put(a, in_layout) for a in (image, baseline)]
    result = getattr(cuda, name)(*images, *map(device.put, arrays), *sizes, out=out)
    assert result is out
    return device.get(out)


SHAPES = [
    # n, versions, c, (H, W)
    (2, 3, 3, (32, 48)),
    (1, 2, 3, (33, 51)),
    (2, 5, 1, (9, 4)),
    (1, 3, 4, (13, 20)),
    (1, 2, 5, (1, 1)),
    (1, 20, 3, (56, 56)),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("in_layout", ["c", "channels_last", "offset"])
@pytest.mark.parametrize(("n", "versions", "c", "size"), SHAPES)
def test_has_the_values_of_the_cpu(device, draw, name, n, versions, c, size, layout, in_layout):
    image, baseline = draw(n, c, *size), draw(n, c, *size)
    arrays, sizes = arguments(name, n, versions, size, seed=n + versions + c)
    baselines = (baseline, None) if name == "blend_grids" else (baseline,)
    for base in baselines:
        got = on(device, name, image, base, arrays, sizes, layout, in_layout)
        assert_array_equal(got, getattr(kernels, name)(image, base, *arrays, *sizes))


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(NAMES),
    seed=st.integers(0, 999),
    shape=st.tuples(*[st.integers(0, 3)] * 2, st.integers(1, 5), *[st.integers(1, 70)] * 2),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
)
def test_has_the_values_of_the_cpu_in_any_shape(device, draw, name, seed, shape, layouts):
    n, versions, c, *size = shape
    image, baseline = draw(n, c, *size), draw(n, c, *size)
    arrays, sizes = arguments(name, n, versions, size, seed)
    got = on(device, name, image, baseline, arrays, sizes, *layouts)
    assert_array_equal(got, getattr(kernels, name)(image, baseline, *arrays, *sizes))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", ["channels_last", "sliced", "offset"])
def test_other_arrays_may_have_any_strides(device, draw, name, layout):
    image, baseline = draw(2, 3, 20, 24), draw(2, 3, 20, 24)
    arrays, sizes = arguments(name, 2, 6, (20, 24), seed=3)
    out = device.put(np.full((2, num_versions(name, arrays), 3, 20, 24), np.nan, np.float32))
    placed = [device.put(a, layout if a.ndim > 2 else "sliced") for a in arrays]
    getattr(cuda, name)(device.put(image), device.put(baseline), *placed, *sizes, out=out)
    expected = getattr(kernels, name)(image, baseline, *arrays, *sizes)
    assert_array_equal(device.get(out), expected)


@pytest.mark.parametrize("name", NAMES)
def test_more_versions_than_one_launch_takes(device, draw, name):
    image, baseline = draw(1, 5, 2, 2), draw(1, 5, 2, 2)
    arrays, sizes = arguments(name, 1, 17_000, (2, 2), seed=0)
    got = on(device, name, image, baseline, arrays, sizes)
    assert_array_equal(got, getattr(kernels, name)(image, baseline, *arrays, *sizes))


@pytest.mark.slow
def test_more_images_than_one_launch_takes(device, draw):
    image, name = draw(33_000, 1, 1, 1), "blend_segments"
    arrays, sizes = arguments(name, len(image), 1, (1, 1), seed=0)
    got = on(device, name, image, -image, arrays, sizes)
    assert_array_equal(got, kernels.blend_segments(image, -image, *arrays))


@pytest.mark.parametrize("name", NAMES)
def test_writes_nothing_else(emulated, monkeypatch, draw, name):
    monkeypatch.setattr(cuda, "_load", lambda: emulated)
    image, baseline = draw(2, 3, 11, 15), draw(2, 3, 11, 15)
    arrays, sizes = arguments(name, 2, 2, (11, 15), seed=1)
    whole = np.full((4, 4, 6, 23, 31), np.nan, np.float32)
    part = whole[1::2, ::3, 1::2, 1::2, 1::2]
    placed = [Interface.Array(a) for a in (image, baseline, *arrays)]
    getattr(cuda, name)(*placed, *sizes, out=Interface.Array(part))
    assert_array_equal(part, getattr(kernels, name)(image, baseline, *arrays, *sizes))
    assert np.isfinite(whole).sum() == part.size


def test_results_of_torch_are_tensors(emulated, monkeypatch, draw):
    monkeypatch.setattr(cuda, "_load", lambda: emulated)
    image, baseline = draw(2, 3, 20, 24), draw(2, 3, 20, 24)
    for name in NAMES:
        arrays, sizes = arguments(name, 2, 4, (20, 24), seed=2)
        tensors = [torch.from_numpy(a) for a in (image, baseline, *arrays)]
        got = getattr(cuda, name)(*tensors, *sizes)
        assert isinstance(got, torch.Tensor)
        assert_array_equal(got.numpy(), getattr(kernels, name)(image, baseline, *arrays, *sizes))


def test_offsets_that_leave_the_grid_read_nothing_else(device, draw):
    """Their values are not looked at on the host; the numbers are wrong, and that is all."""
    image = draw(1, 1, 6, 6)
    grids = np.ones((5, 2, 2), np.float32)
    limit = np.iinfo(np.int32)
    offsets = np.array([[-1, 0], [0, 9], [limit.max] * 2, [limit.min] * 2, [0, 0]], np.int32)
    got = on(device, "blend_grids", image, None, [grids, offsets], [(8, 8)])
    assert_array_equal(got, np.repeat(image[:, None], 5, 1))


# ---- what is refused

IMAGE, OUT = np.zeros((2, 3, 8, 8), np.float32), np.zeros((2, 4, 3, 8, 8), np.float32)
CORNERS, ENDS = np.zeros((4, 2), np.int32), np.zeros(4, np.int32)
LABELS, KEEP = np.zeros((2, 8, 8), np.int32), np.zeros((2, 4, 5), np.uint8)
GRIDS, RANKS = np.zeros((4, 3, 3), np.float32), np.zeros((2, 5, 5), np.int32)
GOOD = {
    "blend_patches": {"corners": CORNERS, "size": (2, 2)},
    "blend_segments": {"labels": LABELS, "keep": KEEP},
    "blend_grids": {"grids": GRIDS, "offsets": CORNERS, "up_size": (9, 9)},
    "blend_ranked": {"ranks": RANKS, "thresholds": ENDS},
}
WRONG = [
    ("blend_patches", {"corners": CORNERS.astype(np.int64)}, r"int32 array .* x.to\(torch.int32\)"),
    ("blend_patches", {"corners": CORNERS[:, :1]}, r"expected \(V, 2\)"),
    ("blend_patches", {"size": (0, 2)}, "at least one row"),
    ("blend_segments", {"labels": LABELS[:1]}, r"expected \(2, 8, 8\) and \(2, V, S\)"),
    ("blend_segments", {"keep": KEEP[:1]}, r"expected \(2, 8, 8\) and \(2, V, S\)"),
    ("blend_segments", {"keep": KEEP.astype(bool)}, "expected a uint8 array"),
    ("blend_grids", {"grids": GRIDS.astype(np.float64)}, "expected a float32 array"),
    ("blend_grids", {"offsets": CORNERS[:3]}, r"expected \(4, 2\)"),
    ("blend_grids", {"up_size": (7, 9)}, "expected at least"),
    ("blend_ranked", {"ranks": RANKS[:1]}, r"expected \(2, h, w\)"),
    ("blend_ranked", {"ranks": RANKS[:, :0]}, r"expected \(2, h, w\)"),
    ("blend_ranked", {"thresholds": ENDS[None]}, "with 1 axes"),
    ("blend_ranked", {"baseline": IMAGE[:1]}, "one baseline per image"),
    ("blend_ranked", {"out": OUT[:, :3]}, "expected writable float32"),
]


def wrap(value):
    return Interface.Array(value) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize(("name", "change", "message"), WRONG)
def test_refuses(emulated, monkeypatch, name, change, message):
    monkeypatch.setattr(cuda, "_load", lambda: emulated)
    given = {"image": IMAGE, "baseline": IMAGE, "out": OUT, **GOOD[name]} | change
    with pytest.raises(ShapeError, match=message):
        getattr(cuda, name)(**{key: wrap(value) for key, value in given.items()})


def test_bindings_check_again(emulated):
    def view(array, **change):
        given = {"shape": array.shape, "dtype": str(array.dtype)} | change
        return emulated.View(array.ctypes.data, given["shape"], None, given["dtype"])

    image, out = view(IMAGE), view(OUT)
    for call, message in (
        (lambda: emulated.blend_patches(image, image, view(CORNERS), 0, 2, out, 0), "have rows"),
        (
            lambda: emulated.blend_patches(
                image, image, view(CORNERS, dtype="int64"), 2, 2, out, 0
            ),
            "wrong dtype",
        ),
        (
            lambda: emulated.blend_segments(image, image, view(LABELS[:1]), view(KEEP), out, 0),
            "labels",
        ),
        (
            lambda: emulated.blend_grids(image, None, view(GRIDS), view(CORNERS), 7, 9, out, 0),
            "at least",
        ),
        (
            lambda: emulated.blend_ranked(image, image, view(RANKS), view(ENDS[:3]), out, 0),
            "out must",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()
