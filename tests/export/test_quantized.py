"""Gradients of quantized networks against fake quantization in torch, float64, straight through."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from checker import CLASSES, Net, gradient, prepare
from naive_rules import TABLES, naive
from quantized_nets import QuantizedNet, Style, network
from table_judge import EXCITATION, LOWERING, assert_same, seeds

from pysal.errors import UnsupportedOpError
from pysal.export import build_gradient

STYLES = {
    "uint8": Style(),
    "per channel": Style(per_channel=True),
    "ReLUs in the graph": Style(absorbed=False),
    "int8, symmetric": Style("int8", absorbed=False, per_channel=True),
    "rounded weights": Style(rounded_weights=True, per_channel=True),
    "operator set 11": Style(opset=11),
    "operator set 13": Style(per_channel=True, opset=13),
    "operator set 21": Style(opset=21),
    "operator set 23": Style(opset=23, per_channel=True),
    "uint16": Style("uint16", opset=21),
    "nothing clipped": Style(share=1.0),
}


def explicit(style: Style) -> Style:
    """The same with the ReLUs in the graph, where torch sees them."""
    return Style(**{**vars(style), "absorbed": False})


def end_of(model: onnx.ModelProto) -> str:
    """The value whose rounding makes the logits; that rounding passes all of the cotangent."""
    by_output = {n.output[0]: n for n in model.graph.node}
    return by_output[by_output[model.graph.output[0].name].input[0]].input[0]


def expected(style: Style, rules: str, seed: np.ndarray, **options) -> np.ndarray:
    case = network(explicit(style), positive=rules in EXCITATION)
    return naive(case.model, rules, case.x, seed, start=end_of(case.model), **options)


FAST = ("uint8", "per channel", "int8, symmetric", "uint16")


@LOWERING
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in STYLES]
)
def test_gradient_is_the_straight_through_estimator(name: str, lowering: str) -> None:
    case, seed = network(STYLES[name]), seeds("", 2)
    found = gradient(prepare(case.model), case.x, seed, lowering=lowering)
    assert_same(found["pysal/input_gradient"], expected(STYLES[name], "gradient", seed), 1e-5)


def test_clipping_matters_here() -> None:
    """Otherwise the test above would not see whether it is respected."""
    seed = seeds("", 2)
    case = network(STYLES["uint8"])
    found = [
        gradient(prepare(case.model), case.x, seed, rules=rules)["pysal/input_gradient"]
        for rules in ("gradient", "gradient_unclipped")
    ]
    assert np.linalg.norm(found[0] - found[1]) > 0.01 * np.linalg.norm(found[0])


@LOWERING
@pytest.mark.parametrize("rules", sorted(set(TABLES) - {"gradient", "gradient_unclipped"}))
@pytest.mark.parametrize("name", ["uint8", pytest.param("int8, symmetric", marks=pytest.mark.slow)])
def test_modified_tables_work_through_rounding(name: str, rules: str, lowering: str) -> None:
    style = STYLES[name]
    case, seed = network(style, positive=rules in EXCITATION), seeds(rules, 2)
    found = gradient(prepare(case.model), case.x, seed, rules=rules, lowering=lowering)
    assert_same(found["pysal/input_gradient"], expected(style, rules, seed))


@LOWERING
def test_where_a_value_is_clipped_nothing_passes(lowering: str) -> None:
    """The bounds themselves belong to the range, up to half a step beyond."""
    x = np.array([-9, -1.28, -1.27, -0.5, 0, 0.04, 0.5, 1.27, 1.274, 1.276, 9], np.float32)
    net = Net(x.reshape(1, 1, 1, -1))
    scale, zero = net.const(0.01), net.const(0, np.int8)
    y = net.op("DequantizeLinear", net.op("QuantizeLinear", "x", scale, zero), scale, zero)
    logits = net.op("Flatten", net.op("Mul", y, net.const(2.0)))
    prepared = prepare(net.model(logits, ("N", x.size)))
    seed = np.ones((1, x.size), np.float32)
    found = gradient(prepared, net.x, seed, lowering=lowering)["pysal/input_gradient"]
    np.testing.assert_array_equal(found.ravel(), [0, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0])
    options = {"lowering": lowering, "rules": "gradient_unclipped"}
    found = gradient(prepared, net.x, seed, **options)["pysal/input_gradient"]
    np.testing.assert_array_equal(found.ravel(), np.full(x.size, 2))


def absorbing(x: np.ndarray) -> Net:
    """y = Q(1 x): the rounding of a 1 x 1 Conv from 0 on, in steps of 0.1."""
    net = Net(x.reshape(1, 1, 1, -1))
    y = net.op("Conv", "x", net.const(np.ones((1, 1, 1, 1))))
    scale, zero = net.const(0.1), net.const(0, np.uint8)
    y = net.op("DequantizeLinear", net.op("QuantizeLinear", y, scale, zero), scale, zero)
    return net.model(net.op("Flatten", net.op("Mul", y, net.const(2.0))), ("N", x.size))


@LOWERING
@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ("gradient", [0, 0, 2, 2, 2, 0]),
        ("gradient_unclipped", [0, 0, 0, 2, 2, 2]),
        ("guided_backprop", [0, 0, 2, 2, 2, 0]),
        ("deconvnet", [2, 2, 2, 2, 2, 0]),
    ],
)
def test_an_absorbed_relu_is_an_activation(rules: str, wanted: list, lowering: str) -> None:
    x = np.array([-3, -0.04, 0.04, 0.06, 25, 26], np.float32)
    prepared, seed = prepare(absorbing(x)), np.ones((1, x.size), np.float32)
    options = {"rules": rules, "lowering": lowering}
    found = gradient(prepared, x.reshape(1, 1, 1, -1), seed, **options)
    np.testing.assert_array_equal(found["pysal/input_gradient"].ravel(), wanted)
    found = gradient(prepared, x.reshape(1, 1, 1, -1), -seed, **options)
    signed = -np.array(wanted) if rules.startswith("gradient") else np.zeros(x.size)
    np.testing.assert_array_equal(found["pysal/input_gradient"].ravel(), signed)


def test_a_class_beyond_its_range_still_has_a_gradient() -> None:
    """The rounding of the logits clips the largest of them here."""
    case = network(STYLES["uint8"])
    logits = gradient(prepare(case.model), case.x, seeds("", 2))["pysal/logits"]
    seed = np.eye(CLASSES, dtype=np.float32)[logits.argmax(1)]
    assert (logits[1] == logits.max()).sum() == 2  # both beyond the end of the range
    found = gradient(prepare(case.model), case.x, seed)["pysal/input_gradient"]
    assert (np.abs(found).max(axis=(1, 2, 3)) > 0).all()


@LOWERING
def test_integers_between_the_pair(lowering: str) -> None:
    """Views and pools of quantized numbers, and a scale that is read as another one."""
    rng = np.random.default_rng(1)
    net = Net(rng.normal(size=(2, 3, 6, 6)))
    zero = net.const(0, np.int8)
    q = net.op("QuantizeLinear", "x", net.const(0.02), zero)
    q = net.op("MaxPool", q, kernel_shape=[2, 2], strides=[2, 2])
    q = net.op("Transpose", q, perm=[0, 1, 3, 2])
    case = net.case(net.op("Tanh", net.op("DequantizeLinear", q, net.const(0.05), zero)))
    seed = seeds("", 2)
    found = gradient(prepare(case.model), case.x, seed, lowering=lowering)
    assert_same(found["pysal/input_gradient"], naive(case.model, "gradient", case.x, seed), 1e-5)


@LOWERING
def test_scales_per_channel_of_an_activation(lowering: str) -> None:
    rng = np.random.default_rng(2)
    net = Net(3 * rng.normal(size=(2, 3, 5, 5)))
    names = net.const([0.01, 0.02, 0.05]), net.const([0, 3, -7], np.int8)
    y = net.op("DequantizeLinear", net.op("QuantizeLinear", "x", *names, axis=1), *names, axis=1)
    case, seed = net.case(net.op("Tanh", y)), seeds("", 2)
    found = gradient(prepare(case.model), case.x, seed, lowering=lowering)
    assert_same(found["pysal/input_gradient"], naive(case.model, "gradient", case.x, seed), 1e-5)


@LOWERING
def test_weights_behind_a_view_or_in_blocks(lowering: str) -> None:
    """A turned weight, as exporters of TensorFlow write it, and one quantized in blocks."""
    rng = np.random.default_rng(3)
    net = Net(rng.normal(size=(2, 3, 4, 4)), 21)
    zero = net.const(0, np.int8)
    whole = net.const(rng.integers(-60, 60, (3, 3, 3, 5)), np.int8)
    weight = net.op("DequantizeLinear", whole, net.const(0.02), zero)
    weight = net.op("Transpose", weight, perm=[3, 2, 0, 1])
    y = net.op("Flatten", net.op("Relu", net.op("Conv", "x", weight)))
    scales = net.const(rng.uniform(0.01, 0.05, (5, CLASSES)))
    blocks = net.const(rng.integers(-60, 60, (20, CLASSES)), np.int8)
    fc = net.op("DequantizeLinear", blocks, scales, axis=0, block_size=4)
    model, seed = net.model(net.op("MatMul", y, fc), ("N", CLASSES)), seeds("", 2)
    plain = Net(net.x, 21)
    integers = {t.name: onnx.numpy_helper.to_array(t) for t in net.weights}
    w = plain.const((integers[whole] * np.float32(0.02)).transpose(3, 2, 0, 1))
    v = plain.const(integers[blocks] * np.repeat(integers[scales], 4, axis=0))
    y = plain.op("Flatten", plain.op("Relu", plain.op("Conv", "x", w)))
    twin = plain.model(plain.op("MatMul", y, v), ("N", CLASSES))
    given, wanted = (gradient(prepare(m), net.x, seed, lowering=lowering) for m in (model, twin))
    for name in wanted:
        np.testing.assert_allclose(given[name], wanted[name], rtol=1e-4, atol=1e-5)


# ---- what has no gradient says so ----------------------------------------------------------------


def refused(model: onnx.ModelProto, *words: str) -> None:
    with pytest.raises(UnsupportedOpError) as caught:
        build_gradient(prepare(model))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_activations_in_float8_or_blocks_are_refused() -> None:
    for zero, attrs in (("float8e4m3fn", {}), ("int8", {"axis": 3, "block_size": 2})):
        net = Net(np.ones((1, 3, 4, 4)), 21)
        scale = net.const(np.full((1, 3, 4, 2), 0.1) if attrs else 0.1)
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(np.int8))
        if zero != "int8":
            kind = onnx.TensorProto.FLOAT8E4M3FN
        q = net.op("QuantizeLinear", "x", scale, output_dtype=kind, **attrs)
        y = net.op("Flatten", net.op("DequantizeLinear", q, scale, **attrs))
        refused(net.model(y, ("N", 48)), "DequantizeLinear_", "8- or 16-bit")


def test_integers_of_different_scales_are_not_joined() -> None:
    net = Net(np.ones((1, 3, 4, 4)))
    zero, scales = net.const(0, np.int8), [net.const(0.1), net.const(0.2)]
    parts = [net.op("QuantizeLinear", "x", scale, zero) for scale in scales]
    y = net.op("DequantizeLinear", net.op("Concat", *parts, axis=1), scales[0], zero)
    refused(net.model(net.op("Flatten", y), ("N", 96)), "no single QuantizeLinear", "QDQ")


def test_a_scale_that_is_computed_is_refused() -> None:
    net = QuantizedNet(np.ones((1, 3, 4, 4)), Style())
    scale = net.op("ReduceMax", "x", keepdims=0)
    y = net.op("DequantizeLinear", net.op("QuantizeLinear", "x", scale), scale)
    refused(net.model(net.op("Flatten", y), ("N", 48)), "scale", "QuantFormat.QDQ")
