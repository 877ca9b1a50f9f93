"""What a model file may be like before a gradient is built, and what is refused, in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from checker import CLASSES, Net, gradient, prepare, reference
from onnx import TensorProto, helper, numpy_helper

from pysal.errors import InputError, ModelFormatError, PysalError
from pysal.export import build_gradient
from pysal.export.passes import read

RNG = np.random.default_rng(3)
IMAGE = RNG.normal(size=(2, 3, 6, 6)).astype(np.float32)


def network(end: str = "", opset: int = 18, **attrs) -> onnx.ModelProto:
    """Convolution, mean, and an activation at the end: (N, 3, 6, 6) -> (N, CLASSES)."""
    net = Net(IMAGE, opset)
    rng = np.random.default_rng(0)
    y = net.op("Conv", "x", net.const(rng.normal(size=(CLASSES, 3, 3, 3))))
    y = net.op("GlobalAveragePool", net.op("Relu", y))
    if attrs.pop("wide", False):
        return net.model(net.op(end, y, **attrs), ("N", CLASSES, 1, 1))
    y = net.op("Flatten", y)
    return net.model(net.op(end, y, **attrs) if end else y, ("N", CLASSES))


def refused(path, *words: str, error: type[PysalError] = ModelFormatError) -> None:
    with pytest.raises(error) as caught:
        prepare(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def saved(model: onnx.ModelProto, folder: Path, name: str = "m.onnx", **options) -> Path:
    onnx.save_model(model, str(folder / name), **options)
    return folder / name


def same_numbers(model: onnx.ModelProto, prepared, x: np.ndarray = IMAGE) -> None:
    """Logits and gradient are those of the model that was meant."""
    seed = RNG.normal(size=(len(x), CLASSES)).astype(np.float32)
    given = gradient(prepared, x, seed)
    expected = gradient(prepare(model), x, seed)
    for name in ("pysal/logits", "pysal/input_gradient"):
        np.testing.assert_allclose(given[name], expected[name], rtol=1e-5, atol=1e-6)


# ---- files ---------------------------------------------------------------------------------------


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "is a folder", error=InputError)
    refused(tmp_path / "absent.onnx", "does not exist", error=InputError)


@pytest.mark.parametrize("content", [b"", b"hello, a text\n" * 20, b"\x00\x01\x02" * 50, b"{}"])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    refused(path, "m.onnx")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = saved(network("Softmax"), tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, "m.onnx")


def test_external_weights_are_read_and_kept_inside(tmp_path: Path) -> None:
    model = network("Softmax")
    options = {"save_as_external_data": True, "location": "m.data", "size_threshold": 0}
    path = saved(onnx.ModelProto.FromString(model.SerializeToString()), tmp_path, **options)
    assert (tmp_path / "m.data").stat().st_size > 400
    prepared = prepare(path)
    same_numbers(model, prepared)
    (tmp_path / "m.data").unlink()
    build_gradient(prepared)
    refused(path, "m.onnx", "m.data", "side by side")


def test_more_than_two_gigabytes_are_refused(tmp_path: Path, monkeypatch) -> None:
    path = saved(network(), tmp_path)
    options = {"save_as_external_data": True, "location": "w.data", "size_threshold": 0}
    outside = saved(network(), tmp_path, "outside.onnx", **options)
    monkeypatch.setattr(read, "SIZE_LIMIT", 64)
    refused(path, "GB", "scores only")
    monkeypatch.setattr(read, "SIZE_LIMIT", max(64, outside.stat().st_size))
    (tmp_path / "w.data").write_bytes(bytes(10))
    weights = onnx.load(outside, load_external_data=False)
    weights.graph.initializer[0].dims[0] = 1000
    outside.write_bytes(weights.SerializeToString())
    refused(outside, "GB", "scores only")


def test_half_precision_is_computed_in_float32() -> None:
    model = network("Softmax")
    half = onnx.ModelProto.FromString(model.SerializeToString())
    for tensors in (half.graph.initializer, model.graph.initializer):
        for t in tensors:
            if t.data_type == TensorProto.FLOAT:
                rounded = numpy_helper.to_array(t).astype(np.float16)
                kept = rounded if tensors is half.graph.initializer else rounded.astype(np.float32)
                t.CopyFrom(numpy_helper.from_array(kept, t.name))
    for value in (*half.graph.input, *half.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    same_numbers(model, prepare(half))
    gradient_model = build_gradient(prepare(half))
    assert all(i.data_type != TensorProto.FLOAT16 for i in gradient_model.graph.initializer)


def test_float64_is_computed_in_float32() -> None:
    wide = network("Softmax")
    for t in wide.graph.initializer:
        if t.data_type == TensorProto.FLOAT:
            t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float64), t.name))
    for value in (*wide.graph.input, *wide.graph.output):
        value.type.tensor_type.elem_type = TensorProto.DOUBLE
    same_numbers(network("Softmax"), prepare(wide))


def test_operator_sets_outside_the_range_are_refused() -> None:
    model = network()
    model.opset_import[0].version = 6
    refused(model, "operator set 6", "7 to")
    model.opset_import[0].version = 99
    with pytest.raises(ModelFormatError):
        prepare(model)


def test_an_invalid_graph_is_refused() -> None:
    model = network()
    model.graph.node[0].input[0] = "nowhere"
    refused(model, "not a valid ONNX model")


# ---- inputs --------------------------------------------------------------------------------------


def with_input(model: onnx.ModelProto, *dims: int | str, kind: int = TensorProto.FLOAT):
    value = helper.make_tensor_value_info(model.graph.input[0].name, kind, dims)
    model.graph.input[0].CopyFrom(value)
    return model


def test_two_inputs_are_refused() -> None:
    model = network()
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    refused(model, "2 inputs", "x, other")


@pytest.mark.parametrize(
    ("dims", "kind"),
    [((1, 3, 6), TensorProto.FLOAT), (("N", 3, 6, 6), TensorProto.UINT8), ((), TensorProto.FLOAT)],
)
def test_an_input_that_is_no_image_is_refused(dims: tuple, kind: int) -> None:
    refused(with_input(network(), *dims, kind=kind), '"x"', "expected a float image")


def test_weights_listed_as_inputs_are_no_inputs() -> None:
    model = network()
    for t in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(t.name, t.data_type, t.dims))
    same_numbers(network(), prepare(model))


def test_an_open_image_size_needs_input_shape() -> None:
    model = with_input(network(), "N", 3, "H", "W")
    refused(model, "image size open (3, ?, ?)")
    prepared = prepare(model, input_shape=(3, 6, 6))
    assert prepared.input_shape == (3, 6, 6)
    same_numbers(network(), prepared)
    half_open = with_input(network(), "N", 3, 6, "W")
    assert prepare(half_open, input_shape=(3, 6, 6)).input_shape == (3, 6, 6)
    with pytest.raises(ModelFormatError, match="does not fit"):
        prepare(network(), input_shape=(3, 8, 8))


@pytest.mark.parametrize("batch", [1, 8])
def test_a_fixed_batch_axis_is_opened(batch: int) -> None:
    net = Net(IMAGE)
    y = net.op("Relu", net.op("Conv", "x", net.const(np.ones((2, 3, 3, 3)))))
    y = net.op("Reshape", y, net.ints(batch, 8, 4))
    y = net.op("Reshape", net.op("Tanh", y), net.ints(batch, -1))
    weight = np.random.default_rng(0).normal(size=(32, CLASSES))
    model = net.model(net.op("MatMul", y, net.const(weight)), (batch, CLASSES))
    prepared = prepare(with_input(model, batch, 3, 6, 6))
    seed = np.ones((2, CLASSES), np.float32)
    together = gradient(prepared, IMAGE, seed)["pysal/input_gradient"]
    for i in range(2):
        alone = gradient(prepared, IMAGE[i : i + 1], seed[:1])["pysal/input_gradient"]
        np.testing.assert_allclose(together[i : i + 1], alone, rtol=1e-5, atol=1e-6)
    fixed = np.repeat(IMAGE[:1], batch, axis=0)
    (expected,) = reference(with_input(model, batch, 3, 6, 6), {"x": fixed})
    found = gradient(prepared, fixed, np.ones((batch, CLASSES)))
    np.testing.assert_allclose(found["pysal/logits"], expected, rtol=1e-5)


def test_channels_last_is_turned() -> None:
    model = network("Softmax")
    turn = helper.make_node("Transpose", ["photo"], ["x"], name="turn", perm=[0, 3, 1, 2])
    model.graph.node.insert(0, turn)
    value = helper.make_tensor_value_info("photo", TensorProto.FLOAT, ["N", 6, 6, 3])
    model.graph.input[0].CopyFrom(value)
    prepared = prepare(model)
    assert (prepared.input_name, prepared.input_shape) == ("photo", (3, 6, 6))
    seed = np.ones((2, CLASSES), np.float32)
    given = gradient(prepared, IMAGE, seed)
    expected = gradient(prepare(network("Softmax")), IMAGE, seed)
    for name in ("pysal/logits", "pysal/input_gradient"):
        np.testing.assert_allclose(given[name], expected[name], rtol=1e-5, atol=1e-6)


# ---- outputs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", [9, 13, 18])
@pytest.mark.parametrize(
    ("end", "wide", "kind"),
    [
        ("", False, "logits"),
        ("Softmax", False, "softmax"),
        ("Sigmoid", False, "sigmoid"),
        ("LogSoftmax", False, "softmax"),
        ("Softmax", True, "softmax"),
        ("Sigmoid", True, "sigmoid"),
    ],
)
def test_logits_are_found_before_the_last_activation(end, wide, kind, opset) -> None:
    axis = {"axis": 1} if end.endswith("Softmax") else {}
    prepared = prepare(network(end, opset, wide=wide, **axis))
    assert (prepared.output_kind, prepared.num_classes) == (kind, CLASSES)
    plain = gradient(prepare(network()), IMAGE, np.ones((2, CLASSES)))
    found = gradient(prepared, IMAGE, np.ones((2, CLASSES)))
    np.testing.assert_allclose(found["pysal/logits"], plain["pysal/logits"], rtol=1e-6)
    logits = found["pysal/logits"]
    odds = np.exp(logits)
    expected = odds / odds.sum(1, keepdims=True) if kind != "sigmoid" else odds / (1 + odds)
    np.testing.assert_allclose(found["pysal/probabilities"], expected, rtol=1e-5)


@pytest.mark.parametrize("view", ["Reshape", "Flatten", "Squeeze", "Identity", "Dropout"])
def test_views_behind_the_activation_are_stepped_over(view: str) -> None:
    net = Net(IMAGE)
    y = net.op("Conv", "x", net.const(RNG.normal(size=(CLASSES, 3, 6, 6))))
    p = net.op("Softmax", y, axis=1)
    more = {"Reshape": [-1, CLASSES], "Squeeze": [2, 3]}.get(view)
    out = net.op(view, p, *([net.ints(*more)] if more else []))
    model = net.model(out, ("N", *["d"] * (3 if view in ("Identity", "Dropout") else 1)))
    assert prepare(model).logits == y
    assert prepare(model).output_kind == "softmax"


def test_a_softmax_over_another_axis_is_no_end() -> None:
    net = Net(IMAGE)
    y = net.op("ReduceMean", "x", net.ints(3), keepdims=0)
    y = net.op("Softmax", y, axis=-1)
    model = net.case(y).model
    assert prepare(model).output_kind == "logits"
    assert prepare(model).logits == model.graph.output[0].name


def test_an_output_map_is_no_classifier() -> None:
    net = Net(IMAGE)
    refused(net.model(net.op("Relu", "x"), ("N", 3, 6, 6)), "not an image classifier", "(N, K)")


def test_one_of_several_outputs_is_chosen() -> None:
    model = network("Softmax")
    logits = model.graph.node[-1].input[0]
    feature = model.graph.node[1].output[0]
    info = helper.make_tensor_value_info
    model.graph.output.insert(0, info(feature, TensorProto.FLOAT, ["N", CLASSES, 4, 4]))
    model.graph.output.append(info(logits, TensorProto.FLOAT, ["N", CLASSES]))
    assert prepare(model).output_kind == "softmax"
    assert prepare(model, output=logits).output_kind == "logits"
    with pytest.raises(ModelFormatError, match="has no output"):
        prepare(model, output="scores")
    with pytest.raises(ModelFormatError, match="not an image classifier"):
        prepare(model, output=feature)


def test_the_model_that_was_given_is_not_changed() -> None:
    model = with_input(network("Softmax", opset=9), 1, 3, 6, 6)
    before = model.SerializeToString()
    prepared = prepare(model)
    inner = prepared.model.SerializeToString()
    gradient(prepared, IMAGE, np.ones((2, CLASSES)))
    assert model.SerializeToString() == before
    assert prepared.model.SerializeToString() == inner
