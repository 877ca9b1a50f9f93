"""Excitation backpropagation: conservation, skips, zero over zero, forms of matrix products."""

from __future__ import annotations

import numpy as np
import pytest
from checker import Net, gradient, prepare, run
from naive_rules import excitation, main_add
from table_judge import EXCITATION, LOWERING, agree, assert_same, seeds

from pysal.export import build_forward, build_gradient
from pysal.prepared import SEED_LAYER


def test_the_skip_is_found_on_either_side() -> None:
    rng = np.random.default_rng(0)
    for place in (0, 1):
        for projected in (False, True):
            net = Net(np.abs(rng.normal(size=(2, 3, 7, 7))))
            weights = [net.const(rng.normal(size=(3, 3, 1, 1))) for _ in range(3)]
            main = net.op("Relu", net.op("Conv", "x", weights[0]))
            main = net.op("Conv", main, weights[1])
            skip = net.op("Conv", "x", weights[2]) if projected else "x"
            pair = (skip, main) if place else (main, skip)
            case = net.case(net.op("Relu", net.op("Add", *pair)))
            replica = {**excitation(), "Add": main_add(place)}
            agree(case, "excitation_backprop_main", "ort", replica)


def test_branches_of_equal_length_share() -> None:
    rng = np.random.default_rng(1)
    net = Net(np.abs(rng.normal(size=(2, 3, 7, 7))))
    a, b = (net.op("Conv", "x", net.const(rng.normal(size=(3, 3, 1, 1)))) for _ in range(2))
    case = net.case(net.op("Relu", net.op("Add", a, b)))
    agree(case, "excitation_backprop_main", "ort", excitation())


@LOWERING
@pytest.mark.parametrize("rules", ["excitation_backprop", "excitation_backprop_main"])
def test_the_signal_is_conserved(rules: str, lowering: str) -> None:
    rng = np.random.default_rng(8)
    net = Net(rng.uniform(0.1, 1, size=(3, 3, 12, 12)))
    x = net.op("Conv", "x", net.const(rng.normal(size=(6, 3, 3, 3))), strides=[2, 2], pads=[1] * 4)
    x = net.op("MaxPool", net.op("Relu", x), kernel_shape=[3, 3], strides=[1, 1])
    y = net.op("Conv", x, net.const(rng.normal(size=(6, 6, 3, 3))), pads=[1] * 4)
    x = net.op("AveragePool", net.op("Relu", net.op("Add", y, x)), kernel_shape=[2, 2])
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    model = net.model(net.op("MatMul", x, net.const(rng.normal(size=(6, 4)))), ("N", 4))
    seed = np.abs(rng.normal(size=(3, 4))).astype(np.float32)
    found = gradient(prepare(model), net.x, seed, rules=rules, lowering=lowering)
    total = found["pysal/input_gradient"].sum(axis=(1, 2, 3))
    np.testing.assert_allclose(total, seed.sum(1), rtol=1e-4)


@LOWERING
def test_what_excites_nothing_gets_nothing(lowering: str) -> None:
    """Zero over zero: a unit without positive weights, and an image that is black."""
    weight = -np.ones((4, 3, 3, 3))
    weight[2:] = np.random.default_rng(9).normal(size=(2, 3, 3, 3))
    for value in (0.0, 1.0):
        net = Net(np.full((1, 3, 5, 5), value))
        conv = net.op("Conv", "x", net.const(weight), pads=[1, 1, 1, 1])
        case = net.case(net.op("Add", conv, conv))
        for rules in EXCITATION:
            options = {"rules": rules, "lowering": lowering}
            found = gradient(prepare(case.model), case.x, seeds(rules, 1), **options)
            assert np.isfinite(found["pysal/input_gradient"]).all()


@LOWERING
@pytest.mark.parametrize("rules", EXCITATION)
def test_matrix_products_in_all_forms(rules: str, lowering: str) -> None:
    rng = np.random.default_rng(10)
    for alpha, turned in ((1.0, 0), (-0.5, 1)):
        net = Net(rng.uniform(0, 1, size=(2, 3, 2, 2)))
        flat = net.op("Flatten", "x")
        weight = rng.normal(size=(5, 12) if turned else (12, 5))
        bias = net.const(rng.normal(size=5))
        y = net.op("Gemm", flat, net.const(weight), bias, alpha=alpha, beta=2.0, transB=turned)
        y = net.op("MatMul", net.op("Relu", y), net.const(rng.normal(size=(5, 5))))
        y = net.op("Relu", net.op("Add", y, net.const(rng.normal(size=5))))
        agree(net.case(y), rules, lowering)


def test_constant_factors_pass_the_signal_on() -> None:
    net = Net(np.random.default_rng(11).uniform(0, 1, size=(2, 3, 4, 4)))
    scaled = net.op("Mul", net.const(np.full((3, 1, 1), 7.0)), "x")
    scaled = net.op("Div", scaled, net.const(3.0))
    case, plain = net.case(scaled), Net(7.0 / 3.0 * net.x)
    seed, name = seeds("excitation", 2), "pysal/input_gradient"
    seed = np.abs(seed)
    found = gradient(prepare(case.model), case.x, seed, rules="excitation_backprop")[name]
    other = plain.case(plain.op("Identity", "x"))
    expected = gradient(prepare(other.model), plain.x, seed, rules="excitation_backprop")[name]
    assert_same(found, expected)


@LOWERING
def test_contrast_is_the_difference_of_two_walks(lowering: str) -> None:
    """Down to the input of the last linear layer with W and with -W, then on from there."""
    rng = np.random.default_rng(12)
    net = Net(rng.uniform(0, 1, size=(2, 3, 5, 5)))
    conv = net.op("Relu", net.op("Conv", "x", net.const(rng.normal(size=(6, 3, 3, 3)))))
    hidden = net.op("Flatten", net.op("GlobalAveragePool", conv))
    weight = rng.normal(size=(6, 4)).astype(np.float32)
    model = net.model(net.op("Gemm", hidden, net.const(weight)), ("N", 4))
    prepared, seed = prepare(model), np.eye(4, dtype=np.float32)[[1, 2]]
    assert prepared.contrast_layer == hidden
    a = run(build_forward(prepared, taps=(hidden,)), {"x": net.x})[hidden]
    signals = []
    for rules, sign in (("excitation_backprop", 1), ("excitation_negated", -1)):
        options = {"rules": rules, "wrt": (hidden,), "lowering": lowering}
        found = gradient(prepared, net.x, seed, **options)[f"pysal/gradient/{hidden}"]
        own = a * np.maximum(sign * weight.T[[1, 2]], 0)
        assert_same(found, own / own.sum(1, keepdims=True))
        signals.append(found)
    options = {"rules": "excitation_backprop", "start": hidden, "wrt": (conv,)}
    graph = build_gradient(prepared, lowering=lowering, **options)
    contrast = signals[0] - signals[1]
    (found,) = run(graph, {"x": net.x, SEED_LAYER: contrast}).values()
    np.testing.assert_allclose(found.sum((2, 3)), contrast, atol=1e-5)
