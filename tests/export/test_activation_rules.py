"""Activations under the tables that treat them in their own way."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from checker import Net, gradient, prepare
from naive_rules import ACTIVATIONS
from table_judge import LOWERING, agree, assert_same, seeds


@LOWERING
@pytest.mark.parametrize("op_type", ACTIVATIONS)
@pytest.mark.parametrize("rules", ["guided_backprop", "deconvnet"])
def test_activations(rules: str, op_type: str, lowering: str) -> None:
    net = Net(3 * np.random.default_rng(2).normal(size=(2, 3, 6, 5)))
    more = {"Clip": [0.0, 6.0], "PRelu": [np.full((3, 1, 1), 0.3)]}.get(op_type, [])
    agree(net.case(net.op(op_type, "x", *map(net.const, more))), rules, lowering)


def silu(net: Net) -> str:
    return net.op("Mul", "x", net.op("Sigmoid", "x"))


def hard_swish(net: Net) -> str:
    gate = net.op("Clip", net.op("Add", "x", net.const(3.0)), net.const(0.0), net.const(6.0))
    return net.op("Mul", net.op("Div", gate, net.const(6.0)), "x")


def gelu(net: Net) -> str:
    inner = net.op("Erf", net.op("Div", "x", net.const(np.sqrt(2.0))))
    whole = net.op("Mul", "x", net.op("Add", inner, net.const(1.0)))
    return net.op("Mul", net.const(0.5), whole)


def mish(net: Net) -> str:
    return net.op("Mul", "x", net.op("Tanh", net.op("Softplus", "x")))


GATED = {silu: F.silu, hard_swish: F.hardswish, gelu: F.gelu, mish: F.mish}


@LOWERING
@pytest.mark.parametrize("write", GATED, ids=lambda f: f.__name__)
def test_products_with_their_own_gate_are_activations(write: Any, lowering: str) -> None:
    net = Net(3 * np.random.default_rng(3).normal(size=(2, 3, 6, 5)))
    case = net.case(write(net))
    weight = onnx.numpy_helper.to_array(net.weights[-1]).astype(np.float64)
    seed = seeds("", 2)
    dy = torch.from_numpy((seed @ weight.T).reshape(net.x.shape))
    x = torch.from_numpy(net.x).double().requires_grad_()
    (true,) = torch.autograd.grad(GATED[write](x), x, dy)
    factor = 0.5 if write is gelu else 1.0  # the constant behind the product is not part of it
    for rules, expected in (
        ("guided_backprop", true.clamp(min=0)),
        ("deconvnet", factor * dy.clamp(min=0)),
    ):
        found = gradient(prepare(case.model), net.x, seed, rules=rules, lowering=lowering)
        assert_same(found["pysal/input_gradient"], expected.numpy())


OPERATORS = {"Gelu": (F.gelu, 20), "Mish": (F.mish, 18), "Swish": (F.silu, 24)}


@LOWERING
@pytest.mark.parametrize("op_type", OPERATORS)
def test_gated_activations_that_are_one_operator(op_type: str, lowering: str) -> None:
    function, opset = OPERATORS[op_type]
    net = Net(3 * np.random.default_rng(3).normal(size=(2, 3, 6, 5)), opset)
    case = net.case(net.op(op_type, "x"))
    weight = onnx.numpy_helper.to_array(net.weights[-1]).astype(np.float64)
    seed = seeds("", 2)
    dy = torch.from_numpy((seed @ weight.T).reshape(net.x.shape))
    x = torch.from_numpy(net.x).double().requires_grad_()
    (true,) = torch.autograd.grad(function(x), x, dy)
    for rules, expected in (("guided_backprop", true), ("deconvnet", dy)):
        found = gradient(prepare(case.model), net.x, seed, rules=rules, lowering=lowering)
        assert_same(found["pysal/input_gradient"], expected.clamp(min=0).numpy())


@LOWERING
def test_gates_of_squeeze_and_excitation_keep_their_gradient(lowering: str) -> None:
    rng = np.random.default_rng(4)
    net = Net(rng.normal(size=(2, 3, 6, 5)))
    mean = net.op("GlobalAveragePool", "x")
    gate = net.op("Sigmoid", net.op("Conv", mean, net.const(rng.normal(size=(3, 3, 1, 1)))))
    case = net.case(net.op("Mul", "x", gate))
    for rules in ("guided_backprop", "deconvnet"):
        agree(case, rules, lowering)
