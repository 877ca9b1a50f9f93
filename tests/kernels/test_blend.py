import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from pysal import kernels
from pysal.errors import OptionError, ShapeError
from pysal.kernels import reference
from pysal.types import Noise

SIZES = [
    ((7, 7), (33, 50)),
    ((5, 3), (5, 3)),
    ((1, 1), (9, 4)),
    ((1, 6), (8, 8)),
    ((6, 1), (8, 8)),
    ((40, 30), (13, 17)),
    ((4, 4), (1, 1)),
    ((28, 28), (112, 112)),
    ((8, 3), (8, 31)),
    ((3, 70), (90, 70)),
]


def torch_upsample(masks, size):
    tensor = torch.from_numpy(masks)
    return torch.nn.functional.interpolate(
        tensor, size, mode="bilinear", align_corners=True
    ).numpy()


def some_noise(n, channels=3, step=3):
    std = np.linspace(0.1, 0.5, channels, dtype=np.float32)
    return Noise(std, np.arange(n, dtype=np.uint64) * 2**40 + 5, step)


@pytest.mark.parametrize(("mask_size", "size"), SIZES)
def test_composes_as_torch(impl, draw, mask_size, size):
    image, baseline, masks = draw(2, 3, *size), draw(2, 3, *size), draw(2, 4, *mask_size)
    keep = torch_upsample(masks, size)[:, :, None]
    expected = keep * image[:, None] + (1 - keep) * baseline[:, None]
    assert_allclose(kernels.blend(image, baseline, masks), expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(("mask_size", "size"), SIZES)
def test_nodes_scale_one_mask(impl, draw, mask_size, size):
    image, baseline, mask = draw(2, 3, *size), draw(2, 3, *size), draw(2, 1, *mask_size)
    nodes = np.array([0.0, 0.3, 1.0], np.float32)
    got = kernels.blend(image, baseline, mask, nodes=nodes)
    expected = kernels.blend(image, baseline, mask * nodes[:, None, None])
    assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    shape=st.tuples(*[st.integers(0, 3)] * 2, st.integers(1, 4), *[st.integers(1, 70)] * 2),
    mask=st.tuples(*[st.integers(1, 40)] * 2),
    shared=st.booleans(),
    noisy=st.booleans(),
)
def test_compiled_has_the_bits_of_the_reference(both, draw, shape, mask, shared, noisy):
    n, s, c, h, w = shape
    image, baseline = draw(n, c, h, w), draw(n, c, h, w)
    masks = draw(n, 1 if shared else s, *mask)
    compiled, numpy = both(
        "blend",
        image,
        baseline,
        masks,
        nodes=draw(s) if shared else None,
        noise=some_noise(n, c) if noisy else None,
        first_node=2,
    )
    assert compiled.shape == numpy.shape == (n, s, c, h, w)
    assert_array_equal(compiled, numpy)


def test_mask_ends_are_exact(impl, draw):
    image, baseline = draw(1, 3, 31, 17), draw(1, 3, 31, 17)
    masks = np.stack([np.ones((7, 7)), np.zeros((7, 7))])[None].astype(np.float32)
    out = kernels.blend(image, baseline, masks)
    assert_array_equal(out[:, 0], image)
    assert_array_equal(out[:, 1], baseline)


@pytest.mark.parametrize(("n", "s"), [(0, 3), (2, 0), (0, 0)])
@pytest.mark.parametrize("shared", [False, True])
def test_empty_batches(impl, draw, n, s, shared):
    image = draw(n, 3, 8, 8)
    nodes = np.ones(s) if shared else None
    masks = draw(n, 1 if shared else s, 4, 4)
    out = kernels.blend(image, image, masks, nodes=nodes, noise=some_noise(n))
    assert out.shape == (n, s, 3, 8, 8)


def test_result_does_not_depend_on_threads_or_split(impl, draw):
    image, baseline, mask = draw(3, 3, 60, 60), draw(3, 3, 60, 60), draw(3, 1, 7, 7)
    nodes, noise = np.linspace(0.2, 1, 4, dtype=np.float32), some_noise(3)
    whole = kernels.blend(image, baseline, mask, nodes=nodes, noise=noise)
    for threads in (1, 2, 5):
        again = kernels.blend(image, baseline, mask, nodes=nodes, noise=noise, threads=threads)
        assert_array_equal(again, whole)
    for n in range(3):
        rows = slice(n, n + 1)
        own = Noise(noise.std, noise.seed[rows], noise.step)
        for s in range(4):
            part = kernels.blend(
                image[rows],
                baseline[rows],
                mask[rows],
                nodes=nodes[s : s + 1],
                first_node=s,
                noise=own,
                threads=1,
            )
            assert_array_equal(part[0, 0], whole[n, s])


def test_many_python_threads_share_nothing(impl, draw):
    image, baseline, masks = draw(8, 3, 40, 40), draw(8, 3, 40, 40), draw(8, 1, 9, 9)
    noise = some_noise(8)
    whole = kernels.blend(image, baseline, masks, noise=noise)
    out = np.zeros_like(whole)

    def work(n):
        rows = slice(n, n + 1)
        own = Noise(noise.std, noise.seed[rows], noise.step)
        for _ in range(5):
            kernels.blend(
                image[rows], baseline[rows], masks[rows], noise=own, out=out[rows], threads=1
            )

    workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert_array_equal(out, whole)


def test_writes_to_out_and_accepts_strided_inputs(impl, draw):
    image, baseline, masks = draw(2, 3, 20, 20), draw(2, 3, 20, 20), draw(2, 2, 5, 5)
    expected = kernels.blend(image, baseline, masks)
    out = np.full((2, 2, 3, 20, 20), np.nan, np.float32)
    wide = np.zeros((2, 3, 20, 40), np.float32)
    wide[..., ::2] = image
    result = kernels.blend(wide[..., ::2], baseline, np.asfortranarray(masks), out=out)
    assert result is out
    assert_array_equal(out, expected)


def test_upsampling_matrix_is_the_upsampling(draw):
    mask = draw(6, 9)
    rows, columns = reference.upsample_matrix(6, 25), reference.upsample_matrix(9, 11)
    assert_allclose(rows @ mask @ columns.T, reference.upsample(mask, (25, 11)), atol=1e-6)


IMAGE = np.zeros((2, 3, 8, 8), np.float32)
MASKS = np.zeros((2, 4, 5, 5), np.float32)
SEEDS = np.zeros(2, np.uint64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": IMAGE.astype(np.float64)}, "image is float64"),
        ({"image": IMAGE[0]}, "4 axes"),
        ({"baseline": IMAGE.tolist()}, "baseline is a list"),
        ({"baseline": IMAGE[:1]}, "one baseline per image"),
        ({"masks": MASKS[:1]}, r"expected \(2, S, h, w\)"),
        ({"masks": MASKS[:, :, :0]}, r"expected \(2, S, h, w\)"),
        ({"nodes": np.ones(4)}, r"expected \(2, 1, h, w\)"),
        ({"nodes": np.ones((2, 2)), "masks": MASKS[:, :1]}, "one value per node"),
        ({"noise": Noise(np.ones(2, np.float32), SEEDS)}, "one per channel"),
        ({"noise": Noise(np.ones(3, np.float32), SEEDS[:1])}, "one per image"),
        ({"out": np.zeros((2, 4, 3, 8, 7), np.float32)}, "out is float32"),
        ({"out": np.zeros((2, 4, 3, 8, 8))}, "out is float64"),
        ({"out": np.zeros((2, 4, 3, 8, 16), np.float32)[..., ::2]}, "contiguous"),
    ],
)
def test_bad_inputs(impl, change, message):
    given = {"image": IMAGE, "baseline": IMAGE, "masks": MASKS} | change
    with pytest.raises(ShapeError, match=message):
        kernels.blend(**given)


@pytest.mark.parametrize(
    "change",
    [
        {"first_node": -1},
        {"first_node": 2**32},
        {"noise": Noise(np.ones(3, np.float32), SEEDS, -1)},
    ],
)
def test_counters_outside_their_word(impl, change):
    with pytest.raises(OptionError, match="expected an integer from 0"):
        kernels.blend(IMAGE, IMAGE, MASKS, **change)


def test_bindings_check_again(compiled):
    out = np.zeros((2, 4, 3, 8, 8), np.float32)
    rest = (None, 0, None, None, 0)
    with pytest.raises(ValueError, match="out must be"):
        compiled.blend(IMAGE, IMAGE, MASKS, *rest, out[:1], 0)
    with pytest.raises(ValueError, match="one row per image"):
        compiled.blend(IMAGE, IMAGE, MASKS[:1], *rest, out, 0)
    with pytest.raises(ValueError, match="noise_seed"):
        compiled.blend(IMAGE, IMAGE, MASKS, None, 0, np.ones(3, np.float32), None, 0, out, 0)
    with pytest.raises(TypeError):
        compiled.blend(IMAGE, IMAGE, MASKS, *rest, out.astype(np.float64), 0)
