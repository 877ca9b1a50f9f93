"""Class activation maps on token grids, against torch with hooks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from checker import Net
from torch import Tensor, nn
from zoo import Member

from pysal import Target
from pysal.backends import open_classifier
from pysal.export import prepare
from pysal.methods.gradcam import gradcam, gradcam_pp, wgradcam
from pysal.methods.scorecam import scorecam


def hooked(net: Member, layer: nn.Module, which: str) -> tuple[Tensor, Tensor]:
    """Activation and gradient of the target's logit at a layer's input or output, float64."""
    kept: list[Tensor] = []
    model = net.net.double()

    def keep(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        value = given[0] if which == "input" else output
        kept.append(value)
        value.retain_grad()

    handle = layer.register_forward_hook(keep)
    try:
        x = net.x.double().requires_grad_()
        model(x).gather(1, net.target[:, None]).sum().backward()
    finally:
        handle.remove()
        model.float()
    assert kept[0].grad is not None
    return kept[0].detach(), kept[0].grad


def naive_gradcam(activation: Tensor, grad: Tensor) -> np.ndarray:
    """(N, D, h, w) to (N, h, w)."""
    return (grad.mean((2, 3), keepdim=True) * activation).sum(1).clamp(min=0).numpy()


def naive_gradcam_pp(activation: Tensor, grad: Tensor) -> np.ndarray:
    total = activation.sum((2, 3), keepdim=True)
    share = grad**2 / (2 * grad**2 + total * grad**3 + 1e-6)
    weight = (share * grad.clamp(min=0)).sum((2, 3), keepdim=True)
    return (weight * activation).sum(1).clamp(min=0).numpy()


def naive_wgradcam(activation: Tensor, grad: Tensor) -> np.ndarray:
    weight = (grad * activation).mean((2, 3), keepdim=True)
    return (weight * activation).sum(1).clamp(min=0).numpy()


NAIVE = {gradcam: naive_gradcam, gradcam_pp: naive_gradcam_pp, wgradcam: naive_wgradcam}


def patches(value: Tensor) -> Tensor:
    """Tokens (N, 1 + 16, D) of a ViT to (N, D, 4, 4)."""
    return value[:, 1:].unflatten(1, (4, 4)).permute(0, 3, 1, 2)


def assert_maps(net: Member, layer: str | None, activation: Tensor, grad: Tensor) -> None:
    clf = open_classifier(net.path)
    target = Target(net.target.numpy())
    for method, naive in NAIVE.items():
        found = method(clf, net.x.numpy(), target, layer=layer, normalize=False)
        expected = naive(activation, grad)
        assert expected.any(axis=(1, 2)).sum() > len(expected) // 2
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found.native, expected, atol=1e-3 * scale, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:.*speaks for the class")
def test_vit(member: Callable[[str], Member]) -> None:
    """The default is what the last attention block reads."""
    net = member("vit")
    prepared = prepare(net.path)
    layer = prepared.last_spatial_layer
    assert prepared.grids[layer] == (1, 4, 4)
    activation, grad = hooked(net, net.net.encoder.layers[-1].ln_1, "input")
    assert grad[:, 1:].abs().max() > 0
    assert_maps(net, None, patches(activation), patches(grad))


@pytest.mark.filterwarnings("ignore:.*speaks for the class")
def test_swin(member: Callable[[str], Member]) -> None:
    """Its default is channels first already; the blocks before have channels last."""
    net = member("swin")
    prepared = prepare(net.path)
    assert prepared.last_spatial_layer not in prepared.grids
    activation, grad = (v.permute(0, 3, 1, 2) for v in hooked(net, net.net.norm, "output"))
    assert_maps(net, None, activation, grad)
    last = [n for n in prepared.grids if prepared._graph.producer(n).op_type == "Add"][-1]
    assert prepared.grids[last] == (0, 4, 4)
    activation, grad = (v.permute(0, 3, 1, 2) for v in hooked(net, net.net.norm, "input"))
    assert_maps(net, last, activation, grad)


def test_scorecam_takes_token_grids(member: Callable[[str], Member]) -> None:
    net = member("vit")
    clf = open_classifier(net.path)
    found = scorecam(clf, net.x[:1].numpy(), Target(net.target[:1].numpy()))
    assert found.native.shape == (1, 4, 4)
    assert found.map.shape == (1, 32, 32)


def tokens(net: Net, behind: bool) -> str:
    """Patches (N, 3, 4, 5) as 20 tokens, and two class tokens in front or behind."""
    flat = net.op("Reshape", "x", net.ints(0, 3, 20))
    turned = net.op("Transpose", flat, perm=[0, 2, 1])
    own = net.op("Slice", net.op("Tanh", turned), net.ints(0), net.ints(2), net.ints(1))
    zero = net.op("Mul", own, net.const(0.0))
    return net.op("Concat", *([turned, zero] if behind else [zero, turned]), axis=1)


@pytest.mark.parametrize("behind", [False, True])
def test_where_the_grid_is(behind: bool) -> None:
    net = Net(np.random.default_rng(0).normal(size=(1, 3, 4, 5)))
    both = tokens(net, behind)
    scaled = net.op("Mul", both, net.const(np.ones((22, 1))))
    mean = net.op("ReduceMean", scaled, net.ints(1), keepdims=0)
    prepared = prepare(net.model(net.op("MatMul", mean, net.const(np.ones((3, 4)))), ("N", 4)))
    assert prepared.grids[scaled] == (0 if behind else 2, 4, 5)
    assert prepared.last_spatial_layer == scaled


def test_tokens_in_another_order_have_no_grid() -> None:
    net = Net(np.random.default_rng(0).normal(size=(1, 3, 4, 5)))
    both = tokens(net, False)
    mixed = net.op("Gather", both, net.const(np.arange(22)[::-1].copy(), np.int64), axis=1)
    mean = net.op("ReduceMean", mixed, net.ints(1), keepdims=0)
    prepared = prepare(net.model(net.op("MatMul", mean, net.const(np.ones((3, 4)))), ("N", 4)))
    assert mixed not in prepared.grids
