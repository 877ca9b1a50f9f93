"""Weights and activations in 16 bits, for engines that take the types of a network as they are.

Image, cotangents and outputs stay float32, and so does what 16 bits would spoil: the softmax and
the cotangent behind it (their differences cancel), normalizations, powers, sums and squares (they
leave the range), and what reads a constant that is not a 16-bit number. Casts stand in between. For
fp16 the cotangent is scaled per image, see `passes.cotangent`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pysal.errors import CapabilityError, OptionError

from .constants import constants_to_initializers, fold_batch_norm
from .cotangent import cotangent_nodes, scale_cotangent

TYPES = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
LARGEST = {TensorProto.FLOAT16: 65504.0, TensorProto.BFLOAT16: float.fromhex("0x1.fep127")}
SMALLEST = 2.0**-14
"""Of the normal numbers of float16; those of bfloat16 are float32's."""

SOURCES = {"Cast", "ConstantOfShape", "EyeLike", "Range", "DequantizeLinear"}
"""Operators whose own attribute says that they give float32."""
ANY_TYPE = {"Cast", "Shape", "Size"}
"""Operators that read any type and do not compute with it."""
KEPT = SOURCES | {
    *("Softmax", "LogSoftmax", "QuantizeLinear", "BatchNormalization", "LayerNormalization"),
    *("InstanceNormalization", "GroupNormalization", "MeanVarianceNormalization"),
    *("LpNormalization", "Exp", "Log", "Pow", "Sqrt", "Reciprocal", "CumSum", "ReduceSum"),
    *("ReduceMean", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"),
}
NO_BF16 = {"HardSwish", "Mish", "ConvTranspose"}
"""Operators that TensorRT has in float16 and float32 only."""
FLOAT_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs that are float32 whatever the operator computes in."""
BOUNDS = {"Pad", "Clip", "Max", "Min", "Where", "Greater", "Less"}
"""Operators for which a number beyond the range may be the end of the range."""


def to_half(model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """A model that computes in 16 bits, with the inputs and outputs of the given one.

    Parameters
    ----------
    model : onnx.ModelProto
        From `build_forward`, `build_gradient` with lowering "portable", or `build_scaled`.
    precision : {"fp16", "bf16"}

    Returns
    -------
    onnx.ModelProto
        A new model.

    Raises
    ------
    OptionError
        If the precision is another one.
    CapabilityError
        If the model has nodes with graphs inside (If, Loop, Scan).
    """
    if precision not in TYPES:
        raise OptionError(f'precision "{precision}" is not of 16 bits; use {" or ".join(TYPES)}')
    out = onnx.ModelProto()
    out.CopyFrom(model)
    constants_to_initializers(out.graph)
    for node in out.graph.node:
        if any(a.type in (a.GRAPH, a.GRAPHS) for a in node.attribute):
            raise CapabilityError(
                f'{node.op_type} "{node.name or node.output[0]}" has a graph inside, which is not '
                f'written in {precision}; use precision "fp32"'
            )
    inferred = onnx.shape_inference.infer_shapes(out)
    fold_batch_norm(out.graph, _ranks(inferred))
    kept = cotangent_nodes(out.graph)
    floats = _float_values(onnx.shape_inference.infer_shapes(out))
    if precision == "fp16":
        added = scale_cotangent(out)
        kept |= added.nodes
        floats |= added.values
    _Walk(out.graph, TYPES[precision], floats, kept).run()
    del out.graph.value_info[:]
    return out


class _Walk:
    """Nodes in their order, each with its inputs in the type in which it computes."""

    def __init__(self, graph: onnx.GraphProto, half: int, floats: set[str], kept: set[str]) -> None:
        self._graph, self._half, self._floats, self._kept = graph, half, floats, kept
        self._weights = {i.name: i for i in graph.initializer}
        self._outputs = {o.name for o in graph.output}
        self._nodes: list[onnx.NodeProto] = []
        # Where a value is found in a type: {(value, type): name}.
        self._at = {(i.name, TensorProto.FLOAT): i.name for i in graph.input}
        self._at |= {(name, TensorProto.FLOAT): name for name in self._weights}

    def run(self) -> None:
        """Rewrite the graph in place."""
        for node in list(self._graph.node):
            self._visit(node)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in node.input}
        kept = [i for i in self._graph.initializer if i.name in used]
        copies = [type(i).FromString(i.SerializeToString()) for i in kept]
        del self._graph.initializer[:]
        self._graph.initializer.extend(copies)

    def _visit(self, node: onnx.NodeProto) -> None:
        kind = TensorProto.FLOAT if self._in_float(node) else self._half
        fixed = FLOAT_INPUTS.get(node.op_type, ())
        for i, name in enumerate(node.input):
            if name in self._floats:
                wanted = TensorProto.FLOAT if i in fixed else kind
                if node.op_type in ANY_TYPE and (name, self._half) in self._at:
                    wanted = self._half
                node.input[i] = self._in_type(name, wanted)
        self._nodes.append(node)
        for i, name in enumerate(node.output):
            if name not in self._floats:
                continue
            if kind == self._half and name in self._outputs:
                node.output[i] = f"{name}/half"
                self._at[name, kind] = node.output[i]
                self._cast(node.output[i], name, TensorProto.FLOAT)
                self._at[name, TensorProto.FLOAT] = name
            else:
                self._at[name, kind] = name

    def _in_float(self, node: onnx.NodeProto) -> bool:
        """Whether a node computes in float32."""
        if node.op_type in KEPT or node.output[0] in self._kept:
            return True
        if node.op_type in NO_BF16 and self._half == TensorProto.BFLOAT16:
            return True
        if node.op_type == "Mul" and node.input[0] == node.input[1]:
            return True  # a square
        return self._half == TensorProto.FLOAT16 and any(
            not self._fits(self._weights[name], node.op_type)
            for name in node.input
            if name in self._weights and name in self._floats
        )

    @staticmethod
    def _fits(weight: onnx.TensorProto, op_type: str) -> bool:
        """Whether a single number keeps its meaning in float16; arrays of weights always do."""
        if int(np.prod(weight.dims)) != 1:
            return True
        size = abs(float(numpy_helper.to_array(weight).reshape(-1)[0]))
        end = LARGEST[TensorProto.FLOAT16]
        return size == 0 or SMALLEST <= size <= end or (size > end and op_type in BOUNDS)

    def _in_type(self, name: str, kind: int) -> str:
        """Name under which a value is found in a type, after a cast where it is not yet."""
        if (name, kind) not in self._at:
            if name in self._weights:
                self._at[name, kind] = self._weight(name)
            else:
                other = self._half if kind == TensorProto.FLOAT else TensorProto.FLOAT
                ending = "float" if kind == TensorProto.FLOAT else "half"
                self._at[name, kind] = f"{name}/{ending}"
                self._cast(self._at[name, other], self._at[name, kind], kind)
        return self._at[name, kind]

    def _weight(self, name: str) -> str:
        """Add a weight in 16 bits."""
        array = narrow(numpy_helper.to_array(self._weights[name]), self._half)
        tensor = helper.make_tensor(
            f"{name}/half", self._half, array.shape, array.tobytes(), raw=True
        )
        self._graph.initializer.append(tensor)
        return tensor.name

    def _cast(self, value: str, name: str, kind: int) -> None:
        node = helper.make_node("Cast", [value], [name], name=f"{name}/cast", to=kind)
        self._nodes.append(node)


def narrow(array: NDArray[np.float32], kind: int) -> NDArray[np.uint16]:
    """Bits of the nearest 16-bit numbers; finite ones beyond the range become its end."""
    end = np.float32(LARGEST[kind])
    array = np.where(np.isfinite(array), np.clip(array, -end, end), array).astype(np.float32)
    if kind == TensorProto.FLOAT16:
        return array.astype(np.float16).view(np.uint16)
    bits = array.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16  # to nearest, ties to even
    return np.where(np.isnan(array), 0x7FC0, rounded).astype(np.uint16)


def _float_values(model: onnx.ModelProto) -> set[str]:
    """Values and weights of type float32."""
    graph = model.graph
    values = (*graph.value_info, *graph.input, *graph.output)
    found = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    return found | {i.name for i in graph.initializer if i.data_type == TensorProto.FLOAT}


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    """Number of axes of every value where it is known."""
    graph = model.graph
    values: Sequence[onnx.ValueInfoProto] = (*graph.value_info, *graph.input, *graph.output)
    return {
        v.name: len(v.type.tensor_type.shape.dim)
        for v in values
        if v.type.tensor_type.HasField("shape")
    }
