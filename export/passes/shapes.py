"""Fix what must be known before the run: image size, layout, an open batch axis, all shapes."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from pysal.errors import ModelFormatError

from ..graph import Graph
from ..nodes import Node, rename_reads
from .open_batch import open_batch
from .read import to_opset

BATCH = "N"
CEIL_OPSET = 22
Shape3 = tuple[int, int, int]


def image_input(model: onnx.ModelProto, name: str) -> onnx.ValueInfoProto:
    """Return the only input that is no initializer, a float value with four axes."""
    weights = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]
    if len(inputs) != 1:
        raise ModelFormatError(
            f"{name} has {len(inputs)} inputs ({', '.join(i.name for i in inputs)}); expected one "
            "image"
        )
    tensor = inputs[0].type.tensor_type
    rank = len(tensor.shape.dim)
    if rank != 4 or tensor.elem_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(tensor.elem_type).lower()
        remedy = "; export it without the Cast of its pixels" if rank == 4 else ""
        raise ModelFormatError(
            f'{name} takes "{inputs[0].name}" of {rank} axes and type {kind}; expected a float '
            f"image batch (N, C, H, W){remedy}"
        )
    return inputs[0]


def fix_input(model: onnx.ModelProto, name: str, input_shape: Shape3 | None = None) -> Shape3:
    """Give the input the shape (N, C, H, W), N open, and return (C, H, W).

    A channels-last input gets a Transpose in front, so every later step sees channels first. Axes
    that the file leaves open are taken from `input_shape`.
    """
    value = image_input(model, name)
    dims = [d.dim_value if d.HasField("dim_value") else 0 for d in value.type.tensor_type.shape.dim]
    last = dims[3] in (1, 3, 4) and dims[1] not in (1, 3, 4)
    found = (dims[3], dims[1], dims[2]) if last else (dims[1], dims[2], dims[3])
    want = input_shape or found
    shape = tuple(f or w for f, w in zip(found, want, strict=True))
    if input_shape is not None and shape != tuple(input_shape):
        raise ModelFormatError(f"{name} has input shape {found}; {tuple(input_shape)} does not fit")
    if not all(shape):
        sizes = ", ".join(str(size or "?") for size in found)
        raise ModelFormatError(
            f"{name} leaves its image size open ({sizes}); give it as preprocess size or "
            "input_shape"
        )
    channels, height, width = shape
    if dims[0] not in (0, 1):
        open_batch(model, value.name, dims[0])
    elif dims[0] == 1:
        open_batch(model, value.name, 1)
    if last:
        _channels_first(model, value)
    new = helper.make_tensor_value_info(
        value.name, TensorProto.FLOAT, [BATCH, channels, height, width]
    )
    value.CopyFrom(new)
    return channels, height, width


def infer_shapes(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Return the model with the shapes of all values that can be told before the run.

    Where ceil_mode would begin a window behind the input, engines drop it, but shape inference
    does so from operator set 22 on only: such models are converted.
    """
    inferred = _infer(model, name)
    g = Graph(inferred)
    if any(_misjudged(g, node) for node in g.nodes):
        inferred = _infer(to_opset(model, name, CEIL_OPSET), name)
    return inferred


def _infer(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    declared = {o.name: onnx.TensorShapeProto() for o in model.graph.output}
    for output in model.graph.output:
        declared[output.name].CopyFrom(output.type.tensor_type.shape)
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelFormatError(f"{name}: shapes do not fit together: {reason}") from error
    for output in inferred.graph.output:
        if not output.type.tensor_type.HasField("shape") and declared[output.name].dim:
            _declare(output, declared[output.name])
    return inferred


def _declare(output: onnx.ValueInfoProto, shape: onnx.TensorShapeProto) -> None:
    """Give an output behind operators that inference does not know the shape that the file says."""
    output.type.tensor_type.shape.CopyFrom(shape)
    output.type.tensor_type.shape.dim[0].dim_param = BATCH


def _misjudged(g: Graph, node: Node) -> bool:
    """Whether the inferred shape of a pool has a window that begins behind its input."""
    if node.op_type not in ("MaxPool", "AveragePool") or not node.attrs.get("ceil_mode", 0):
        return False
    sizes, counts = g.shape(node.inputs[0]) or (), g.shape(node.outputs[0]) or ()
    rank = len(node.attrs["kernel_shape"])
    strides = node.attrs.get("strides", (1,) * rank)
    begin = node.attrs.get("pads", (0,) * 2 * rank)[:rank]
    axes = zip(sizes[2:], counts[2:], strides, begin, strict=False)
    return any(n and c and (c - 1) * s >= n + b for n, c, s, b in axes)


def _channels_first(model: onnx.ModelProto, value: onnx.ValueInfoProto) -> None:
    """Put a Transpose behind a channels-last input; the input keeps its name."""
    inner = f"{value.name}/channels_last"
    for node in model.graph.node:
        rename_reads(node, {value.name: inner})
    turn = helper.make_node("Transpose", [value.name], [inner], name=inner, perm=[0, 2, 3, 1])
    model.graph.node.insert(0, turn)
