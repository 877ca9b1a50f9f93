"""Read a model file: weights, precision and operator set as the gradient rules expect them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from pysal.errors import InputError, ModelFormatError

from ..nodes import bodies, reads

MIN_OPSET = 16
"""Rules write operators of this version or newer."""
OTHER_FLOATS = {TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
SIZE_LIMIT = 2**31 - 2**20
"""Protobuf's limit of 2 GB, with a margin for the nodes."""


def read_model(path: str | os.PathLike[str]) -> tuple[onnx.ModelProto, str]:
    """Load a file with its external weights.

    Returns
    -------
    model : onnx.ModelProto
    sha256 : str
        Hash of the file's own bytes.

    Raises
    ------
    InputError
        If there is no such file.
    ModelFormatError
        If it is not an ONNX model, is cut short, or has more than 2 GB of weights.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"model {path} {what}; give the path of an .onnx file")
    size = path.stat().st_size
    if size > SIZE_LIMIT:
        raise ModelFormatError(f"{path} has {size / 2**30:.1f} GB; {_TOO_LARGE}")
    data = path.read_bytes()
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ModelFormatError(
            f"{path} is not an ONNX model or is cut short ({size} bytes); download or export it "
            "again"
        ) from error
    if not model.graph.node or not model.opset_import:
        raise ModelFormatError(f"{path} has no ONNX graph; give a model exported as .onnx")
    _load_weights(model, path)
    return model, hashlib.sha256(data).hexdigest()


def _load_weights(model: onnx.ModelProto, path: Path) -> None:
    """Bring external weights into the model."""
    outside = [t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    total = sum(
        int(np.prod(t.dims)) * helper.tensor_dtype_to_np_dtype(t.data_type).itemsize
        for t in outside
    )
    if total > SIZE_LIMIT:
        raise ModelFormatError(f"{path} has {total / 2**30:.1f} GB of weights; {_TOO_LARGE}")
    if not outside:
        return
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        files = {e.value for t in outside for e in t.external_data if e.key == "location"}
        raise ModelFormatError(
            f"{path}: its weights in {', '.join(sorted(files))} cannot be read ({error}); keep the "
            "files side by side"
        ) from error


_TOO_LARGE = (
    "gradient models are limited to 2 GB by protobuf; use a smaller variant of the model, or a "
    "method that needs scores only"
)


def check_model(model: onnx.ModelProto, name: str) -> None:
    """Run the onnx checker; what it refuses becomes a ModelFormatError."""
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelFormatError(f"{name} is not a valid ONNX model: {reason}") from error


def to_float32(model: onnx.ModelProto) -> None:
    """Turn weights, casts and value types of other float widths into float32, in place.

    float16 sums lose gradients, so a model with float16 weights is computed in float32 from the
    same weights: every float16 number is a float32 number.
    """
    _graph_to_float32(model.graph)


def _graph_to_float32(graph: onnx.GraphProto) -> None:
    """A graph, and the bodies within it."""
    for tensor in graph.initializer:
        if tensor.data_type in OTHER_FLOATS:
            _widen(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and node.op_type == "Cast" and attribute.i in OTHER_FLOATS:
                attribute.i = TensorProto.FLOAT
            elif (
                attribute.type == onnx.AttributeProto.TENSOR
                and attribute.t.data_type in OTHER_FLOATS
            ):
                _widen(attribute.t)
        for body in bodies(node):
            _graph_to_float32(body)
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type in OTHER_FLOATS:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.value_info[:]


def _widen(tensor: onnx.TensorProto) -> None:
    array = numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def to_opset(model: onnx.ModelProto, name: str, least: int = MIN_OPSET) -> onnx.ModelProto:
    """Convert models older than the rules' operator set; the others stay as they are."""
    version = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    newest = onnx.defs.onnx_opset_version()
    if not 7 <= version <= newest:
        raise ModelFormatError(
            f"{name} uses operator set {version}; expected 7 to {newest} (onnx "
            f"{onnx.__version__}); export it again, or update onnx"
        )
    if version >= least:
        return model
    trained = _one_output(model) if version < 14 else set()
    try:
        converted = onnx.version_converter.convert_version(model, least)
    except Exception as error:  # the converter raises bare RuntimeError and its own C++ types
        raise ModelFormatError(
            f"{name} cannot be converted from operator set {version} to {least} ({error}); "
            f"export it with operator set {least} or newer"
        ) from error
    for node in converted.graph.node:
        if node.op_type == "BatchNormalization" and node.output[0] in trained:
            node.attribute.append(helper.make_attribute("training_mode", 1))
            node.output.extend([f"{node.output[0]}/mean", f"{node.output[0]}/var"])
    return converted


def _one_output(model: onnx.ModelProto) -> set[str]:
    """Drop statistics that nothing reads: the converter takes no normalization that returns them.

    Before operator set 14 they were what told of training mode; exports of standardized weights
    have it. Returns the outputs of these nodes.
    """
    nodes = [n for n in model.graph.node if n.op_type == "BatchNormalization" and n.output[1:]]
    read = {name for node in model.graph.node for name in reads(node)}
    read |= {value.name for value in model.graph.output}
    nodes = [node for node in nodes if not read & set(node.output[1:])]
    for node in nodes:
        del node.output[1:]
    return {node.output[0] for node in nodes}
