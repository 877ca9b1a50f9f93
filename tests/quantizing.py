"""Quantized files, made by ONNX Runtime's own tools from a float model and a few images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from tiny import CLASSES, SIZE, write_model

from pysal.classifier import Classifier
from pysal.types import Target

QDQ, QOPERATOR = QuantFormat.QDQ, QuantFormat.QOperator
UINT8, INT8 = QuantType.QUInt8, QuantType.QInt8
X = np.random.default_rng(5).normal(size=(6, 3, SIZE, SIZE)).astype(np.float32)
SETTINGS: dict[str, dict[str, Any]] = {
    "uint8": {},
    "per channel": {"per_channel": True},
    "int8": {"activation_type": INT8},
    "int8, symmetric": {
        "activation_type": INT8,
        "extra_options": {"ActivationSymmetric": True, "WeightSymmetric": True},
    },
    "own pairs for weights": {"extra_options": {"AddQDQPairToWeight": True}},
    "16 bits": {
        "activation_type": INT8.QUInt16,
        "extra_options": {"UseQDQContribOps": True},
    },
}


class Images(CalibrationDataReader):
    """A batch, image by image."""

    def __init__(self, name: str, batch: np.ndarray) -> None:
        self._rows = iter([{name: batch[i : i + 1]} for i in range(len(batch))])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rows, None)


def quantized(model: Path, out: Path, batch: np.ndarray, **options: Any) -> Path:
    """Write the QDQ form of a float model: uint8 activations, int8 weights in 7 bits.

    7 bits, because without VNNI products of 8 by 8 bits saturate, and numbers differ by machine.
    """
    proto = onnx.load(model)
    weights = {tensor.name for tensor in proto.graph.initializer}
    name = next(value.name for value in proto.graph.input if value.name not in weights)
    if proto.opset_import[0].version < 13:  # scales per channel
        proto = onnx.version_converter.convert_version(proto, 13)
    ready = out.with_suffix(".pre.onnx")
    quant_pre_process(proto, str(ready))
    defaults = {"quant_format": QDQ, "activation_type": UINT8, "weight_type": INT8}
    settings = {**defaults, "reduce_range": True, **options}
    quantize_static(str(ready), str(out), Images(name, batch), **settings)
    return out


def write_quantized(folder: Path) -> dict[str, Path]:
    """Name of the settings -> a quantized file that ends in logits; and three of other formats."""
    model = onnx.load(write_model(folder / "tiny.onnx"))
    del model.graph.node[-1], model.graph.output[:]
    logits = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", CLASSES])
    model.graph.output.append(logits)
    onnx.save(model, folder / "logits.onnx")
    found = {
        name: quantized(folder / "logits.onnx", folder / f"{i}.onnx", X[:3], **options)
        for i, (name, options) in enumerate(SETTINGS.items())
    }
    qoperator = {"quant_format": QOPERATOR}
    found["qoperator"] = quantized(folder / "tiny.onnx", folder / "q.onnx", X[:3], **qoperator)
    quantize_dynamic(str(folder / "tiny.onnx"), str(folder / "dynamic.onnx"))
    found["dynamic"] = folder / "dynamic.onnx"
    found["softmax"] = quantized(folder / "tiny.onnx", folder / "softmax.onnx", X[:3])
    return found


Checks = Callable[[Classifier], Iterator[tuple[np.ndarray, np.ndarray]]]


def weights_only(path: Path) -> tuple[Path, Checks]:
    """Write two layers of integer weights, scales per output, on values that are not rounded.

    Returns the file and a function that takes a classifier to pairs of what it found (scores, a
    gradient, what a signal at the logits becomes) and what is right, in float64.
    """
    rng = np.random.default_rng(0)
    whole = [rng.integers(-60, 60, size).astype(np.int8) for size in ((75, 64), (64, CLASSES))]
    scales = [rng.uniform(0.001, 0.01, w.shape[1]).astype(np.float32) for w in whole]
    names = ("v", "w")
    tensors = [numpy_helper.from_array(w, n) for w, n in zip(whole, names, strict=True)]
    tensors += [numpy_helper.from_array(s, f"{n}s") for s, n in zip(scales, names, strict=True)]
    nodes = [helper.make_node("DequantizeLinear", [n, f"{n}s"], [f"{n}f"], axis=1) for n in names]
    for op, inputs, out in (
        ("Flatten", ["x"], "f"),
        ("MatMul", ["f", "vf"], "a"),
        ("Relu", ["a"], "r"),
        ("MatMul", ["r", "wf"], "z"),
    ):
        nodes.append(helper.make_node(op, inputs, [out], name=out))
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 5, 5])
    logits = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", CLASSES])
    graph = helper.make_graph(nodes, "weights", [image], [logits], tensors)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    x = rng.normal(size=(3, 3, 5, 5)).astype(np.float32)
    signal = rng.normal(size=(3, CLASSES)).astype(np.float32)
    v, w = (a * s.astype(np.float64) for a, s in zip(whole, scales, strict=True))
    a = x.reshape(3, -1).astype(np.float64) @ v

    def checks(net: Classifier) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield net.score(x, "logit"), np.maximum(a, 0) @ w
        one = np.eye(CLASSES)[[1, 1, 1]]
        _, grad = net.value_and_grad(x, Target(np.ones(3, int), "logit"))
        yield grad, (((a > 0) * (one @ w.T)) @ v.T).reshape(x.shape)
        yield net.backward(x, "z", signal), (((a > 0) * (signal @ w.T)) @ v.T).reshape(x.shape)

    return path, checks
