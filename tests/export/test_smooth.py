"""Smooth activations and gates behind Convs, where ONNX Runtime has forms of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
import torch.nn.functional as F
from checker import CLASSES, Net, gradient, prepare
from table_judge import LOWERING, assert_same, seeds

from pysal.export import build_gradient

CHANNELS = 16


def conv(net: Net, x: str, channels: int, seed: int) -> tuple[str, torch.Tensor]:
    """A 1 x 1 Conv, and its weight."""
    shape = (CHANNELS, channels, 1, 1)
    weight = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return net.op("Conv", x, net.const(weight)), torch.from_numpy(weight).double()


def silu(net: Net, x: str) -> str:
    return net.op("Mul", x, net.op("Sigmoid", x))


def hard_swish(net: Net, x: str) -> str:
    return net.op("HardSwish", x)


def hard_swish_in_torch(x: torch.Tensor) -> torch.Tensor:
    return F.hardswish(x)


PAIRS: dict[str, tuple[Callable[[Net, str], str], Callable[[torch.Tensor], torch.Tensor]]] = {
    "silu": (silu, F.silu),
    "hard_swish": (hard_swish, hard_swish_in_torch),
}


def true_gradient(net: Net, function: Any) -> tuple[onnx.ModelProto, np.ndarray, np.ndarray]:
    """Model, seed, and torch's gradient of a function that gives the last value of `net`."""
    case = net.case(net.nodes[-1].output[0])
    weight = onnx.numpy_helper.to_array(net.weights[-1]).astype(np.float64)
    seed = seeds("", len(net.x))
    x = torch.from_numpy(net.x).double().requires_grad_()
    y = function(x)
    dy = torch.from_numpy(seed @ weight.T).reshape(y.shape)
    (dx,) = torch.autograd.grad(y, x, dy)
    return case.model, seed, dx.numpy()


@LOWERING
@pytest.mark.parametrize("rank", [4, 2])
@pytest.mark.parametrize("name", PAIRS)
def test_activation_behind_a_conv_and_of_tokens(name: str, rank: int, lowering: str) -> None:
    write, function = PAIRS[name]
    net = Net(4 * np.random.default_rng(0).normal(size=(2, 3, 7, 5)))
    z, weight = conv(net, "x", 3, 1)
    if rank == 2:
        z = net.op("Flatten", z)

    def network(x: torch.Tensor) -> torch.Tensor:
        z = F.conv2d(x, weight)
        return function(z.flatten(1) if rank == 2 else z)

    write(net, z)
    model, seed, expected = true_gradient(net, network)
    found = gradient(prepare(model), net.x, seed, lowering=lowering)
    assert_same(found["pysal/input_gradient"], expected, 1e-6)


@LOWERING
def test_hard_swish_is_flat_below_and_straight_above(lowering: str) -> None:
    """Exactly zero and, to the last digit or two, one; also far away."""
    far = np.array([-1e6, -50.0, -3.5, -3.0001, 3.0001, 3.5, 50.0, 1e6], np.float32)
    net = Net(np.ones((1, 1, 1, 1)))
    z = net.op("Conv", "x", net.const(far.reshape(-1, 1, 1, 1)))
    model = net.case(hard_swish(net, z)).model
    prepared = prepare(model)
    seed = np.random.default_rng(5).normal(size=(1, CLASSES)).astype(np.float32)
    found = gradient(prepared, net.x, seed, lowering=lowering, wrt=[z])
    found_z = found[f"pysal/gradient/{z}"].reshape(-1)
    dy = (seed @ onnx.numpy_helper.to_array(net.weights[-1]).T).reshape(-1)
    assert not found_z[:4].any()
    np.testing.assert_allclose(found_z[4:], dy[4:], rtol=1e-6)


@LOWERING
def test_the_gradient_of_a_silus_own_gate(lowering: str) -> None:
    """Where the gate is asked for, the product is taken apart."""
    net = Net(np.random.default_rng(2).normal(size=(2, 3, 4, 5)))
    z, weight = conv(net, "x", 3, 3)
    gate = net.op("Sigmoid", z)
    net.op("Mul", gate, z)
    model, seed, expected = true_gradient(net, lambda x: F.silu(F.conv2d(x, weight)))
    found = gradient(prepare(model), net.x, seed, lowering=lowering, wrt=["input", gate])
    assert_same(found["pysal/input_gradient"], expected, 1e-6)
    head = onnx.numpy_helper.to_array(net.weights[-1]).astype(np.float64)
    value = F.conv2d(torch.from_numpy(net.x).double(), weight).numpy()
    dy = (seed @ head.T).reshape(value.shape)
    assert_same(found[f"pysal/gradient/{gate}"], dy * value, 1e-6)


@LOWERING
@pytest.mark.parametrize("gate_first", [False, True])
def test_squeeze_and_excitation(gate_first: bool, lowering: str) -> None:
    net = Net(np.random.default_rng(6).normal(size=(2, 3, 6, 5)))
    z, first = conv(net, "x", 3, 7)
    a = silu(net, z)
    mean = net.op("ReduceMean", a, net.ints(2, 3)) if gate_first else net.op("GlobalAveragePool", a)
    squeezed, second = conv(net, mean, CHANNELS, 8)
    gate = net.op("Sigmoid", squeezed)
    product = net.op("Mul", *((gate, a) if gate_first else (a, gate)))
    _, third = conv(net, product, CHANNELS, 9)

    def network(x: torch.Tensor) -> torch.Tensor:
        a = F.silu(F.conv2d(x, first))
        gate = torch.sigmoid(F.conv2d(a.mean((2, 3), keepdim=True), second))
        return F.conv2d(a * gate, third)

    model, seed, expected = true_gradient(net, network)
    found = gradient(prepare(model), net.x, seed, lowering=lowering)
    assert_same(found["pysal/input_gradient"], expected, 1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_the_blocked_layout_is_kept(name: str, tmp_path: Path) -> None:
    """ONNX Runtime brings values back to NCHW at the two ends of the network only."""
    net = Net(np.random.default_rng(0).normal(size=(2, 3, 6, 6)))
    y, channels = "x", 3
    for layer in range(4):
        y, _ = conv(net, y, channels, layer)
        y, channels = PAIRS[name][0](net, y), CHANNELS
    model = build_gradient(prepare(net.case(y).model), lowering="ort")
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    options.add_free_dimension_override_by_name("N", 1)
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    reorders = [node for node in nodes if node.op_type == "ReorderOutput"]
    assert len(reorders) <= 4
