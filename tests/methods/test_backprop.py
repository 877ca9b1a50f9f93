"""Guided backpropagation, deconvnet, stride-1 deconv, activation maps, excitation: the methods.

The rule tables have tests of their own in tests/export; here is what is made of them.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pooled import BATCH, INDEX, X, write_network
from pooled_torch import pooled_module
from toy_layers import LayeredToy

from pysal.backends.ort import OrtClassifier
from pysal.errors import CapabilityError, OptionError
from pysal.methods.activation_map import activation_map
from pysal.methods.backprop import deconvnet, guided_backprop, stride1_deconv
from pysal.methods.excitation_backprop import default_layer, excitation_backprop
from pysal.types import ModelInfo, Passes, Target

TARGET = Target(INDEX, "logit")
pytestmark = pytest.mark.filterwarnings("ignore:.*below 0.01")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def clf(path):
    return OrtClassifier(path, threads=2)


def hooked(path, active: bool) -> np.ndarray:
    """Signals (N, C, H, W) by rewriting what leaves each ReLU of a torch module."""

    class Relu(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g.clamp(min=0) * (x > 0) if active else g.clamp(min=0)

    net = pooled_module(path).double()
    net.r1.forward = net.r2.forward = Relu.apply
    x = torch.from_numpy(X).double().requires_grad_()
    score = net(x)[torch.arange(BATCH), torch.from_numpy(INDEX)].sum()
    return torch.autograd.grad(score, x)[0].numpy()


@pytest.mark.parametrize("method", [guided_backprop, deconvnet])
@pytest.mark.parametrize("kind", ["logit", "probability"])
def test_signals_are_those_of_hooks(path, clf, method, kind: str) -> None:
    expected = hooked(path, method is guided_backprop)
    found = method(clf, X, Target(INDEX, kind), channels=True)
    signal = found.trace["channels"]
    np.testing.assert_allclose(signal, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(found.native, np.abs(signal).max(axis=1))
    assert found.target.kind == kind
    assert found.passes == Passes(BATCH * (1 + (kind != "logit")), BATCH)


def test_without_strides_stride1_deconv_is_guided_backprop(clf) -> None:
    raw = guided_backprop(clf, X, TARGET, channels=True).trace["channels"]
    found = stride1_deconv(clf, X, TARGET, channels=True)
    np.testing.assert_allclose(found.trace["channels"], raw, rtol=1e-5, atol=1e-7)
    size = np.sqrt((np.maximum(raw, 0) ** 2).sum(axis=1))
    low, high = size.min(axis=(1, 2), keepdims=True), size.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found.native, (size - low) / (high - low), atol=1e-5)


def test_pools_are_resampled_where_asked(clf) -> None:
    plain = stride1_deconv(clf, X, TARGET, channels=True).trace["channels"]
    pools = stride1_deconv(clf, X, TARGET, channels=True, resample_pool=True).trace["channels"]
    assert np.abs(plain - pools).max() > 1e-3 * np.abs(plain).max()


def test_activation_maps(clf) -> None:
    seen = clf.activations(X, ["r2"])["r2"]
    found = activation_map(clf, X, TARGET, channel=3)
    expected = seen[:, 3]
    low, high = expected.min(axis=(1, 2), keepdims=True), expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(
        found.native, (expected - low) / np.where(high > low, high - low, 1), atol=1e-6
    )
    strongest = activation_map(clf, X, TARGET).trace["channel"]
    np.testing.assert_array_equal(strongest, (seen**2).sum(axis=(2, 3)).argmax(axis=1))
    with pytest.raises(OptionError, match=r'channel is 8; layer "r2" has 0 to 7'):
        activation_map(clf, X, TARGET, channel=8)


def naive_excitation(path, negate: bool = False) -> np.ndarray:
    """Signal at r1 (N, K, H, W), by the formula; `negate` turns the last linear layer over."""
    net = pooled_module(path).double()
    with torch.no_grad():
        r1 = torch.relu(net.c1(torch.from_numpy(X).double()))
        m1, where = torch.nn.functional.max_pool2d(r1, 3, 2, return_indices=True)
        r2 = torch.relu(net.c2(m1))
        mean = r2.mean(dim=(2, 3))
        weight = net.z.weight * (-1 if negate else 1)
        row = weight.clamp(min=0)[torch.from_numpy(INDEX)]
        at_mean = mean * row / ((mean * row).sum(1, keepdim=True) + 1e-20)
        if negate:
            return at_mean.numpy()
        pixels = r2.shape[2] * r2.shape[3]
        at_r2 = r2 / pixels * (at_mean / (mean + 1e-20))[:, :, None, None]
        positive = net.c2.weight.clamp(min=0)
        excited = torch.nn.functional.conv2d(m1, positive)
        quotient = torch.where(excited > 0, at_r2 / (excited + 1e-20), torch.zeros(()).double())
        at_m1 = m1 * torch.nn.functional.conv_transpose2d(quotient, positive)
        flat = torch.zeros(r1.shape[0], r1.shape[1], r1[0, 0].numel()).double()
        flat.scatter_add_(2, where.flatten(2), at_m1.flatten(2))
        return flat.reshape(r1.shape).numpy()


def test_excitation_is_that_of_the_formula(path, clf) -> None:
    expected = naive_excitation(path).sum(axis=1)
    found = excitation_backprop(clf, X, TARGET, layer="r1", normalize=False)
    np.testing.assert_allclose(found.native, expected, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.trace["signal"], 1, rtol=1e-4)


def test_contrast_is_the_difference_carried_on(path, clf) -> None:
    found = excitation_backprop(clf, X, TARGET, layer="r2", contrastive=True, normalize=False)
    assert found.options["contrast_layer"] == "f"
    assert found.passes == Passes(3 * BATCH, 3 * BATCH)
    both = [
        clf.value_and_grad(X, TARGET, wrt="f", rules=rules)[1]
        for rules in ("excitation_backprop", "excitation_negated")
    ]
    np.testing.assert_allclose(both[1], naive_excitation(path, negate=True), rtol=1e-3, atol=1e-6)
    seen = clf.activations(X, ["r2"])["r2"].astype(float)
    share = seen / np.maximum(seen.sum(axis=(2, 3), keepdims=True), 1e-20)
    expected = (share * (both[0] - both[1])[:, :, None, None]).sum(axis=1).clip(0)
    np.testing.assert_allclose(found.native, expected, rtol=1e-3, atol=1e-6)


def test_the_walk_ends_one_scale_before_the_last(clf) -> None:
    def fields(step: int) -> tuple:
        return ((3, step, 0), (3, step, 0))

    names = ("c", "r", "p", "r2", "p2", "r3")
    steps = (4, 4, 8, 8, 16, 16)
    info = ModelInfo(
        "net",
        (3, 8, 8),
        2,
        layers=names,
        cam_layer="r3",
        feature_layers=names,
        layer_kinds=dict(zip(names, ("conv", *["activation", "pool"] * 3), strict=False)),
        receptive_fields={n: fields(s) for n, s in zip(names, steps, strict=True)},
    )
    assert default_layer(info) == "r2"
    assert default_layer(ModelInfo("net", (3, 8, 8), 2, cam_layer="x")) is None


@pytest.mark.parametrize(
    "method", [guided_backprop, deconvnet, stride1_deconv, activation_map, excitation_backprop]
)
def test_a_batch_gives_what_its_images_give_alone(clf, method) -> None:
    together = method(clf, X, TARGET).native
    for i in range(BATCH):
        alone = method(clf, X[i : i + 1], TARGET[i : i + 1]).native
        np.testing.assert_array_equal(alone[0], together[i])


def test_an_engine_without_rule_tables_says_so(path) -> None:
    from pysal.backends.pytorch import TorchClassifier

    net = TorchClassifier(pooled_module(path), input_shape=X.shape[1:])
    with pytest.raises(CapabilityError, match="need an ONNX file"):
        guided_backprop(net, X, TARGET)


def test_passes_of_activation_maps() -> None:
    toy = LayeredToy()
    batch = toy.photos(2)
    result = activation_map(toy, batch, toy.top(batch))
    assert result.passes == toy.passes
