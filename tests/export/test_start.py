"""Walks that start at an inner layer, against torch from that layer's activation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from checker import Net, prepare, run
from naive_rules import naive
from table_judge import EXCITATION, LOWERING, RULES, assert_same
from zoo import Member

from pysal.errors import ModelFormatError, OptionError
from pysal.export import build_gradient, save_model
from pysal.prepared import SEED_LAYER

RNG = np.random.default_rng(3)
NET = Net(RNG.uniform(0, 1, size=(3, 3, 11, 10)))
FIRST = NET.op(
    "Relu", NET.op("Conv", "x", NET.const(RNG.normal(size=(4, 3, 3, 3))), strides=[2, 2])
)
POOLED = NET.op("MaxPool", FIRST, kernel_shape=[2, 2], strides=[1, 1])
MAIN = NET.op("Conv", POOLED, NET.const(RNG.normal(size=(4, 4, 3, 3))), pads=[1, 1, 1, 1])
JOINED = NET.op("Relu", NET.op("Add", MAIN, POOLED))
MEAN = NET.op("Flatten", NET.op("GlobalAveragePool", JOINED))
MODEL = NET.case(MEAN).model


def walk(rules: str, lowering: str, start: str, wrt: str, seed: np.ndarray) -> np.ndarray:
    options = {"rules": rules, "lowering": lowering, "wrt": (wrt,), "start": start}
    model = build_gradient(prepare(MODEL), **options)
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == ["x", SEED_LAYER]
    (found,) = run(model, {"x": NET.x, SEED_LAYER: seed}).values()
    return found


@LOWERING
@pytest.mark.parametrize("rules", ["gradient", *RULES])
@pytest.mark.parametrize("start", [FIRST, POOLED, MAIN, JOINED, MEAN])
def test_walk_is_that_of_torch_from_the_layer(start: str, rules: str, lowering: str) -> None:
    shape = (3, *(d.dim_value for d in shape_of(start)[1:]))
    seed = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    seed = np.abs(seed) if rules in EXCITATION else seed
    for wrt in ("input", FIRST, POOLED):
        if wrt == start or (wrt, start) == (POOLED, FIRST):
            continue
        layer = None if wrt == "input" else wrt
        expected = naive(MODEL, rules, NET.x, seed, wrt=layer, start=start)
        assert_same(walk(rules, lowering, start, wrt, seed), expected)


def shape_of(value: str):
    infos = {v.name: v for v in prepare(MODEL).model.graph.value_info}
    return infos[value].type.tensor_type.shape.dim


def test_one_channel_alone() -> None:
    """The start of visual feedback: one channel of a layer carries its own activation."""
    taps = build_gradient(prepare(MODEL), rules="stride1_deconv", start=JOINED, taps=(JOINED,))
    zero = np.zeros((3, 4, 4, 3), np.float32)
    activation = run(taps, {"x": NET.x, SEED_LAYER: zero})[JOINED]
    seed = zero.copy()
    seed[:, 2] = activation[:, 2]
    found = run(taps, {"x": NET.x, SEED_LAYER: seed})["pysal/input_gradient"]
    assert_same(found, naive(MODEL, "stride1_deconv", NET.x, seed, start=JOINED))


def test_what_only_the_logits_need_is_left_out() -> None:
    model = build_gradient(prepare(MODEL), start=FIRST)
    assert {n.op_type for n in model.graph.node} & {"MatMul", "MaxPool", "Softmax"} == set()
    assert [o.name for o in model.graph.output] == ["pysal/input_gradient"]


def test_a_start_that_needs_no_image_keeps_it_as_input(tmp_path: Path) -> None:
    """So that one way of feeding fits every start."""
    net = Net(NET.x)
    conv = net.op("Conv", "x", net.const(RNG.normal(size=(4, 3, 3, 3))))
    prepared = prepare(net.case(net.op("Relu", conv)).model)
    model = build_gradient(prepared, start=conv)
    assert [i.name for i in model.graph.input] == ["x", SEED_LAYER]
    save_model(model, tmp_path / "start.onnx")


@pytest.mark.parametrize("rules", ["guided_backprop", "excitation_backprop"])
def test_exported_networks(rules: str, member: Callable[[str], Member]) -> None:
    net = member("resnet18")
    prepared, model = prepare(net.path), onnx.load(net.path)
    start, wrt = prepared.last_spatial_layer, prepared.spatial_layers[1]
    graph = build_gradient(prepared, rules=rules, start=start, wrt=(wrt,))
    shape = next(i for i in graph.graph.input if i.name == SEED_LAYER).type.tensor_type.shape
    sizes = (2, *(d.dim_value for d in shape.dim[1:]))
    seed = RNG.uniform(0, 1, size=sizes).astype(np.float32)
    x = net.x[:2].numpy()
    (found,) = run(graph, {prepared.input_name: x, SEED_LAYER: seed}).values()
    assert_same(found, naive(model, rules, x, seed, wrt=wrt, start=start), 1e-2)


def test_layers_that_do_not_come_before_are_refused() -> None:
    prepared = prepare(MODEL)
    for wrt in (JOINED, MEAN, MAIN):
        with pytest.raises(OptionError, match=f'"{wrt}" does not come before'):
            build_gradient(prepared, start=MAIN, wrt=(wrt,))
    with pytest.raises(OptionError, match="conv9"):
        build_gradient(prepared, start="conv9")
    with pytest.raises(OptionError, match="conv9"):
        build_gradient(prepared, start=MAIN, wrt=("conv9",))


def test_a_parallel_branch_is_refused() -> None:
    net = Net(NET.x)
    a, b = net.op("Tanh", "x"), net.op("Sigmoid", "x")
    prepared = prepare(net.case(net.op("Add", a, b)).model)
    with pytest.raises(ModelFormatError, match=f"{b} do not depend on {a}"):
        build_gradient(prepared, start=b, wrt=(a,))
