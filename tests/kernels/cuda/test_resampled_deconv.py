import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from placing import LAYOUTS, Interface

from pysal import kernels
from pysal.errors import OptionError, ShapeError
from pysal.kernels import cuda

AXIS = st.tuples(
    st.integers(1, 24),  # input
    st.integers(1, 5),  # kernel
    st.integers(1, 4),  # stride
    st.integers(1, 3),  # dilation
    st.integers(0, 4),  # pad before
    st.integers(0, 4),  # pad after
).filter(lambda a: a[0] + a[4] + a[5] > a[3] * (a[1] - 1))


def output_size(axis):
    size, kernel, stride, dilation, before, after = axis
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def options_of(down, right, groups):
    return {
        "size": (down[0], right[0]),
        "strides": (down[2], right[2]),
        "pads": (down[4], right[4], down[5], right[5]),
        "dilations": (down[3], right[3]),
        "groups": groups,
    }


def deconv_on(device, signal, weight, shape, layout="c", in_layout="c", **options):
    """The result of the device, written over NaN."""
    out = device.put(np.full(shape, np.nan, np.float32), layout)
    arrays = [device.put(a, in_layout) for a in (signal, weight)]
    assert cuda.resampled_deconv(*arrays, **options, out=out) is out
    return device.get(out)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    down=AXIS,
    right=AXIS,
    n=st.integers(0, 2),
    groups=st.integers(1, 3),
    channels=st.tuples(*[st.integers(1, 6)] * 2),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
)
def test_has_the_values_of_the_cpu(device, draw, down, right, n, groups, channels, layouts):
    signal = draw(n, groups * channels[0], output_size(down), output_size(right))
    weight = draw(groups * channels[0], channels[1], down[1], right[1])
    options = options_of(down, right, groups)
    expected = kernels.resampled_deconv(signal, weight, **options)
    got = deconv_on(device, signal, weight, expected.shape, *layouts, **options)
    scale = np.abs(weight).sum(axis=(0, 2, 3)).max() * max(np.abs(signal).max(initial=0), 1)
    assert_allclose(got, expected, atol=1e-6 * scale)


def test_an_image_is_the_same_in_any_batch(device, draw):
    signal, weight = draw(3, 6, 9, 9), draw(6, 5, 3, 3)
    options = {"size": (18, 18), "strides": (2, 2), "pads": (1, 1, 1, 1)}
    whole = deconv_on(device, signal, weight, (3, 5, 18, 18), **options)
    for n in range(3):
        one = deconv_on(device, signal[n : n + 1], weight, (1, 5, 18, 18), **options)
        assert_array_equal(one[0], whole[n])


def test_more_images_than_one_launch_takes(device, draw):
    signal, weight = draw(33_000, 1, 1, 1), draw(1, 2, 1, 1)
    got = deconv_on(device, signal, weight, (33_000, 2, 1, 1), size=(1, 1))
    assert_allclose(got, signal * weight[0], rtol=1e-6)


def test_results_of_torch_are_tensors(emulated, monkeypatch, draw):
    monkeypatch.setattr(cuda, "_load", lambda: emulated)
    signal, weight = draw(2, 4, 5, 5), draw(4, 3, 3, 3)
    options = {"size": (10, 10), "strides": (2, 2), "pads": (1, 1, 1, 1)}
    got = cuda.resampled_deconv(torch.from_numpy(signal), torch.from_numpy(weight), **options)
    expected = kernels.resampled_deconv(signal, weight, **options)
    assert_allclose(got.numpy(), expected, atol=1e-5)


SIGNAL, WEIGHT = np.zeros((2, 4, 3, 3), np.float32), np.zeros((4, 2, 2, 2), np.float32)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"signal": SIGNAL.astype(np.float64)}, ShapeError, "expected a float32 array"),
        ({"weight": WEIGHT[:3]}, ShapeError, r"expected \(4, C / 1, M_h, M_w\)"),
        ({"size": (6, 8)}, ShapeError, r"expected \(3, 4\) in its last axes"),
        ({"strides": (0, 2)}, OptionError, "expected whole numbers from 1 on"),
        ({"out": np.zeros((2, 2, 6, 5), np.float32)}, ShapeError, "expected writable float32"),
        ({"out": None}, OptionError, "give out"),
    ],
)
def test_refuses(emulated, monkeypatch, change, error, message):
    monkeypatch.setattr(cuda, "_load", lambda: emulated)
    given = {"signal": SIGNAL, "weight": WEIGHT, "size": (6, 6), "strides": (2, 2)}
    given |= {"out": np.zeros((2, 2, 6, 6), np.float32)} | change
    wrap = {k: Interface.Array(v) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    with pytest.raises(error, match=message):
        cuda.resampled_deconv(**wrap)


def test_bindings_check_again(emulated):
    def view(array):
        return emulated.View(array.ctypes.data, array.shape, None, "float32")

    arrays, out = (view(SIGNAL), view(WEIGHT)), view(np.zeros((2, 2, 6, 6), np.float32))
    for change, message in (
        (((2, 5), (0, 0), (1, 1), 1), "smaller than the signal"),
        (((5, 5), (0, -1), (1, 1), 1), "dilations must be positive"),
        (((5, 5), (0, 0), (1, 1), 3), "groups must divide"),
        (((5, 5), (0, 0), (1, 1), 2), "weight must be"),
    ):
        with pytest.raises(ValueError, match=message):
            emulated.resampled_deconv(*arrays, *change, out, 0)
