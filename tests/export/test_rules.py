"""Every gradient rule against finite differences, on both engine families."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from case_table import FAMILY, choice, drawn, flag, integer, opset
from cases import CASES
from cases_linear import window
from checker import CLASSES, ORT_OPSET, Case, Net, check, gradient, prepare, run
from hypothesis import given
from hypothesis import strategies as st
from onnx import defs

from pysal.errors import UnsupportedOpError
from pysal.export.lowerings import LOWERINGS
from pysal.export.rules.gradient import GRADIENT

MANY = {"Conv": 80, "ConvTranspose": 40, "MaxPool": 60, "AveragePool": 60, "Slice": 40, "Gemm": 40}
PAIR = {"QuantizeLinear", "DequantizeLinear"}
"""Rounding has no derivative; see test_quantized.py."""
NEWEST = defs.onnx_opset_version()


def test_every_rule_has_a_case() -> None:
    assert set(CASES) == set(GRADIENT.rules) - PAIR


@pytest.mark.parametrize("op_type", sorted(CASES))
def test_rule_is_the_derivative(op_type: str) -> None:
    @drawn(MANY.get(op_type, 24))
    @given(case=st.one_of(CASES[op_type]), lowering=FAMILY)
    def agrees(case: Case, lowering: str) -> None:
        check(case, lowering)

    agrees()


# ---- operator sets -------------------------------------------------------------------------------


def small_network(version: int) -> Case:
    """Convolution, normalization, pool, skip connection and matrix product in one operator set."""
    rng = np.random.default_rng(version)
    net = Net(rng.normal(size=(2, 3, 9, 9)), version)
    c = net.op("Conv", "x", net.const(rng.normal(size=(4, 3, 3, 3))), strides=[2, 2])
    stats = [net.const(v) for v in (*rng.normal(size=(3, 4)), np.full(4, 2.0))]
    a = net.op("Relu", net.op("BatchNormalization", c, *stats))
    p = net.op("MaxPool", a, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    return net.case(net.op("Softmax", net.op("Add", net.op("Sigmoid", p), a), axis=1))


@pytest.mark.parametrize("lowering", sorted(LOWERINGS))
@pytest.mark.parametrize("version", [7, 9, 11, 13, 16, 18, 21, ORT_OPSET, NEWEST])
def test_operator_sets(version: int, lowering: str) -> None:
    check(small_network(version), lowering)


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("opset", [11, 16, 22])
def test_ceil_mode_begins_no_window_behind_the_image(op_type: str, opset: int) -> None:
    """Shape inference counted one more before operator set 22; the two axes differ here."""
    for size, kernel, stride, pads in [(7, 2, 2, 1), (5, 1, 3, 0), (6, 2, 4, 0), (5, 3, 2, 1)]:
        net = Net(np.random.default_rng(size).normal(size=(2, 3, size, 4)), opset)
        attrs = {"kernel_shape": [kernel, 2], "strides": [stride, 2], "pads": [pads, 0, pads, 0]}
        y = net.op(op_type, "x", ceil_mode=1, **attrs)
        case = net.case(net.op("Tanh", y))
        for lowering in LOWERINGS:
            check(case, lowering)


@pytest.mark.parametrize("lowering", sorted(LOWERINGS))
@pytest.mark.parametrize("kernel", [(13, 13, 1), (4, 3, 2), (2, 1, 3)], ids=str)
def test_windows_wider_than_the_image(kernel: tuple[int, int, int], lowering: str) -> None:
    """Some taps see padding only, as in spatial pyramid pooling of a small map."""
    high, wide, stride = kernel
    pads = [high // 2, wide // 2, high // 2, wide // 2]
    attrs = {"kernel_shape": [high, wide], "pads": pads, "strides": [stride, stride]}
    for op_type in ("MaxPool", "AveragePool", "Conv"):
        net = Net(np.random.default_rng(0).normal(size=(2, 3, 2, 4)))
        weight = np.random.default_rng(1).normal(size=(3, 1, high, wide))
        more = [net.const(weight)] if op_type == "Conv" else []
        group = {"group": 3} if op_type == "Conv" else {}
        check(net.case(net.op(op_type, "x", *more, **attrs, **group)), lowering)


# ---- where the function has no derivative --------------------------------------------------------


def input_gradient(net: Net, value: str, seed: np.ndarray, lowering: str) -> np.ndarray:
    """Gradient model's answer to a cotangent on all elements of a value."""
    logits = net.op("Flatten", value)
    prepared = prepare(net.model(logits, ("N", seed.shape[1])))
    return gradient(prepared, net.image, seed, lowering=lowering)["pysal/input_gradient"]


@drawn(60)
@given(draws=st.data(), lowering=FAMILY)
def test_tied_maxima_go_where_torch_sends_them(draws, lowering) -> None:
    attrs, sizes = window(draws.draw, 2, ("NOTSET",), dilate=True)
    rng = np.random.default_rng(integer(draws.draw, 0, 999))
    x = rng.integers(0, 3, size=(2, 3, *sizes)).astype(np.float32)
    x -= choice(draws.draw, 0, 2)
    if flag(draws.draw):
        attrs["ceil_mode"] = 1
    net = Net(x, opset(draws.draw, 13))
    y = net.op("MaxPool", "x", **attrs)
    partial = net.model(y, None)
    shape = run(partial, {"x": x})[y].shape
    seed = rng.integers(-4, 5, size=shape).astype(np.float32)
    begin_h, begin_w, end_h, end_w = attrs.get("pads", (0, 0, 0, 0))
    given = torch.from_numpy(x).requires_grad_()
    k, s, d = attrs["kernel_shape"], attrs["strides"], attrs.get("dilations", [1, 1])
    need = [(o - 1) * t + e * (q - 1) + 1 for o, t, e, q in zip(shape[2:], s, d, k, strict=True)]
    end_h = max(end_h, need[0] - sizes[0] - begin_h)  # the windows that ceil_mode adds
    end_w = max(end_w, need[1] - sizes[1] - begin_w)
    padded = F.pad(given, (begin_w, end_w, begin_h, end_h), value=float("-inf"))
    pooled = F.max_pool2d(padded, k, s, 0, d)[:, :, : shape[2], : shape[3]]
    pooled.backward(torch.from_numpy(seed))
    found = input_gradient(net, y, seed.reshape(2, -1), lowering)
    np.testing.assert_array_equal(found, given.grad.numpy())


@pytest.mark.parametrize("lowering", sorted(LOWERINGS))
@pytest.mark.parametrize(
    ("op_type", "attrs", "expected"),
    [
        ("Relu", {}, [0, 0, 1, 1, 1]),
        ("HardSigmoid", {"alpha": 0.5, "beta": 0.5}, [0, 0.5, 0.5, 0, 0]),
        ("Abs", {}, [-1, 0, 1, 1, 1]),
        ("LeakyRelu", {"alpha": 0.25}, [0.25, 0.25, 1, 1, 1]),
    ],
)
def test_kinks(op_type: str, attrs: dict, expected: list, lowering: str) -> None:
    net = Net(np.array([-1, 0, 0.5, 1, 6]).reshape(1, 1, 1, 5))
    found = input_gradient(net, net.op(op_type, "x", **attrs), np.ones((1, 5)), lowering)
    np.testing.assert_array_equal(found.ravel(), expected)


@pytest.mark.parametrize("lowering", sorted(LOWERINGS))
def test_a_clip_passes_nothing_at_its_bounds_as_relu6_of_torch(lowering: str) -> None:
    x = np.array([-1, 0, 1e-6, 3, 5.999999, 6, 7], np.float32).reshape(1, 1, 1, 7)
    net = Net(x)
    y = net.op("Clip", "x", net.const(0.0), net.const(6.0))
    found = input_gradient(net, y, np.full((1, 7), 2.0), lowering)
    given = torch.from_numpy(x).requires_grad_()
    F.relu6(given).sum().backward()
    np.testing.assert_array_equal(found, 2 * given.grad.numpy())


@pytest.mark.parametrize("op_type", ["ReduceMax", "GlobalMaxPool"])
def test_tied_extrema_share_evenly_as_amax_of_torch(op_type: str) -> None:
    x = np.random.default_rng(0).integers(0, 3, size=(2, 3, 4, 4)).astype(np.float32)
    net = Net(x)
    y = net.op(op_type, "x", *([net.ints(2, 3)] if op_type == "ReduceMax" else []))
    given = torch.from_numpy(x).requires_grad_()
    given.amax((2, 3)).sum().backward()
    found = input_gradient(net, y, np.ones((2, 3)), "ort")
    np.testing.assert_allclose(found, given.grad.numpy(), rtol=1e-6)


# ---- what has no rule says so --------------------------------------------------------------------

REFUSED = {
    "Resize": (
        [0.0] * 8,
        [1.0, 1.0, 2.0, 2.0],
        {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"},
    ),
    "Hardmax": ({"axis": 1},),
}


@pytest.mark.parametrize("op_type", sorted(REFUSED))
def test_variants_without_a_rule_are_named(op_type: str) -> None:
    net = Net(np.ones((1, 3, 4, 4)))
    *inputs, attrs = REFUSED[op_type]
    values = [net.const(v) for v in inputs]
    model = net.case(net.op(op_type, "x", *values, **attrs)).model
    with pytest.raises(UnsupportedOpError, match=rf'{op_type} ["(]{op_type}_'):
        gradient(prepare(model), net.image, np.ones((1, CLASSES)))


def test_a_pad_that_crops_and_copies_is_refused() -> None:
    net = Net(np.ones((1, 3, 4, 4)))
    padded = net.op("Pad", "x", net.ints(0, 0, -1, 1, 0, 0, 0, 0), mode="reflect")
    with pytest.raises(UnsupportedOpError, match="crops in mode reflect"):
        gradient(prepare(net.case(padded).model), net.image, np.ones((1, CLASSES)))
