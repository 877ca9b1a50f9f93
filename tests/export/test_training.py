"""Networks that are not in inference mode are refused; what normalizes weights is inference."""

from __future__ import annotations

import numpy as np
import pytest
from checker import Net, check, prepare, run

from pysal.errors import ModelFormatError
from pysal.export.build import build_forward
from pysal.export.passes import trace
from pysal.prepared import LOGITS

IMAGE = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)


def normalized(net: Net, value: str, channels: int) -> str:
    """BatchNormalization in training mode, as the operator set writes it."""
    stats = [net.const(np.full(channels, v)) for v in (1.5, 0.5, 0.0, 1.0)]
    mode = {"outputs": 5} if net.opset < 14 else {"outputs": 3, "training_mode": 1}
    y, *_ = net.op("BatchNormalization", value, *stats, **mode)
    return y


@pytest.mark.parametrize("opset", [11, 18])
def test_statistics_of_the_batch_are_refused(opset: int) -> None:
    net = Net(IMAGE, opset)
    case = net.case(normalized(net, net.op("Relu", "x"), 3))
    with pytest.raises(ModelFormatError, match=r"statistics of the batch; .* model\.eval\(\)$"):
        prepare(case.model)


@pytest.mark.parametrize("training", [True, False])
def test_a_dropout_that_drops_is_refused(training: bool) -> None:
    net = Net(IMAGE, 13)
    y = net.op("Dropout", "x", net.const(0.5), net.const(training, np.bool_))
    case = net.case(y)
    if training:
        with pytest.raises(ModelFormatError, match=r'Dropout "Drop.*" drops elements at random'):
            prepare(case.model)
    else:
        check(case)


def test_noise_is_refused() -> None:
    net = Net(IMAGE)
    case = net.case(net.op("Add", "x", net.op("RandomNormalLike", "x")))
    with pytest.raises(ModelFormatError, match=r"RandomNormalLike .* is random"):
        prepare(case.model)


@pytest.mark.parametrize("opset", [11, 18])
def test_weights_too_large_to_fold_are_normalized_in_the_run(
    opset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Net(IMAGE, opset)
    weight = net.const(np.random.default_rng(1).normal(size=(1, 4, 27)))
    even = net.op("Reshape", normalized(net, weight, 4), net.ints(4, 3, 3, 3))
    model = net.case(net.op("Conv", "x", even)).model
    expected = run(build_forward(prepare(model)), {"x": IMAGE})[LOGITS]
    monkeypatch.setattr(trace, "LARGEST", 0)
    prepared = prepare(model)
    assert any(node.op_type == "BatchNormalization" for node in prepared.model.graph.node)
    found = run(build_forward(prepared), {"x": IMAGE})[LOGITS]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
