"""Models in 16 bits: where their types change, and what that costs, against float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from checker import Net, run
from onnx import TensorProto, numpy_helper
from zoo import CLASSES, FAMILIES, Member

from pysal.errors import CapabilityError, OptionError
from pysal.export import build_forward, build_gradient, prepare
from pysal.export.passes.cotangent import cotangent_nodes
from pysal.export.passes.half import LARGEST, TYPES, narrow, to_half
from pysal.photos import load_photos
from pysal.preprocess import Preprocess

RNG = np.random.default_rng(3)
CASES = [
    pytest.param(name, precision, marks=() if name == "squeezenet1_1" else pytest.mark.slow)
    for i, name in enumerate(FAMILIES)
    for precision in TYPES
    if precision == "fp16" or i % 2 == 0  # bf16 is the same without scale and range
]
SEEDS = ("pysal/seed", "pysal/seed_probability")


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every value, as the rules of ONNX have it."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    found = {v.name: v.type.tensor_type.elem_type for v in values}
    return found | {i.name: i.data_type for i in graph.initializer}


def one_type_per_node(model: onnx.ModelProto) -> None:
    """Assert that no node but a cast or a Resize mixes float types: TensorRT would refuse it."""
    kinds = types_of(model)
    floats = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16}
    for node in model.graph.node:
        used = {kinds[name] for name in (*node.input, *node.output) if kinds.get(name) in floats}
        assert len(used) <= 1 or node.op_type in ("Cast", "Resize"), (node.op_type, node.name)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (v.reshape(len(v), -1).astype(np.float64) for v in (a, b))
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_families_keep_one_type_per_node(
    name: str, precision: str, member: Callable[[str], Member]
) -> None:
    prepared = prepare(member(name).path)
    for model in (build_forward(prepared), build_gradient(prepared, lowering="portable")):
        half = to_half(model, precision)
        onnx.checker.check_model(half)
        one_type_per_node(half)
        for side in ("input", "output"):
            values = getattr(half.graph, side)
            assert [v.name for v in values] == [v.name for v in getattr(model.graph, side)]
            assert all(v.type.tensor_type.elem_type == TensorProto.FLOAT for v in values)
        formed = cotangent_nodes(half.graph)
        heavy = [
            n
            for n in half.graph.node
            if n.op_type in ("Conv", "Gemm", "MatMul") and n.output[0] not in formed
        ]
        kinds = types_of(half)
        assert heavy
        assert all(kinds[i] == TYPES[precision] for n in heavy for i in n.input if i)


@pytest.mark.parametrize("kind", [0, 1], ids=["logit", "probability"])
@pytest.mark.parametrize(
    "name", ["squeezenet1_1", pytest.param("resnet18", marks=pytest.mark.slow)]
)
def test_gradients_in_fp16_are_those_of_float32(
    name: str, kind: int, member: Callable[[str], Member]
) -> None:
    net = member(name)
    prepared = prepare(net.path)
    model = build_gradient(prepared, lowering="portable")
    one_hot = np.eye(CLASSES, dtype=np.float32)[net.target.numpy()]
    feeds = {prepared.input_name: net.x.numpy()}
    feeds |= {seed: one_hot * (i == kind) for i, seed in enumerate(SEEDS)}
    exact, found = run(model, feeds), run(to_half(model, "fp16"), feeds)
    assert cosines(found["pysal/input_gradient"], exact["pysal/input_gradient"]).min() > 0.99
    for output in ("pysal/logits", "pysal/probabilities"):
        np.testing.assert_allclose(found[output], exact[output], rtol=0.02, atol=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("squeezenet1.1", 0.998), ("mobilenet_v2", 0.975)])
def test_photos_on_real_networks(name: str, least: float, data: Path) -> None:
    file = data / "models" / f"{name}.onnx"
    prepared, record = prepare(file), Preprocess.beside(file)
    assert record is not None
    model = build_gradient(prepared, lowering="portable")
    photos = sorted((data / "photos").rglob("*.jpg"))[:3]  # the probability of the third is 1.000
    x = load_photos(photos, record, prepared.input_shape).batch
    seeds = np.zeros((len(x), prepared.num_classes), np.float32)
    feeds = {prepared.input_name: x, SEEDS[0]: seeds, SEEDS[1]: seeds}
    top = run(model, feeds)["pysal/probabilities"].argmax(1)
    feeds[SEEDS[1]] = np.eye(prepared.num_classes, dtype=np.float32)[top]
    exact, found = (run(m, feeds)["pysal/input_gradient"] for m in (model, to_half(model, "fp16")))
    assert cosines(found, exact).min() > least


def small() -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """A small net, and seeds of two images; the third row asks for nothing."""
    net = Net(RNG.normal(size=(3, 3, 9, 9)))
    y = net.op("Relu", net.op("Conv", "x", net.const(RNG.normal(size=(6, 3, 3, 3)) / 5)))
    prepared = prepare(net.case(y).model)
    model = build_gradient(prepared, lowering="portable", wrt=("input", prepared.layers[0]))
    seeds = np.zeros((3, prepared.num_classes), np.float32)
    seeds[:2, 1] = 1  # rows that are left over ask for nothing
    return model, {prepared.input_name: net.image, SEEDS[0]: 0 * seeds, SEEDS[1]: seeds}


def test_small_gradients_are_no_zeros() -> None:
    model, feeds = small()
    feeds[SEEDS[1]] = feeds[SEEDS[1]] * np.float32(1e-9)
    exact, found = run(model, feeds), run(to_half(model, "fp16"), feeds)
    for name in (o.name for o in model.graph.output if "gradient" in o.name):
        assert 0 < np.abs(exact[name]).max() < 1e-6
        assert cosines(found[name][:2], exact[name][:2]).min() > 0.999, name
        size = np.linalg.norm(exact[name][:2])
        assert abs(np.linalg.norm(found[name][:2]) / size - 1) < 0.01
        np.testing.assert_array_equal(found[name][2], 0)


def test_a_walk_from_a_layer_is_scaled_too() -> None:
    net = Net(RNG.normal(size=(2, 3, 8, 8)))
    y = net.op("Relu", net.op("Conv", "x", net.const(RNG.normal(size=(4, 3, 3, 3)))))
    prepared = prepare(net.case(y).model)
    start = next(layer for layer in prepared.layers if layer.startswith("relu"))
    model = build_gradient(prepared, lowering="portable", start=start)
    signal = RNG.normal(size=(2, 4, 6, 6)).astype(np.float32) * 1e-9
    feeds = {prepared.input_name: net.image, "pysal/seed_layer": signal}
    exact, found = (run(m, feeds)["pysal/input_gradient"] for m in (model, to_half(model, "fp16")))
    assert cosines(found, exact).min() > 0.999


def test_the_softmax_and_its_cotangent_stay_float32() -> None:
    half = to_half(small()[0], "bf16")
    kinds = types_of(half)
    formed = cotangent_nodes(half.graph)
    by_output = {node.output[0]: node.op_type for node in half.graph.node}
    assert {"Softmax", "Mul", "ReduceSum", "Sub", "Add"} <= {by_output[name] for name in formed}
    floats = {name for name in formed if by_output[name] != "Equal"}
    assert all(kinds[name] == TensorProto.FLOAT for name in floats)


def test_constants_that_are_no_half_numbers_are_read_in_float32() -> None:
    net = Net(np.abs(RNG.normal(size=(2, 3, 4, 4))) + 1)
    y = net.op("Add", "x", net.const(1e-7))
    y = net.op("Max", net.op("Mul", y, net.const(1e6)), net.const(-1e30))
    prepared = prepare(net.case(net.op("Div", y, net.const(1e6))).model)
    half = to_half(build_forward(prepared), "fp16")
    one_type_per_node(half)
    kinds = types_of(half)
    seen = {n.op_type: kinds[n.output[0]] for n in half.graph.node}
    assert seen["Add"] == seen["Mul"] == seen["Div"] == TensorProto.FLOAT
    assert seen["Max"] == TensorProto.FLOAT16  # -1e30 becomes the lowest number
    bf16 = to_half(build_forward(prepared), "bf16")
    assert {types_of(bf16)[n.output[0]] for n in bf16.graph.node if n.op_type == "Add"} == {
        TensorProto.BFLOAT16
    }


def test_batch_norm_becomes_scale_and_shift() -> None:
    net = Net(RNG.normal(size=(2, 3, 5, 5)))
    numbers = (RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=3), [1e-9, 2.0, 3e-7])
    weights = [net.const(n) for n in numbers]
    prepared = prepare(net.case(net.op("BatchNormalization", "x", *weights, epsilon=1e-6)).model)
    model = build_forward(prepared)
    half = to_half(model, "fp16")
    assert "BatchNormalization" not in {n.op_type for n in half.graph.node}
    feeds = {prepared.input_name: net.image}
    exact, found = (run(m, feeds)["pysal/logits"] for m in (model, half))
    np.testing.assert_allclose(found, exact, rtol=5e-3, atol=5e-3 * np.abs(exact).max())


@pytest.mark.parametrize("precision", TYPES)
def test_rounding_is_to_the_nearest_and_stays_finite(precision: str) -> None:
    kind = TYPES[precision]
    exact = np.array([1.0, -2.5, 0.1, 3e-6, 1e38, -3.4e38, 65519.0, 0.0], np.float32)
    bits = narrow(exact, kind)
    tensor = onnx.helper.make_tensor("t", kind, bits.shape, bits.tobytes(), raw=True)
    found = numpy_helper.to_array(tensor).astype(np.float64)
    step = 2.0**-11 if precision == "fp16" else 2.0**-8
    within = np.abs(exact) <= LARGEST[kind]
    assert within.sum() >= 5
    np.testing.assert_allclose(found[within], exact[within], rtol=step, atol=2.0**-25)
    np.testing.assert_array_equal(np.abs(found[~within]), LARGEST[kind])
    special = np.array([np.inf, -np.inf, np.nan], np.float32)
    raw = narrow(special, kind).tobytes()
    tensor = onnx.helper.make_tensor("t", kind, (3,), raw, raw=True)
    np.testing.assert_array_equal(numpy_helper.to_array(tensor).astype(np.float32), special)


def test_what_cannot_be_written_in_16_bits_is_said() -> None:
    model = small()[0]
    with pytest.raises(OptionError, match="fp16 or bf16"):
        to_half(model, "fp8")
    branch = onnx.helper.make_graph([], "b", [], [])
    node = onnx.helper.make_node("If", ["c"], ["d"], name="choice", then_branch=branch)
    model.graph.node.append(node)
    with pytest.raises(CapabilityError, match='If "choice" has a graph inside'):
        to_half(model, "fp16")
