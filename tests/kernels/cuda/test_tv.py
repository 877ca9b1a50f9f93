import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from pysal.kernels import cuda, reference

VARIANTS = [
    (exponent, reduction, isotropic)
    for exponent in (1.0, 2.0, 3.0, 1.5)
    for reduction in ("mean", "sum")
    for isotropic in (False, True)
]


def tv_on(device, masks, layout="c", **options):
    """Value and gradient of the device, written over NaN."""
    value = device.put(np.full(len(masks), np.nan))
    grad = device.put(np.full(masks.shape, np.nan, np.float32), layout)
    result = cuda.tv(device.put(masks, layout), **options, out=(value, grad))
    assert result[0] is value
    assert result[1] is grad
    return device.get(value), device.get(grad)


def assert_is_reference(got, masks, exponent, reduction, isotropic):
    value, grad = reference.tv(masks, exponent, reduction == "mean", isotropic, 0)
    assert_allclose(got[0], value, rtol=1e-6)
    assert_allclose(got[1], grad, rtol=1e-5, atol=2e-6 * np.abs(grad).max(initial=1e-6))


@pytest.mark.parametrize(("exponent", "reduction", "isotropic"), VARIANTS)
@pytest.mark.parametrize("size", [(28, 28), (2, 2), (1, 7), (7, 1), (1, 1), (70, 61)])
def test_equals_reference(device, draw, size, exponent, reduction, isotropic):
    masks = draw(3, *size)
    for layout in ("c", "sliced", "offset"):
        got = tv_on(
            device, masks, layout, exponent=exponent, reduction=reduction, isotropic=isotropic
        )
        assert_is_reference(got, masks, exponent, reduction, isotropic)


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    shape=st.tuples(st.integers(0, 3), *[st.integers(1, 50)] * 2),
    variant=st.sampled_from(VARIANTS),
)
def test_equals_reference_in_any_shape(device, draw, shape, variant):
    exponent, reduction, isotropic = variant
    masks = draw(*shape)
    got = tv_on(device, masks, exponent=exponent, reduction=reduction, isotropic=isotropic)
    assert_is_reference(got, masks, *variant)


@pytest.mark.parametrize(("exponent", "reduction", "isotropic"), VARIANTS)
def test_constant_masks_have_none(device, exponent, reduction, isotropic):
    masks = np.full((2, 6, 5), 0.7, np.float32)
    value, grad = tv_on(device, masks, exponent=exponent, reduction=reduction, isotropic=isotropic)
    assert_array_equal(value, 0)
    assert_array_equal(grad, 0)


@pytest.mark.parametrize("size", [(20, 30), (70, 80)])
def test_other_masks_change_no_bit(device, draw, size):
    masks = draw(5, *size)
    value, grad = tv_on(device, masks)
    alone = tv_on(device, masks[3:4])
    assert_array_equal(alone[0], value[3:4])
    assert_array_equal(alone[1], grad[3:4])
