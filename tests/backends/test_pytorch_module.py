"""PyTorch: which layers there are, what modules may return, and what is refused in one line."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pooled import BASELINE, BATCH, INDEX, SIZE, X, masks
from pooled_torch import Pooled, Wrapped, pooled_module
from torch import Tensor, nn

from pysal.backends.pytorch import TorchClassifier
from pysal.classifier import Classifier
from pysal.errors import CapabilityError, ModelFormatError, OptionError, ShapeError
from pysal.types import Target

SHAPE = (3, SIZE, SIZE)
TARGET = Target(INDEX)


@pytest.fixture
def module(path: Path) -> Pooled:
    return pooled_module(path)


def opened(module: nn.Module, **options) -> TorchClassifier:
    return TorchClassifier(module, input_shape=SHAPE, threads=1, **options)


# ---- layers --------------------------------------------------------------------------------------


class Reuse(nn.Module):
    """One activation that runs twice, one layer that returns a pair, one without the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.late = nn.Linear(4, 3)
        self.relu, self.pool = nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        self.pair = Wrapped(nn.Identity(), lambda x: (x, x))
        self.table = Wrapped(nn.Identity(), lambda x: x[0])
        self.early = nn.Conv2d(3, 4, 3)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.early(x))
        self.table(x)
        x = self.relu(self.pool(self.pair(x)[0]).flatten(1))
        return self.late(x)


def test_layers_run_once_and_return_one_tensor_in_order() -> None:
    net = opened(Reuse().eval(), rows=2)
    assert net.info.layers == ("early", "table.inner", "pair.inner", "pool", "late")
    with pytest.raises(OptionError, match=r'Reuse has no layer "relu"; did you mean'):
        net.activations(X, ["relu"])


def test_traced_and_compiled_modules_are_taken(module: Pooled) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates its own way
        traced = torch.jit.trace(module, torch.zeros(1, *SHAPE))
        compiled = torch.compile(module, backend="eager")
    expected = opened(module)
    for other, layers in ((traced, ()), (compiled, expected.info.layers)):
        net = opened(other)
        assert net.info.layers == layers
        for found, value in zip(
            net.value_and_grad(X, TARGET), expected.value_and_grad(X, TARGET), strict=True
        ):
            np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-7)


def test_a_module_without_gradients_has_scores() -> None:
    net = opened(Detached())
    assert net.score(X).shape == (BATCH, 4)
    for wrt in ("input", "early"):
        with pytest.raises(CapabilityError, match=f'no gradient at "{wrt}"'):
            net.value_and_grad(X, Target(np.zeros(BATCH, int)), wrt=wrt)


class Detached(nn.Module):
    """Nothing can be differentiated."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.Conv2d(3, 4, 3)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.early(x).mean((2, 3)).detach()


# ---- what modules return -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "after",
    [
        lambda z: SimpleNamespace(logits=z),
        lambda z: {"logits": z, "loss": None},
        lambda z: (z, None),
        lambda z: [z, z],
        lambda z: z[:, :, None, None],
    ],
)
def test_logits_are_found_in_what_a_module_returns(module: Pooled, after) -> None:
    net = opened(Wrapped(module, after).eval())
    np.testing.assert_array_equal(net.score(X), opened(module).score(X))
    np.testing.assert_array_equal(
        net.value_and_grad(X, TARGET)[1], opened(module).value_and_grad(X, TARGET)[1]
    )


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (lambda z: {"scores": z}, "a dict with keys scores"),
        (lambda z: (None, z), "a tuple of NoneType, Tensor"),
        (lambda z: None, "a NoneType"),
        (lambda z: z[:, 0], r"a tensor of shape \(1,\)"),
        (lambda z: z[:, :, None, None].expand(-1, -1, 2, 2), r"of shape \(1, 5, 2, 2\)"),
    ],
)
def test_other_outputs_are_refused_by_name(module: Pooled, after, words: str) -> None:
    with pytest.raises(ModelFormatError, match=words) as caught:
        opened(Wrapped(module, after).eval())
    assert "\n" not in str(caught.value)


def test_probabilities_that_are_called_logits_are_noticed(module: Pooled) -> None:
    softmax = Wrapped(module, lambda z: z.softmax(1)).eval()
    with pytest.warns(UserWarning, match='output_kind="softmax"'):
        opened(softmax)
    opened(softmax, output_kind="softmax")


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"precision": "int8"}, OptionError, "fp32, tf32, fp16, bf16"),
        ({"precision": "tf32"}, CapabilityError, "CUDA"),
        ({"device": "tpu"}, OptionError, '"cuda:N"'),
        ({"output_kind": "scores"}, OptionError, "logits, softmax, sigmoid"),
        ({"rows": 0}, OptionError, "rows is 0"),
        ({"input_shape": (3, 5, 5)}, CapabilityError, "input_shape="),
        ({"labels": ["a"]}, ValueError, "1 class names"),
    ],
)
def test_wrong_options_are_one_line(module: Pooled, options: dict, error, words: str) -> None:
    with pytest.raises(error) as caught:
        TorchClassifier(module, **{"input_shape": SHAPE, **options})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_cuda_says_why(module: Pooled) -> None:
    with pytest.raises(CapabilityError, match=r'device "cuda:1": torch .* use "cpu"'):
        opened(module, device="cuda:1")


def test_a_module_that_trains_or_is_none_is_refused(module: Pooled) -> None:
    module.r2.train()
    with pytest.raises(OptionError, match=r'layer "r2" is in training mode; call model.eval\(\)'):
        opened(module)
    with pytest.raises(OptionError, match=r"Pooled cannot be explained while it is in training"):
        opened(module.train())
    with pytest.raises(OptionError, match=r"takes a torch\.nn\.Module"):
        opened("net.onnx")


def test_rows_of_scores_that_are_not_those_of_images_are_refused(module: Pooled) -> None:
    with pytest.raises(ShapeError, match="returns 1 rows for 2 images"):
        opened(Wrapped(module, lambda z: z[:1]).eval(), rows=2)


def test_the_record_gives_the_input_shape(module: Pooled) -> None:
    net = TorchClassifier(module, preprocess={"size": [24, 22]})
    assert net.info.input_shape == (3, 24, 22)
    assert TorchClassifier(module).info.input_shape == (3, 224, 224)


def test_threads_are_set_around_calls_only(module: Pooled) -> None:
    seen: list[int] = []

    def note(z: Tensor) -> Tensor:
        seen.append(torch.get_num_threads())
        return z

    before = torch.get_num_threads()
    net = TorchClassifier(Wrapped(module, note).eval(), input_shape=SHAPE, threads=before + 1)
    net.score(X)
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_fused_operations_take_tensors_that_require_gradients(module: Pooled) -> None:
    net = opened(module, rows=4)
    x, m = (torch.from_numpy(a).requires_grad_() for a in (X.copy(), masks(BATCH, 2, 5, 5)))
    base = torch.from_numpy(BASELINE)
    found = net.score_masked(x, base, m, TARGET)
    assert not found.requires_grad
    expected = Classifier.score_masked(net, X, BASELINE, m.detach().numpy(), TARGET)
    np.testing.assert_array_equal(found.numpy(), expected)
