"""The judge of gradient rules: a rule's gradient against differences of the forward model.

Forward values come from the reference evaluator of the onnx package in float64, where a central
difference is good to about eight digits; the gradient model runs on ONNX Runtime in float32.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from reference_ops import OPS

from pysal.export import PreparedModel, build_gradient, prepare
from pysal.export.rules.table import RuleTable
from pysal.export.rules.tables import TABLES

CLASSES = 4
STEP = 1e-5
DIRECTIONS = 6
TOLERANCE = 2e-5
ORT_OPSET = 26
"""Newest operator set that ONNX Runtime runs; newer models run on the reference evaluator."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A model with the operator under test between image and logits, and a batch for it."""

    model: onnx.ModelProto
    x: np.ndarray


class Net:
    """Writes a small model: operators are appended, the first value is "x".

    It is the image itself where its shape can be that of an image; other numbers of channels are
    reshaped from an image of one channel.
    """

    def __init__(self, x: np.ndarray, opset: int = 18) -> None:
        self.x, self.opset = np.asarray(x, np.float32), opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.count = 0
        self.direct = self.x.shape[1] in (1, 3, 4)
        if not self.direct:
            shape = self.ints(-1, *self.x.shape[1:])
            self.nodes.append(helper.make_node("Reshape", ["image", shape], ["x"], name="channels"))

    @property
    def image(self) -> np.ndarray:
        """What is fed to the model."""
        if self.direct:
            return self.x
        return self.x.reshape(len(self.x), 1, -1, self.x.shape[3])

    def const(self, array: Any, dtype: Any = np.float32) -> str:
        self.count += 1
        name = f"c{self.count}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def ints(self, *numbers: int) -> str:
        return self.const(numbers, np.int64)

    def op(self, op_type: str, *inputs: str, outputs: int = 1, **attrs: Any) -> Any:
        names = [f"{op_type.lower()}{self.count}_{i}" for i in range(outputs)]
        self.count += 1
        node = helper.make_node(op_type, inputs, names, name=f"{op_type}_{self.count}", **attrs)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def model(self, output: str, shape: Any, **options: Any) -> onnx.ModelProto:
        """Finish with an output as it is."""
        info = helper.make_tensor_value_info
        name, sizes = "x" if self.direct else "image", self.image.shape[1:]
        image = info(name, TensorProto.FLOAT, ["N", *sizes])
        graph = helper.make_graph(
            self.nodes, "case", [image], [info(output, TensorProto.FLOAT, shape)], self.weights
        )
        opsets = [helper.make_opsetid("", self.opset)]
        version = helper.find_min_ir_version_for(opsets)
        return helper.make_model(graph, opset_imports=opsets, ir_version=max(8, version), **options)

    def case(self, value: str) -> Case:
        """Finish with a random linear map from all elements of `value` to logits."""
        partial = self.model(value, None)
        whole = run(partial, {partial.graph.input[0].name: self.image})[value]
        size = whole.size // len(self.x)
        flat = self.op("Reshape", value, self.ints(-1, size))
        weight = np.random.default_rng(size).normal(size=(size, CLASSES))
        logits = self.op("MatMul", flat, self.const(weight))
        return Case(self.model(logits, ("N", CLASSES)), self.image)


def to_double(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with float64 weights and casts."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    tensors = list(wide.graph.initializer)
    for node in wide.graph.node:
        tensors += [a.t for a in node.attribute if a.type == onnx.AttributeProto.TENSOR]
        for a in node.attribute:
            if a.name == "to" and a.i == TensorProto.FLOAT:
                a.i = TensorProto.DOUBLE
    for tensor in tensors:
        if tensor.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for value in (*wide.graph.input, *wide.graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    return wide


def reference(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs in float64."""
    feeds = {name: np.asarray(value, np.float64) for name, value in feeds.items()}
    evaluator = ReferenceEvaluator(to_double(model), new_ops=list(OPS))
    return evaluator.run(None, feeds)


def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs in float32 by ONNX Runtime, or by the reference evaluator for too new models."""
    names = [o.name for o in model.graph.output]
    opset = next(o.version for o in model.opset_import if o.domain == "")
    if opset > ORT_OPSET:
        return dict(zip(names, reference(model, feeds), strict=True))
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    given = {name: np.asarray(value, np.float32) for name, value in feeds.items()}
    return dict(zip(names, session.run(names, given), strict=True))


def gradient(
    prepared: PreparedModel, x: np.ndarray, seed: np.ndarray, **options: Any
) -> dict[str, np.ndarray]:
    """Outputs of the gradient model for cotangents on the logits."""
    model = build_gradient(prepared, **options)
    zero = np.zeros_like(seed)
    feeds = {prepared.input_name: x, "pysal/seed": seed, "pysal/seed_probability": zero}
    return run(model, feeds)


def differences(model: onnx.ModelProto, x: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(D, N, K) central differences of the logits in float64."""
    name = model.graph.input[0].name
    steps = STEP * directions.astype(np.float64)
    ends = np.concatenate([x + steps, x - steps]).reshape(-1, *x.shape[1:])
    (logits,) = reference(model, {name: ends})
    up, down = logits.reshape(2, len(directions), len(x), -1)
    return (up - down) / (2 * STEP)


def disagreement(case: Case, lowering: str = "ort", rules: str = "gradient") -> float:
    """Largest difference of <gradient, v> and the derivative along v, relative to its scale."""
    rng = np.random.default_rng(0)
    x, prepared = case.x, prepare(case.model)
    seed = rng.normal(size=(len(x), CLASSES)).astype(np.float32)
    found = gradient(prepared, x, seed, lowering=lowering, rules=rules)
    grad = found["pysal/input_gradient"].astype(np.float64)
    assert grad.shape == x.shape
    feeds = {prepared.input_name: x}
    for logits in (*run(case.model, feeds).values(), *reference(prepared.model, feeds)):
        scale = 1.0 + np.abs(logits).max()
        np.testing.assert_allclose(found["pysal/logits"], logits, rtol=1e-4, atol=1e-5 * scale)
    directions = rng.normal(size=(DIRECTIONS, *x.shape))
    expected = (differences(prepared.model, x, directions) * seed).sum(-1)
    given = (grad * directions).sum(axis=tuple(range(2, x.ndim + 1)))
    norms = np.sqrt((grad**2).sum(axis=tuple(range(1, x.ndim))))
    return float((np.abs(given - expected) / (norms + np.abs(expected) + 1e-2)).max())


def check(case: Case, lowering: str = "ort", rules: str = "gradient") -> None:
    """Fail where the gradient model is not the derivative of the forward model."""
    error = disagreement(case, lowering, rules)
    assert error < TOLERANCE, f"{lowering}: relative difference {error:.1e}"


class planted:
    """Context in which a rule table is known by name."""

    def __init__(self, table: RuleTable) -> None:
        self.table = table

    def __enter__(self) -> str:
        TABLES[self.table.name] = self.table
        return self.table.name

    def __exit__(self, *_: object) -> None:
        del TABLES[self.table.name]
