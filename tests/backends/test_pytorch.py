"""PyTorch beyond the contract: the user's module is left alone, and the numbers are right."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_torch import to_torch
from pooled import BATCH, CLASSES, INDEX, SIZE, X, every_result
from pooled_torch import Pooled, Wrapped, pooled_module
from torch import Tensor, nn

from pysal.backends.ort import OrtClassifier
from pysal.backends.pytorch import TorchClassifier
from pysal.errors import CapabilityError
from pysal.types import Target

SHAPE = (3, SIZE, SIZE)
TARGET = Target(INDEX)


@pytest.fixture
def module(path: Path) -> Pooled:
    return pooled_module(path)


def opened(module: nn.Module, **options) -> TorchClassifier:
    return TorchClassifier(module, input_shape=SHAPE, threads=1, **options)


def close(found: np.ndarray, expected: np.ndarray, share: float = 1e-5) -> None:
    np.testing.assert_allclose(found, expected, rtol=share, atol=share * np.abs(expected).max())


# ---- the user's module ---------------------------------------------------------------------------


def flags() -> list:
    backends = torch.backends
    cudnn = (backends.cudnn.allow_tf32, backends.cudnn.benchmark, backends.cudnn.deterministic)
    matmul = (backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision())
    return [*cudnn, *matmul, torch.get_num_threads(), torch.is_grad_enabled()]


def test_the_module_and_the_switches_of_torch_are_left_alone(module: Pooled) -> None:
    module.c1.weight.requires_grad_(False)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    before = flags()
    for options in ({}, {"rows": 4, "channels_last": True, "precision": "bf16"}):
        every_result(opened(module, **options), slice(None))
    assert flags() == before
    for name, value in module.state_dict().items():
        assert value.dtype == torch.float32
        assert value.is_contiguous()
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    assert all(weight.grad is None for weight in module.parameters())
    assert [w.requires_grad for w in module.parameters()] == [False, True, True, True]
    for part in module.modules():
        assert not part.training
        assert not part._forward_hooks


def test_weights_are_shared_and_later_changes_are_seen(module: Pooled) -> None:
    net = opened(module)
    first = net.score(X, "logit")
    with torch.no_grad():
        module.z.bias += 1
    close(net.score(X, "logit"), first + 1)
    assert net.info.sha256 != opened(module).info.sha256


def test_identity_is_that_of_the_weights(path: Path) -> None:
    one, other = (opened(pooled_module(path)).info for _ in range(2))
    assert one == other
    assert len(one.sha256) == 64
    assert one.name == "Pooled"
    assert one.engine == "pytorch (CPU, 1 thread)"
    assert one.num_classes == CLASSES
    assert one.versions == {"torch": torch.__version__}


class Fragile(nn.Module):
    """Fails when told to."""

    def __init__(self, inner: nn.Module, switch: list[bool]) -> None:
        super().__init__()
        self.inner, self.switch = inner, switch

    def __deepcopy__(self, memo: dict) -> Fragile:
        raise TypeError("not to be copied")

    def forward(self, x: Tensor) -> Tensor:
        z = self.inner(x)
        if self.switch:
            raise ValueError("broken\nin two lines")
        return z


def test_hooks_are_gone_after_errors_and_a_module_that_cannot_be_copied_is_used(
    module: Pooled,
) -> None:
    switch: list[bool] = []
    fragile = Fragile(module, switch).eval()
    net = opened(fragile)
    expected = net.activations(X, ["inner.c1"])["inner.c1"]
    net.value_and_grad(X, TARGET, wrt="inner.r1")
    switch.append(True)
    for call in (
        lambda: net.activations(X, ["inner.c1"]),
        lambda: net.value_and_grad(X, TARGET, wrt="inner.r1"),
        lambda: net.activations(X, ["inner.r2"]),
        lambda: net.score(X),
    ):
        with pytest.raises(CapabilityError, match=r"fails while it runs the model: broken$"):
            call()
        assert not any(part._forward_hooks for part in fragile.modules())
    switch.clear()
    np.testing.assert_array_equal(net.activations(X, ["inner.c1"])["inner.c1"], expected)
    assert all(weight.grad is None for weight in fragile.parameters())
    with pytest.raises(CapabilityError, match=r"Fragile cannot be copied .* not to be copied"):
        opened(Fragile(module.double(), []).eval())


def test_a_module_that_works_in_place_and_callers_without_gradients(module: Pooled) -> None:
    def subtract(x: Tensor) -> Tensor:
        return x.sub_(0.5)

    changed = nn.Sequential(Wrapped(nn.Identity(), subtract), module).eval()
    with torch.inference_mode():
        net = opened(changed, rows=4)
        found = net.value_and_grad(X, TARGET)
    for value, expected in zip(found, opened(module).value_and_grad(X - 0.5, TARGET), strict=True):
        close(value, expected)
    np.testing.assert_array_equal(net.value_and_grad(X, TARGET)[1], found[1])


# ---- the numbers ---------------------------------------------------------------------------------


def test_gradients_are_those_of_onnx_runtime_for_the_same_file(path: Path) -> None:
    ort, net = OrtClassifier(path, threads=1), opened(to_torch(path))
    for kind in ("logit", "probability"):
        target = Target(INDEX, kind)
        for found, expected in zip(
            net.value_and_grad(X, target), ort.value_and_grad(X, target), strict=True
        ):
            close(found, expected)


@pytest.mark.parametrize("options", [{"rows": 4}, {"rows": 20}, {"channels_last": True}])
def test_rows_and_strides_change_rounding_only(module: Pooled, options: dict) -> None:
    expected = every_result(opened(module), slice(None))
    for name, value in every_result(opened(module, **options), slice(None)).items():
        close(value, expected[name])


@pytest.mark.parametrize(("precision", "share"), [("bf16", 0.1), ("fp16", 0.05)])
def test_half_precisions_are_near_and_return_float32(
    module: Pooled, precision: str, share: float
) -> None:
    try:
        net = opened(module, precision=precision, rows=2)
    except CapabilityError as error:
        pytest.skip(str(error))
    assert precision in net.info.engine
    expected = every_result(opened(module), slice(None))
    for name, value in every_result(net, slice(None)).items():
        assert value.dtype == np.float32
        off = np.linalg.norm(value - expected[name]) / np.linalg.norm(expected[name])
        assert off < share, name


def test_fp16_keeps_the_gradient_of_a_saturated_probability(module: Pooled) -> None:
    with torch.no_grad():
        module.z.bias[0] += 22
    target = Target(np.zeros(BATCH, int))
    try:
        _, found = opened(module, precision="fp16").value_and_grad(X, target)
    except CapabilityError as error:
        pytest.skip(str(error))
    _, expected = opened(module).value_and_grad(X, target)
    assert np.median(np.abs(expected[expected != 0])) < 1e-7  # the smallest float16 is 6e-8
    for one, other in zip(found, expected, strict=True):
        cosine = (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())
        assert cosine > 0.995 or not other.any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_float_types_are_computed_in_float32(module: Pooled, dtype: torch.dtype) -> None:
    expected = opened(module).score(X)
    close(opened(module.to(dtype)).score(X), expected, 1e-5 if dtype == torch.float64 else 0.1)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
def test_a_compiled_network_has_the_same_numbers(module: Pooled) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the compiler's own imports
        net = opened(module, rows=4, compile=True)
        found = net.value_and_grad(X, TARGET)
    assert "compiled" in net.info.engine
    for value, expected in zip(found, opened(module).value_and_grad(X, TARGET), strict=True):
        close(value, expected, 1e-4)
    # Layers are reached in the network as it is.
    expected = opened(module).value_and_grad(X, TARGET, wrt="r1")[1]
    close(net.value_and_grad(X, TARGET, wrt="r1")[1], expected, 1e-4)
