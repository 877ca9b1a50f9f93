"""Chains of concatenations: nested for the backward pass, and no number changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from case_table import FAMILY, drawn, flag, integer, normal
from checker import Net, check, run
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from zoo import Member

from pysal.export import PreparedModel, build, build_forward, build_gradient, prepare
from pysal.export.passes.nest_concats import nest_concats
from pysal.prepared import gradient_name

GROWTH = 2


def dense(net: Net, depth: int, normalized: bool = True) -> list[str]:
    """A dense block, every layer reading all layers before it; returns its concatenations."""
    rng = np.random.default_rng(depth)
    features, joined = ["x"], []
    for layer in range(depth):
        wide = net.x.shape[1] + GROWTH * layer
        if len(features) > 1:
            joined.append(net.op("Concat", *features, axis=1))
        y = joined[-1] if joined else "x"
        if normalized:
            scale = [net.const(rng.uniform(0.5, 1.5, wide)) for _ in range(4)]
            y = net.op("Relu", net.op("BatchNormalization", y, *scale))
        weight = net.const(rng.normal(size=(GROWTH, wide, 3, 3)) / wide)
        features.append(net.op("Conv", y, weight, pads=[1, 1, 1, 1]))
    return [*joined, net.op("Concat", *features, axis=1)]


def concats(model: onnx.ModelProto) -> list[list[str]]:
    return [list(n.input) for n in model.graph.node if n.op_type == "Concat"]


def plain(prepared: PreparedModel, monkeypatch: pytest.MonkeyPatch, **options) -> onnx.ModelProto:
    """The gradient model of the file's own concatenations."""
    with monkeypatch.context() as patch:
        patch.setattr(build, "nest_concats", lambda *args, **options: 0)
        return build_gradient(prepared, **options)


def network(depth: int = 5, **options) -> onnx.ModelProto:
    net = Net(np.random.default_rng(1).normal(size=(2, 3, 5, 4)))
    last = dense(net, depth, **options)[-1]
    return net.case(net.op("Tanh", last)).model


def feeds_of(prepared: PreparedModel) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, *prepared.input_shape)).astype(np.float32)
    seed = rng.normal(size=(2, prepared.num_classes)).astype(np.float32)
    zero = np.zeros_like(seed)
    return {prepared.input_name: x, "pysal/seed": seed, "pysal/seed_probability": zero}


def test_every_layer_reads_the_one_before() -> None:
    model = prepare(network()).model
    files = concats(model)
    assert nest_concats(model) == 4
    assert [len(parts) for parts in files] == [2, 3, 4, 5, 6]
    joined = [n.output[0] for n in model.graph.node if n.op_type == "Concat"]
    assert concats(model) == [files[0]] + [
        [a, f[-1]] for a, f in zip(joined, files[1:], strict=False)
    ]


@pytest.mark.parametrize("lowering", ["ort", "portable"])
def test_pieces_grow_with_the_depth_and_not_with_its_square(lowering, monkeypatch) -> None:
    prepared = prepare(network(8))
    nested = build_gradient(prepared, lowering=lowering)
    before = plain(prepared, monkeypatch, lowering=lowering)
    slices = [sum(n.op_type == "Slice" for n in m.graph.node) for m in (before, nested)]
    assert slices[0] >= 30
    assert slices[1] <= 16


@pytest.mark.parametrize("lowering", ["ort", "portable"])
@pytest.mark.parametrize("normalized", [True, False])
def test_scores_stay_to_the_bit_and_gradients_at_all_layers(
    lowering: str, normalized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(network(normalized=normalized))
    feeds = feeds_of(prepared)
    layers = [layer for layer in prepared.layers if layer != prepared.logits]
    for wrt in (("input",), *[("input", layer) for layer in layers], ("input", *layers)):
        options = {"lowering": lowering, "wrt": wrt}
        found = run(build_gradient(prepared, **options), feeds)
        expected = run(plain(prepared, monkeypatch, **options), feeds)
        assert set(found) == set(expected) >= {gradient_name(w) for w in wrt}
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6, err_msg=name)
    scores = run(build_forward(prepared), {prepared.input_name: feeds[prepared.input_name]})
    np.testing.assert_array_equal(found["pysal/logits"], scores["pysal/logits"])


def test_a_concatenation_whose_cotangent_is_asked_gets_no_new_reader() -> None:
    model = prepare(network()).model
    asked = [n.output[0] for n in model.graph.node if n.op_type == "Concat"][2]
    assert nest_concats(model, [asked]) == 4  # the next one reads the one before
    assert not any(asked in parts for parts in concats(model))


def test_images_of_convs_are_left_to_the_lowering_that_cuts_convs(monkeypatch) -> None:
    prepared = prepare(network(normalized=False))
    kept = plain(prepared, monkeypatch, lowering="ort")
    assert build_gradient(prepared, lowering="ort") == kept
    other = plain(prepared, monkeypatch, lowering="portable")
    assert len(build_gradient(prepared, lowering="portable").graph.node) < len(other.graph.node)


def test_a_walk_from_a_layer_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare(network())
    feeds = feeds_of(prepared)
    rng = np.random.default_rng(3)
    for start in [n.output[0] for n in prepared.model.graph.node if n.op_type == "Concat"]:
        shape = [2, *(prepared.shape(start) or ())[1:]]
        given = {
            prepared.input_name: feeds[prepared.input_name],
            "pysal/seed_layer": rng.normal(size=shape).astype(np.float32),
        }
        found = run(build_gradient(prepared, start=start), given)
        expected = run(plain(prepared, monkeypatch, start=start), given)
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6)


def test_what_is_no_chain_stays() -> None:
    net = Net(np.random.default_rng(1).normal(size=(2, 3, 4, 4)))
    a, b = net.op("Tanh", "x"), net.op("Sigmoid", "x")
    parts = [
        net.op("Concat", a, b, axis=1),
        net.op("Concat", b, a, "x", axis=1),  # another order
        net.op("Concat", a, b, "x", axis=2),  # another axis
        net.op("Concat", a, b, axis=1),  # nothing new
    ]
    sums = [net.op("ReduceSum", p, net.ints(1, 2, 3)) for p in parts]
    model = prepare(net.case(net.op("Sum", *sums)).model).model
    before = model.SerializeToString(deterministic=True)
    assert nest_concats(model) == 0
    assert model.SerializeToString(deterministic=True) == before


def test_integer_kernels_keep_their_concatenations() -> None:
    net = Net(np.random.default_rng(1).normal(size=(2, 3, 4, 4)))
    scale, zero = net.const(0.05), net.const(128, np.uint8)
    integers = [
        net.op("QuantizeLinear", net.op(f, "x"), scale, zero) for f in ("Tanh", "Sin", "Cos")
    ]
    a, b, c = (net.op("DequantizeLinear", q, scale, zero) for q in integers)
    joined = [net.op("Concat", a, b, axis=1), net.op("Concat", a, b, c, axis=1)]
    sums = [net.op("ReduceSum", value, net.ints(1, 2, 3)) for value in joined]
    model = prepare(net.case(net.op("Sum", *sums)).model).model
    assert [len(parts) for parts in concats(model)] == [2, 3]
    assert nest_concats(model) == 0


def test_axes_may_be_counted_from_the_end_and_sizes_are_left_alone() -> None:
    net = Net(np.random.default_rng(1).normal(size=(2, 3, 4, 4)))
    a, b = net.op("Tanh", "x"), net.op("Sigmoid", "x")
    short, long = net.op("Concat", a, b, axis=-3), net.op("Concat", a, b, "x", axis=1)
    y = net.op(
        "Add", net.op("ReduceSum", short, net.ints(1)), net.op("ReduceMax", long, net.ints(1))
    )
    check(net.case(y))
    model = prepare(net.case(y).model).model
    assert nest_concats(model) == 1
    one, two, three = (net.ints(i) for i in (1, 2, 3))
    sizes = [
        helper.make_node("Concat", [one, two], ["s"], axis=0),
        helper.make_node("Concat", [one, two, three], ["t"], axis=0),
    ]
    model.graph.node.extend(sizes)
    assert nest_concats(model) == 0


@drawn(25)
@given(draws=st.data(), lowering=FAMILY)
def test_random_chains_are_differentiated(draws: st.DataObject, lowering: str) -> None:
    draw = draws.draw
    net = Net(normal(draw, 2, 3, 4, 3))
    axis = integer(draw, 1, 3)
    values = ["x"]
    for _ in range(integer(draw, 2, 5)):
        start = integer(draw, 0, 1) if len(values) > 2 else 0
        used = values[start:]
        joined = net.op("Concat", *used, axis=axis) if len(used) > 1 else used[0]
        axes = net.ints(axis)
        size = net.op("ReduceMean", joined, axes, keepdims=1)
        values.append(net.op("Mul", values[integer(draw, 0, len(values) - 1)], size))
        if flag(draw):
            values.append(net.op("Tanh", values[-1]))
    check(net.case(net.op("Concat", *values, axis=axis)), lowering)


@pytest.mark.slow
@pytest.mark.parametrize("lowering", ["ort", "portable"])
def test_densenet_of_torchvision(
    lowering: str, member: Callable[[str], Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(member("densenet121").path)
    feeds = feeds_of(prepared)
    nested = build_gradient(prepared, lowering=lowering)
    before = plain(prepared, monkeypatch, lowering=lowering)
    assert len(nested.graph.node) < len(before.graph.node)
    found, expected = run(nested, feeds), run(before, feeds)
    np.testing.assert_array_equal(found["pysal/logits"], expected["pysal/logits"])
    g = expected["pysal/input_gradient"]
    assert np.linalg.norm(found["pysal/input_gradient"] - g) <= 1e-5 * np.linalg.norm(g)
