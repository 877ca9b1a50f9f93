"""The layout that ONNX Runtime keeps values in, and the gradient's way through it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from checker import Net, check, prepare

from pysal.export import build_gradient
from pysal.export.graph import Graph
from pysal.export.lowerings.blocked import BLOCK, channels_of


def conv(net: Net, x: str, inner: int, outer: int, kernel: int = 3, stride: int = 1) -> str:
    draw = np.random.default_rng(inner + outer)
    weight = net.const(draw.normal(0, 0.2, size=(outer, inner, kernel, kernel)))
    pads = [kernel // 2] * 4
    return net.op("Conv", x, weight, pads=pads, strides=[stride] * 2)


def residual_net() -> tuple[Net, str]:
    """A stem, a block with a strided shortcut, and one with a plain shortcut."""
    net = Net(np.random.default_rng(0).normal(size=(2, 3, 12, 12)))
    x = net.op("Relu", conv(net, "x", 3, BLOCK))
    main = conv(net, net.op("Relu", conv(net, x, BLOCK, BLOCK, stride=2)), BLOCK, 2 * BLOCK)
    x = net.op("Relu", net.op("Add", main, conv(net, x, BLOCK, 2 * BLOCK, kernel=1, stride=2)))
    main = conv(net, net.op("Relu", conv(net, x, 2 * BLOCK, BLOCK)), BLOCK, 2 * BLOCK)
    x = net.op("Relu", net.op("Add", main, x))
    return net, net.op("Flatten", net.op("GlobalAveragePool", x))


def optimized(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """What ONNX Runtime makes of a model."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "optimized.onnx")


def test_sums_and_masks_stay_in_blocks(tmp_path: Path) -> None:
    net, y = residual_net()
    model = optimized(build_gradient(prepare(net.case(y).model)), tmp_path)
    if not any(node.domain.endswith("nchwc") for node in model.graph.node):
        pytest.skip("this processor has no blocked layout in ONNX Runtime")
    readers = Counter()
    plain = {n.output[0] for n in model.graph.node if n.op_type == "ReorderOutput"}
    for node in model.graph.node:
        if plain.intersection(node.input):
            readers[node.op_type] += 1
    assert readers["Add"] == readers["Mul"] == 0
    assert readers["Reshape"] > 0  # phases are interleaved outside


@pytest.mark.parametrize("lowering", ["ort", "portable"])
def test_the_numbers_are_those_of_central_differences(lowering: str) -> None:
    net, y = residual_net()
    check(net.case(y), lowering)


def test_which_values_are_in_blocks() -> None:
    net = Net(np.zeros((1, 3, 8, 8), np.float32))
    wide = conv(net, "x", 3, 2 * BLOCK)
    narrow = conv(net, "x", 3, BLOCK - 1)
    odd = conv(net, "x", 3, BLOCK + 1)
    gate = net.op("Sigmoid", net.op("GlobalAveragePool", wide))
    gated = net.op("Mul", wide, gate)
    squared = net.op("Mul", wide, net.op("Relu", wide))
    shifted = net.op("Sub", wide, net.const(1.0))
    both = net.op("Concat", wide, squared, axis=1)
    ragged = net.op("Concat", wide, odd, axis=1)
    sides = net.op("Concat", wide, squared, axis=2)
    mixed = net.op("Add", wide, shifted)
    last = [gated, squared, shifted, both, ragged, sides, mixed, narrow]
    means = [net.op("ReduceMean", v, net.ints(1, 2, 3), keepdims=0) for v in last]
    y = net.op("Reshape", net.op("Sum", *means), net.ints(-1, 1))
    g = Graph(prepare(net.case(y).model).model)
    found = {v: channels_of(g, v) for v in (wide, odd, gate, *last, "x")}
    assert found == {
        **dict.fromkeys((wide, gate, squared), 2 * BLOCK),
        **dict.fromkeys((shifted, ragged, sides, mixed, narrow, gated, "x"), None),
        odd: BLOCK + 1,
        both: 4 * BLOCK,
    }
