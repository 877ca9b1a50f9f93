import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional

from pysal import kernels
from pysal.errors import OptionError, ShapeError

AXIS = st.tuples(
    st.integers(1, 30),  # input
    st.integers(1, 5),  # kernel
    st.integers(1, 4),  # stride
    st.integers(1, 3),  # dilation
    st.integers(0, 4),  # pad before
    st.integers(0, 4),  # pad after
).filter(lambda a: a[0] + a[4] + a[5] > a[3] * (a[1] - 1))


def output_size(axis):
    size, kernel, stride, dilation, before, after = axis
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def naive(signal, weight, down, right, groups):
    """Resampled by the formula, convolved and cut by torch."""
    wide = torch.from_numpy(signal.astype(np.float64))
    for axis, number in ((2, down), (3, right)):
        size, kernel, _, dilation, before, after = number
        resized = size + before + after - dilation * (kernel - 1)
        index = [int((i + 0.5) * wide.shape[axis] / resized + 1e-9) for i in range(resized)]
        wide = wide.index_select(axis, torch.tensor(index))
    full = functional.conv_transpose2d(
        wide,
        torch.from_numpy(weight.astype(np.float64)),
        dilation=(down[3], right[3]),
        groups=groups,
    )
    rows, columns = slice(down[4], down[4] + down[0]), slice(right[4], right[4] + right[0])
    return full[:, :, rows, columns].numpy()


def options_of(down, right, groups):
    return {
        "size": (down[0], right[0]),
        "strides": (down[2], right[2]),
        "pads": (down[4], right[4], down[5], right[5]),
        "dilations": (down[3], right[3]),
        "groups": groups,
    }


@settings(
    max_examples=80,
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
)
def test_any_geometry(both, draw, down, right, n, groups, channels):
    signal = draw(n, groups * channels[0], output_size(down), output_size(right))
    weight = draw(groups * channels[0], channels[1], down[1], right[1])
    expected = naive(signal, weight, down, right, groups)
    scale = np.abs(weight).sum(axis=(0, 2, 3)).max() * max(np.abs(signal).max(initial=0), 1)
    for got in both("resampled_deconv", signal, weight, **options_of(down, right, groups)):
        assert got.shape == (n, groups * channels[1], down[0], right[0])
        assert_allclose(got, expected, atol=1e-6 * scale)


REAL = [
    # signals, channels, groups, (input, kernel, stride, dilation, pads)
    (64, 3, 1, (224, 11, 4, 1, 0, 0)),  # VGG-F conv1: 54 -> 214 -> 224
    (64, 3, 1, (224, 7, 2, 1, 3, 3)),  # ResNet conv1: 112 -> 224
    (128, 64, 1, (28, 1, 2, 1, 0, 0)),  # a shortcut: 14 -> 28
    (24, 24, 24, (57, 3, 2, 1, 0, 1)),  # depthwise with asymmetric padding
]


@pytest.mark.parametrize(("signals", "channels", "groups", "axis"), REAL)
def test_layers_of_networks(both, draw, signals, channels, groups, axis):
    signal = draw(1, signals, output_size(axis), output_size(axis))
    weight = draw(signals, channels // groups, axis[1], axis[1])
    expected = naive(signal, weight, axis, axis, groups)
    for got in both("resampled_deconv", signal, weight, **options_of(axis, axis, groups)):
        assert_allclose(got / np.abs(expected).max(), expected / np.abs(expected).max(), atol=2e-6)


def test_without_stride_it_is_the_gradient(impl, draw):
    x = torch.from_numpy(draw(2, 4, 13, 11)).requires_grad_()
    weight, dy = draw(6, 2, 3, 5), draw(2, 6, 15, 3)
    y = functional.conv2d(x, torch.from_numpy(weight), padding=(2, 0), dilation=(1, 2), groups=2)
    (expected,) = torch.autograd.grad(y, x, torch.from_numpy(dy))
    got = kernels.resampled_deconv(
        dy, weight, (13, 11), pads=(2, 0, 2, 0), dilations=(1, 2), groups=2
    )
    assert_allclose(got, expected.numpy(), atol=1e-5)


def test_a_constant_signal_leaves_no_grid(impl):
    """The reason for the rule: with stride 4 the plain gradient repeats every 4 pixels."""
    signal, weight = np.ones((1, 1, 6, 6), np.float32), np.ones((1, 1, 4, 4), np.float32)
    got = kernels.resampled_deconv(signal, weight, (24, 24), strides=(4, 4))
    assert_allclose(got[0, 0, 3:-3, 3:-3], 16)


def test_result_does_not_depend_on_threads_or_batch(impl, draw):
    signal, weight = draw(3, 16, 20, 17), draw(16, 5, 3, 3)
    options = {"size": (40, 34), "strides": (2, 2), "pads": (1, 1, 1, 1)}
    whole = kernels.resampled_deconv(signal, weight, **options, threads=2)
    for threads in (1, 3, 8):
        again = kernels.resampled_deconv(signal, weight, **options, threads=threads)
        assert_array_equal(again, whole)
    for n in range(3):
        for threads in (1, 8):
            out = np.full((1, 5, 40, 34), np.nan, np.float32)
            one = kernels.resampled_deconv(
                signal[n : n + 1], weight, **options, out=out, threads=threads
            )
            assert one is out
            assert_array_equal(one[0], whole[n])


SIGNAL, WEIGHT = np.zeros((2, 4, 3, 3), np.float32), np.zeros((4, 2, 2, 2), np.float32)
GOOD = {"signal": SIGNAL, "weight": WEIGHT, "size": (6, 6), "strides": (2, 2)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signal": SIGNAL[0]}, "4 axes"),
        ({"weight": WEIGHT[:3]}, r"expected \(4, C / 1, M_h, M_w\)"),
        ({"weight": WEIGHT[:, :, :0]}, r"expected \(4, C / 1, M_h, M_w\)"),
        ({"groups": 3}, r"expected \(4, C / 3, M_h, M_w\)"),
        ({"size": (6, 8)}, r"expected \(3, 4\) in its last axes"),
        ({"pads": (1, 0, 1, 0)}, r"expected \(4, 3\) in its last axes"),
        ({"size": (1, 6)}, "in its last axes"),
        ({"out": np.zeros((2, 2, 6, 5), np.float32)}, "out is float32"),
    ],
)
def test_bad_inputs(impl, change, message):
    with pytest.raises(ShapeError, match=message):
        kernels.resampled_deconv(**(GOOD | change))


@pytest.mark.parametrize("change", [{"strides": (0, 2)}, {"groups": 0}, {"pads": (0, -1, 0, 0)}])
def test_bad_attributes(impl, change):
    with pytest.raises(OptionError, match="expected whole numbers from 1 on"):
        kernels.resampled_deconv(**(GOOD | change))


def test_bindings_check_again(compiled):
    out = np.zeros((2, 2, 6, 6), np.float32)
    for change, message in (
        (((2, 5), (0, 0), (1, 1), 1), "smaller than the signal"),
        (((5, 5), (0, 0), (0, 1), 1), "must be positive"),
        (((5, 5), (0, 0), (1, 1), 3), "groups must divide"),
        (((5, 5), (0, 0), (1, 1), 2), "weight must be"),
    ):
        with pytest.raises(ValueError, match=message):
            compiled.resampled_deconv(SIGNAL, WEIGHT, *change, out, 0)
    with pytest.raises(ValueError, match="one row per image"):
        compiled.resampled_deconv(SIGNAL, WEIGHT, (5, 5), (0, 0), (1, 1), 1, out[:1], 0)
