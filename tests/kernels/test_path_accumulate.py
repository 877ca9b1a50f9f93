import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from pysal import kernels
from pysal.errors import ShapeError
from pysal.kernels import reference

SIZES = [
    ((7, 7), (33, 50)),
    ((5, 3), (5, 3)),
    ((1, 1), (9, 4)),
    ((1, 6), (8, 8)),
    ((40, 30), (13, 17)),
    ((4, 4), (1, 1)),
    ((28, 28), (112, 112)),
    ((8, 3), (8, 31)),
    ((3, 70), (90, 70)),
]


def inputs(draw, n, s, size, channels=3):
    grad = draw(n, s, channels, *size)
    return grad, draw(n, channels, *size), draw(n, channels, *size), draw(s)


@pytest.mark.parametrize(("mask_size", "size"), SIZES)
def test_is_the_gradient_of_the_composition(impl, draw, mask_size, size):
    grad, image, baseline, weights = inputs(draw, 2, 3, size)
    mask = torch.zeros((2, 1, *mask_size), dtype=torch.float64, requires_grad=True)
    keep = torch.nn.functional.interpolate(mask, size, mode="bilinear", align_corners=True)
    x, b, g, w = (torch.from_numpy(a).double() for a in (image, baseline, grad, weights))
    composed = keep * x + (1 - keep) * b
    (composed[:, None] * g * w[:, None, None, None]).sum().backward()
    got = kernels.path_accumulate(grad, image, baseline, weights, mask_size)
    expected = mask.grad[:, 0].numpy()
    assert_allclose(got, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    shape=st.tuples(*[st.integers(0, 3)] * 2, st.integers(1, 4), *[st.integers(1, 70)] * 2),
    mask=st.tuples(*[st.integers(1, 40)] * 2),
    threads=st.integers(0, 5),
)
def test_compiled_equals_reference(both, draw, shape, mask, threads):
    n, s, c, h, w = shape
    arguments = inputs(draw, n, s, (h, w), c)
    compiled, numpy = both("path_accumulate", *arguments, mask, threads=threads)
    assert compiled.shape == numpy.shape == (n, *mask)
    scale = np.abs(numpy).max(initial=1)
    assert_allclose(compiled, numpy, rtol=1e-5, atol=3e-6 * scale)


@pytest.mark.parametrize(("mask_size", "size"), SIZES)
def test_adjoint_identity(impl, draw, mask_size, size):
    mask, grad = draw(1, *mask_size), draw(1, 1, 1, *size)
    one = np.ones((1, 1, *size), np.float32)
    adjoint = kernels.path_accumulate(grad, one, 0 * one, [1.0], mask_size)
    forward = np.vdot(reference.upsample(mask, size).astype(np.float64), grad)
    scale = np.linalg.norm(mask) * np.linalg.norm(adjoint)
    assert abs(forward - np.vdot(mask.astype(np.float64), adjoint)) < 2e-6 * scale


def test_result_does_not_depend_on_threads_or_batch(impl, draw):
    grad, image, baseline, weights = inputs(draw, 3, 5, (61, 47))
    whole = kernels.path_accumulate(grad, image, baseline, weights, (9, 13))
    for threads in (1, 2, 7):
        again = kernels.path_accumulate(grad, image, baseline, weights, (9, 13), threads=threads)
        assert_array_equal(again, whole)
    for n in range(3):
        rows = slice(n, n + 1)
        for threads in (1, 4):
            alone = kernels.path_accumulate(
                grad[rows], image[rows], baseline[rows], weights, (9, 13), threads=threads
            )
            tolerance = 0 if impl == "compiled" else 1e-6  # BLAS may sum in another order
            assert_allclose(alone, whole[rows], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("n", "s"), [(0, 3), (2, 0), (0, 0)])
def test_empty_batches(impl, draw, n, s):
    got = kernels.path_accumulate(*inputs(draw, n, s, (8, 8)), (4, 4))
    assert_array_equal(got, np.zeros((n, 4, 4)))


def test_strided_gradient(impl, draw):
    grad, image, baseline, weights = inputs(draw, 2, 4, (12, 12))
    expected = kernels.path_accumulate(grad[:, ::2].copy(), image, baseline, weights[::2], (5, 5))
    got = kernels.path_accumulate(grad[:, ::2], image, baseline, weights[::2], (5, 5))
    assert_array_equal(got, expected)


IMAGE = np.zeros((2, 3, 8, 8), np.float32)
GRAD = np.zeros((2, 4, 3, 8, 8), np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grad": GRAD.astype(np.float64)}, "grad is float64"),
        ({"grad": GRAD[:, 0]}, "5 axes"),
        ({"grad": GRAD[:, :3]}, "for 4 weights"),
        ({"grad": GRAD[:1]}, "for 4 weights"),
        ({"image": IMAGE[..., :7]}, "one baseline per image"),
        ({"weights": np.ones((4, 1))}, "one value per node"),
        ({"size": (0, 4)}, "at least one row"),
    ],
)
def test_bad_inputs(impl, change, message):
    given = {"grad": GRAD, "image": IMAGE, "baseline": IMAGE, "weights": np.ones(4), "size": (4, 4)}
    with pytest.raises(ShapeError, match=message):
        kernels.path_accumulate(**(given | change))


def test_bindings_check_again(compiled):
    weights = np.ones(4, np.float32)
    with pytest.raises(ValueError, match="grad must be"):
        compiled.path_accumulate(GRAD[:1], IMAGE, IMAGE, weights, 4, 4, 0)
    with pytest.raises(ValueError, match="at least one row"):
        compiled.path_accumulate(GRAD, IMAGE, IMAGE, weights, 0, 4, 0)
