"""A small interpreter of ONNX classifiers in torch: the independent judge of values and gradients.

It shares no code with the package; torch itself differentiates it, in float32 or float64.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch_ops import OPS

_TAIL = {"Identity", "Flatten", "Reshape", "Squeeze", "Cast"}


def _value(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _fold_pads(graph: onnx.GraphProto) -> onnx.GraphProto:
    """Move zero padding into the convolution that follows, as a torch programmer would write it."""
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for node in list(graph.node):
        user = users.get(node.output[0], [])
        if node.op_type != "Pad" or len(node.input) != 2 or node.input[1] not in constants:
            continue
        if node.attribute or len(user) != 1 or user[0].op_type != "Conv":
            continue
        pads = constants[node.input[1]]
        old = next((a for a in user[0].attribute if a.name == "pads"), None)
        if old is None or pads.size != 8 or np.any(pads[[0, 1, 4, 5]]):
            continue
        old.ints[:] = [a + int(b) for a, b in zip(old.ints, pads[[2, 3, 6, 7]], strict=True)]
        user[0].input[0] = node.input[0]
        graph.node.remove(node)
    return graph


def logits_name(graph: onnx.GraphProto) -> str:
    """Name of the value before the final Softmax or Sigmoid, or the output itself."""
    maker = {out: node for node in graph.node for out in node.output}
    name = graph.output[0].name
    node = maker.get(name)
    while node is not None and node.op_type in _TAIL:
        node = maker.get(node.input[0])
    is_score = node is not None and node.op_type in {"Softmax", "Sigmoid"}
    return node.input[0] if node is not None and is_score else name


class OnnxModule(nn.Module):
    """Runs the nodes up to the logits; initializers are buffers, so only inputs get gradients."""

    def __init__(self, model: onnx.ModelProto, dtype: torch.dtype) -> None:
        super().__init__()
        graph = onnx.GraphProto()
        graph.CopyFrom(model.graph)
        _fold_pads(graph)
        opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        self.output, self.dtype = logits_name(graph), dtype
        self.slot: dict[str, str] = {}
        for i, tensor in enumerate(graph.initializer):
            value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
            self.slot[tensor.name] = f"w{i}"
            self.register_buffer(f"w{i}", value.to(dtype) if value.is_floating_point() else value)
        self.input = next(v.name for v in graph.input if v.name not in self.slot)
        self.nodes = []
        for node in graph.node:
            if node.op_type not in OPS:
                raise NotImplementedError(f"{node.op_type} in the torch interpreter of the tests")
            attributes = {a.name: _value(a) for a in node.attribute}
            attributes |= {"opset": opset, "outputs": len(node.output)}
            self.nodes.append((OPS[node.op_type], attributes, list(node.input), list(node.output)))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (N, K)."""
        values: dict[str, Any] = {name: getattr(self, slot) for name, slot in self.slot.items()}
        values[self.input], values[""] = x.to(self.dtype), None
        for run, attributes, inputs, outputs in self.nodes:
            result = run(attributes, *(values[name] for name in inputs))
            if torch.is_tensor(result):
                dtype = self.dtype if result.is_floating_point() else result.dtype
                result = (result.to(dtype),)
            values.update(zip(outputs, result, strict=False))
            if self.output in outputs:
                break
        return values[self.output].flatten(1)


def to_torch(
    model: str | os.PathLike[str] | onnx.ModelProto, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """Torch module of an ONNX classifier, (N, C, H, W) -> logits (N, K)."""
    proto = model if isinstance(model, onnx.ModelProto) else onnx.load(os.fspath(model))
    return OnnxModule(proto, dtype).eval()
