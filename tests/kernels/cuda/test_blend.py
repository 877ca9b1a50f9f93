import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from placing import LAYOUTS, Interface

from pysal import kernels
from pysal.kernels import cuda
from pysal.types import Noise


def some_noise(n, channels=3, step=3):
    std = np.linspace(0.1, 0.5, channels, dtype=np.float32)
    return Noise(std, np.arange(n, dtype=np.uint64) * 2**40 + 5, step)


def blend_on(device, image, baseline, masks, layout="c", in_layout="c", **options):
    """The result of the device, written over NaN."""
    nodes = options.get("nodes")
    count = masks.shape[1] if nodes is None else len(nodes)
    out = device.put(np.full((len(image), count, *image.shape[1:]), np.nan, np.float32), layout)
    arrays = [device.put(a, in_layout) for a in (image, baseline)]
    result = cuda.blend(*arrays, device.put(masks), out=out, **options)
    assert result is out
    return device.get(out)


SHAPES = [
    # n, s, c, (h, w), (H, W)
    (2, 3, 3, (7, 7), (32, 48)),
    (1, 2, 3, (5, 3), (33, 51)),
    (1, 2, 3, (5, 3), (5, 3)),
    (2, 2, 1, (1, 1), (9, 4)),
    (1, 3, 4, (40, 30), (13, 20)),
    (1, 2, 5, (4, 4), (1, 1)),
    (1, 2, 7, (3, 9), (12, 1)),
    (1, 20, 3, (28, 28), (56, 56)),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("in_layout", ["c", "channels_last", "offset"])
@pytest.mark.parametrize(("n", "s", "c", "mask_size", "size"), SHAPES)
def test_has_the_bits_of_the_cpu(device, draw, n, s, c, mask_size, size, layout, in_layout):
    image, baseline = draw(n, c, *size), draw(n, c, *size)
    for shared in (False, True):
        masks, nodes = draw(n, 1 if shared else s, *mask_size), draw(s) if shared else None
        for noise in (None, some_noise(n, c)):
            options = {"nodes": nodes, "first_node": 5, "noise": noise}
            got = blend_on(device, image, baseline, masks, layout, in_layout, **options)
            assert_array_equal(got, kernels.blend(image, baseline, masks, **options))


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    shape=st.tuples(*[st.integers(0, 3)] * 2, st.integers(1, 5), *[st.integers(1, 70)] * 2),
    mask=st.tuples(*[st.integers(1, 40)] * 2),
    shared=st.booleans(),
    noisy=st.booleans(),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
)
def test_has_the_bits_of_the_cpu_in_any_shape(device, draw, shape, mask, shared, noisy, layouts):
    n, s, c, h, w = shape
    image, baseline, masks = draw(n, c, h, w), draw(n, c, h, w), draw(n, 1 if shared else s, *mask)
    options = {"nodes": draw(s) if shared else None, "noise": some_noise(n, c) if noisy else None}
    got = blend_on(device, image, baseline, masks, *layouts, **options)
    assert_array_equal(got, kernels.blend(image, baseline, masks, **options))


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize(
    ("n", "s", "c"),
    [(1, 1100, 1), (300, 2, 1), (1, 1, 100), (130, 520, 1), (2, 3, 50)],
    ids=["nodes", "images", "channels", "images-nodes", "two-images"],
)
def test_more_than_one_launch_takes(device, draw, n, s, c, noisy):
    image, baseline, mask = draw(n, c, 2, 2), draw(n, c, 2, 2), draw(n, 1, 3, 2)
    options = {"nodes": draw(s), "noise": some_noise(n, c) if noisy else None}
    got = blend_on(device, image, baseline, mask, **options)
    assert_array_equal(got, kernels.blend(image, baseline, mask, **options))
    if s < 1000 and n < 100:
        masks = draw(n, s, 3, 2)
        got = blend_on(device, image, baseline, masks, noise=options["noise"])
        assert_array_equal(got, kernels.blend(image, baseline, masks, noise=options["noise"]))


def test_channels_without_noise_stay(device, draw):
    image, masks = draw(2, 3, 20, 24), draw(2, 2, 5, 5)
    noise = Noise(np.array([0.5, 0, 0.1], np.float32), np.array([3, 2**63], np.uint64), 2**32 - 1)
    got = blend_on(device, image, image, masks, noise=noise, first_node=2**32 - 1)
    assert_array_equal(got, kernels.blend(image, image, masks, noise=noise, first_node=2**32 - 1))
    plain = kernels.blend(image, image, masks)
    assert_array_equal(got[:, :, 1], plain[:, :, 1])
    assert (got[:, :, 0] != plain[:, :, 0]).mean() > 0.9


def test_mask_ends_are_exact(device, draw):
    image, baseline = draw(1, 3, 31, 17), draw(1, 3, 31, 17)
    masks = np.stack([np.ones((7, 7)), np.zeros((7, 7))])[None].astype(np.float32)
    got = blend_on(device, image, baseline, masks)
    assert_array_equal(got[:, 0], image)
    assert_array_equal(got[:, 1], baseline)


def test_parts_of_a_path_are_the_path(device, draw):
    image, baseline, mask = draw(1, 3, 24, 24), draw(1, 3, 24, 24), draw(1, 1, 7, 7)
    nodes, noise = np.linspace(0.2, 1, 5, dtype=np.float32), some_noise(1)
    whole = blend_on(device, image, baseline, mask, nodes=nodes, noise=noise)
    for s in range(5):
        one = {"nodes": nodes[s : s + 1], "first_node": s, "noise": noise}
        assert_array_equal(blend_on(device, image, baseline, mask, **one)[:, 0], whole[:, s])


def test_inputs_may_be_broadcast_and_reversed(emulated, monkeypatch, draw):
    monkeypatch.setattr(cuda, "_load", lambda: emulated)
    image, masks = draw(2, 3, 12, 16), draw(2, 2, 5, 5)
    baseline = np.broadcast_to(np.float32([[[0.1]], [[0.2]], [[0.3]]]), image.shape)
    out = np.full((2, 2, 3, 12, 16), np.nan, np.float32)
    arrays = [Interface.Array(a) for a in (image[::-1, :, ::-1], baseline, masks[..., ::-1])]
    cuda.blend(*arrays, out=Interface.Array(out[:, ::-1]))
    expected = kernels.blend(image[::-1, :, ::-1].copy(), baseline.copy(), masks[..., ::-1].copy())
    assert_array_equal(out[:, ::-1], expected)


def test_writes_nothing_else(emulated, monkeypatch, draw):
    monkeypatch.setattr(cuda, "_load", lambda: emulated)
    image, masks = draw(2, 3, 11, 15), draw(2, 2, 5, 5)
    whole = np.full((4, 4, 6, 23, 31), np.nan, np.float32)
    part = whole[1::2, ::3, 1::2, 1::2, 1::2]
    for noise in (None, some_noise(2)):
        whole[...] = np.nan
        arrays = [Interface.Array(a) for a in (image, image, masks)]
        cuda.blend(*arrays, noise=noise, out=Interface.Array(part))
        assert_array_equal(part, kernels.blend(image, image, masks, noise=noise))
        assert np.isfinite(whole).sum() == part.size
