import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from pysal import kernels
from pysal.errors import OptionError, ShapeError

VARIANTS = [
    (exponent, reduction, isotropic)
    for exponent in (1.0, 2.0, 3.0, 1.5)
    for reduction in ("mean", "sum")
    for isotropic in (False, True)
]


def torch_tv(masks, exponent, reduction, isotropic):
    m = torch.from_numpy(masks).double().requires_grad_()
    down, right = m.diff(dim=1), m.diff(dim=2)
    reduce = getattr(torch, reduction)
    if isotropic:
        down = torch.nn.functional.pad(down, (0, 0, 0, 1))
        right = torch.nn.functional.pad(right, (0, 1))
        value = reduce((down**2 + right**2) ** (exponent / 2), dim=(1, 2))
    else:
        value = sum(reduce(d.abs() ** exponent, dim=(1, 2)) for d in (down, right) if d[0].numel())
    return value.detach().numpy(), torch.autograd.grad(value.sum(), m)[0].numpy()


@pytest.mark.parametrize(("exponent", "reduction", "isotropic"), VARIANTS)
@pytest.mark.parametrize("size", [(28, 28), (5, 9), (2, 2), (1, 7), (7, 1), (33, 40)])
def test_equals_torch(impl, draw, size, exponent, reduction, isotropic):
    masks = draw(3, *size)
    value, grad = kernels.tv(masks, exponent=exponent, reduction=reduction, isotropic=isotropic)
    expected_value, expected_grad = torch_tv(masks, exponent, reduction, isotropic)
    # autograd has no gradient for the isotropic corner, whose differences are both 0
    known = np.isfinite(expected_grad)
    assert value.dtype == np.float64
    assert grad.dtype == np.float32
    assert_allclose(value, expected_value, rtol=1e-6)
    scale = np.abs(expected_grad[known]).max()
    assert_allclose(grad[known], expected_grad[known], rtol=1e-5, atol=3e-6 * scale)
    assert known.all() or (isotropic and exponent < 2)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    shape=st.tuples(st.integers(0, 3), *[st.integers(1, 50)] * 2),
    variant=st.sampled_from(VARIANTS),
    threads=st.integers(0, 3),
)
def test_compiled_equals_reference(both, draw, shape, variant, threads):
    exponent, reduction, isotropic = variant
    options = {"exponent": exponent, "reduction": reduction, "isotropic": isotropic}
    compiled, numpy = both("tv", draw(*shape), **options, threads=threads)
    assert compiled[0].shape == numpy[0].shape == shape[:1]
    assert compiled[1].shape == numpy[1].shape == shape
    scale = np.abs(numpy[1]).max(initial=1e-6)
    assert_allclose(compiled[0], numpy[0], rtol=1e-6)
    assert_allclose(compiled[1], numpy[1], rtol=1e-5, atol=2e-6 * scale)


@pytest.mark.parametrize(("exponent", "reduction", "isotropic"), VARIANTS)
def test_finite_difference(impl, draw, exponent, reduction, isotropic):
    options = {"exponent": exponent, "reduction": reduction, "isotropic": isotropic}
    masks, direction, step = 3 * draw(1, 6, 5), draw(1, 6, 5), np.float32(1e-3)
    high, _ = kernels.tv(masks + step * direction, **options)
    low, _ = kernels.tv(masks - step * direction, **options)
    _, grad = kernels.tv(masks, **options)
    assert_allclose((high - low) / (2 * step), np.vdot(grad, direction), rtol=5e-3, atol=1e-3)


def test_known_values(impl):
    masks = np.zeros((1, 2, 3), np.float32)
    masks[0, 0, 0] = 2
    value, grad = kernels.tv(masks)  # one of 3 differences down is 2, one of 4 to the right
    assert_allclose(value, [4 / 3 + 4 / 4])
    assert_allclose(grad[0, 0, :2], [2 * 2 / 3 + 2 * 2 / 4, -2 * 2 / 4], rtol=1e-6)
    value, _ = kernels.tv(masks, exponent=3.0, reduction="sum", isotropic=True)
    assert_allclose(value, [8**1.5], rtol=1e-6)


@pytest.mark.parametrize(("exponent", "reduction", "isotropic"), VARIANTS)
def test_constant_masks_and_single_cells_have_none(impl, exponent, reduction, isotropic):
    for shape in ((2, 6, 5), (2, 1, 1)):
        value, grad = kernels.tv(
            np.full(shape, 0.7, np.float32),
            exponent=exponent,
            reduction=reduction,
            isotropic=isotropic,
        )
        assert_array_equal(value, 0)
        assert_array_equal(grad, 0)


def test_result_does_not_depend_on_threads_or_batch(impl, draw):
    masks = draw(8, 70, 80)
    value, grad = kernels.tv(masks)
    for threads in (1, 2, 5):
        again = kernels.tv(masks, threads=threads)
        assert_array_equal(again[0], value)
        assert_array_equal(again[1], grad)
    alone = kernels.tv(masks[3:4])
    assert_array_equal(alone[0], value[3:4])
    assert_array_equal(alone[1], grad[3:4])


def test_bad_inputs(impl):
    masks = np.zeros((1, 4, 4), np.float32)
    with pytest.raises(ShapeError, match="float32 array with 3 axes"):
        kernels.tv(masks[0])
    with pytest.raises(ShapeError, match="masks is float64"):
        kernels.tv(masks.astype(np.float64))
    with pytest.raises(ShapeError, match="at least 1"):
        kernels.tv(masks[:, :0])
    for exponent in (0.0, -1.0, float("nan")):
        with pytest.raises(OptionError, match="positive"):
            kernels.tv(masks, exponent=exponent)
    with pytest.raises(OptionError, match='use "mean" or "sum"'):
        kernels.tv(masks, reduction="max")
