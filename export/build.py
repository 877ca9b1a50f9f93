"""From a file to the models that engines run: scores, and scores with gradients."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from pysal.errors import OptionError
from pysal.prepared import (
    INPUT,
    LOGITS,
    MODEL_KEY,
    PROBABILITIES,
    SEED,
    SEED_PROBABILITY,
    gradient_name,
)

from .autodiff import backward, unsupported
from .graph import Graph
from .passes.fold_pads import fold_pads
from .passes.logits import OutputKind, find_logits
from .passes.prune import prune
from .passes.read import check_model, read_model, to_float32, to_opset
from .passes.shapes import BATCH, fix_input, infer_shapes
from .rules.gradient import TABLES
from .rules.table import find_table


@dataclasses.dataclass(frozen=True)
class PreparedModel:
    """A classifier in the form from which scores and gradients are built.

    Attributes
    ----------
    model : onnx.ModelProto
        Float32, image input (N, C, H, W), shapes inferred; forward nodes as in the file.
    name, sha256 : str
        Of the file.
    input_name : str
    input_shape : tuple of int
        (C, H, W).
    logits : str
        Value before the final activation.
    num_classes : int
    output_kind : {"softmax", "sigmoid", "logits"}
    source_opset : int
        Operator set of the file.
    """

    model: onnx.ModelProto
    name: str
    sha256: str
    input_name: str
    input_shape: tuple[int, int, int]
    logits: str
    num_classes: int
    output_kind: OutputKind
    source_opset: int

    @property
    def layers(self) -> tuple[str, ...]:
        """Values that can be tapped: batched float outputs of nodes between image and logits."""
        g = Graph(self.model)
        live, names = {self.input_name}, []
        for node in g.nodes:
            if any(i in live for i in node.inputs):
                for output in node.outputs:
                    shape = g.shape(output)
                    if shape and shape[0] is None and g.is_float(output):
                        live.add(output)
                        names.append(output)
                if self.logits in node.outputs:
                    break
        return tuple(names)

    def metadata(self) -> dict[str, str]:
        """What a prepared file says of itself, in its own metadata."""
        own = {p.key: p.value for p in self.model.metadata_props}
        facts = {
            "name": self.name,
            "sha256": self.sha256,
            "input": self.input_name,
            "input_shape": self.input_shape,
            "num_classes": self.num_classes,
            "output_kind": self.output_kind,
            "opset": self.source_opset,
            "layers": self.layers,
        }
        return {**own, MODEL_KEY: json.dumps(facts)}


def prepare(
    path: str | os.PathLike[str] | onnx.ModelProto,
    *,
    input_shape: tuple[int, int, int] | None = None,
    output: str | None = None,
) -> PreparedModel:
    """Read a classifier and fix what the gradient rules need to know.

    Parameters
    ----------
    path : path-like or onnx.ModelProto
    input_shape : tuple of int, optional
        (C, H, W), for files that leave the image size open.
    output : str, optional
        Which output has the scores, for files with several.

    Returns
    -------
    PreparedModel

    Raises
    ------
    InputError, ModelFormatError
        If the file cannot be read, or is not an image classifier.
    """
    if isinstance(path, onnx.ModelProto):
        model, sha256, name = onnx.ModelProto(), "", path.graph.name or "model"
        model.CopyFrom(path)
    else:
        (model, sha256), name = read_model(path), Path(path).name
    if not all(o.type.tensor_type.HasField("shape") for o in model.graph.output):
        model = infer_shapes(model, name)  # the checker insists on them
    check_model(model, name)
    source_opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    to_float32(model)
    model = to_opset(model, name)
    shape = fix_input(model, name, input_shape)
    input_name = image_name(model)
    fold_pads(model)
    model = infer_shapes(model, name)
    logits, classes, kind = find_logits(Graph(model), name, output)
    return PreparedModel(
        model, name, sha256, input_name, shape, logits, classes, kind, source_opset
    )


def image_name(model: onnx.ModelProto) -> str:
    """Name of the input that is no initializer."""
    weights = {i.name for i in model.graph.initializer}
    return next(i.name for i in model.graph.input if i.name not in weights)


def build_forward(prepared: PreparedModel, taps: Sequence[str] = ()) -> onnx.ModelProto:
    """Model with the logits (N, K) and tapped activations as outputs."""
    g = _fresh_graph(prepared, "portable")
    _add_logits(g, prepared)
    _add_taps(g, prepared, taps)
    return _finish(g, prepared)


def build_gradient(
    prepared: PreparedModel,
    *,
    rules: str = "gradient",
    lowering: str = "ort",
    wrt: Sequence[str] = (INPUT,),
    taps: Sequence[str] = (),
) -> onnx.ModelProto:
    """Append a backward pass to the model.

    Inputs are the image and two cotangents of shape (N, K): `pysal/seed` on the logits and
    `pysal/seed_probability` on the probabilities; the walk starts from their sum
    ``seed + J^T seed_probability``, so one graph serves every target and both score spaces.
    Outputs are `pysal/logits`, `pysal/probabilities`, the gradient at every value of `wrt`
    (`pysal/input_gradient` for the image, `pysal/gradient/NAME` for a layer), and the taps.

    Parameters
    ----------
    prepared : PreparedModel
    rules : str
        Name of a rule table.
    lowering : {"ort", "portable"}
        Engine family that the new nodes are written for.
    wrt : sequence of str
        "input" or layer names.
    taps : sequence of str
        Layers whose activations become outputs.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    UnsupportedOpError
        Lists every operator without a rule.
    OptionError
        Unknown rule table, lowering or layer.
    """
    table = find_table(TABLES, rules)
    g = _fresh_graph(prepared, lowering)
    logits = _add_logits(g, prepared)
    cotangent = _add_seeds(g, prepared, logits)
    values = [prepared.input_name if w == INPUT else w for w in wrt]
    _check_layers(prepared, [v for v in values if v != prepared.input_name])
    grads = backward(g, {prepared.logits: cotangent}, values, table)
    for value, dx in grads.items():
        name = gradient_name(INPUT if value == prepared.input_name else value)
        _output(g, g.op("Identity", dx, name=name), list(g.shape(value) or ()))
    _add_taps(g, prepared, taps)
    return _finish(g, prepared)


def unsupported_ops(prepared: PreparedModel, rules: str = "gradient") -> dict[str, list[str]]:
    """Operators between image and logits without a rule: {operator: node names}."""
    table = find_table(TABLES, rules)
    found: dict[str, list[str]] = {}
    for node in unsupported(Graph(prepared.model), prepared.logits, [prepared.input_name], table):
        found.setdefault(node.op_type, []).append(node.name or node.outputs[0])
    return found


def _fresh_graph(prepared: PreparedModel, lowering: str) -> Graph:
    """A copy of the prepared model without outputs, ready to be extended."""
    model = onnx.ModelProto()
    model.CopyFrom(prepared.model)
    g = Graph(model, lowering)
    del model.graph.output[:]
    return g


def _add_logits(g: Graph, prepared: PreparedModel) -> str:
    flat = g.ints([0, prepared.num_classes])
    logits = g.op("Reshape", prepared.logits, flat, name=LOGITS)
    _output(g, logits, [None, prepared.num_classes])
    return logits


def _add_seeds(g: Graph, prepared: PreparedModel, logits: str) -> str:
    """Cotangent of the logits from both seeds, in the logits' own shape."""
    for seed in (SEED, SEED_PROBABILITY):
        shape = [BATCH, prepared.num_classes]
        g.model.graph.input.append(helper.make_tensor_value_info(seed, TensorProto.FLOAT, shape))
    if prepared.output_kind == "sigmoid":
        p = g.op("Sigmoid", logits, name=PROBABILITIES)
        through = g.mul(SEED_PROBABILITY, g.mul(p, g.sub(g.scalar(1.0), p)))
    else:
        p = g.op("Softmax", logits, axis=-1, name=PROBABILITIES)
        weighted = g.mul(p, SEED_PROBABILITY)
        through = g.sub(weighted, g.mul(p, g.sum(weighted, [1])))
    _output(g, p, [None, prepared.num_classes])
    total = g.add(SEED, through)
    spatial = len(g.shape(prepared.logits) or ()) - 2
    return g.op("Reshape", total, g.ints([0, 0, *[1] * spatial])) if spatial else total


def _add_taps(g: Graph, prepared: PreparedModel, taps: Sequence[str]) -> None:
    _check_layers(prepared, taps)
    for value in taps:
        _output(g, value, list(g.shape(value) or ()))


def _check_layers(prepared: PreparedModel, names: Sequence[str]) -> None:
    if not names:
        return
    known = prepared.layers
    for name in names:
        if name not in known:
            raise OptionError(
                f'{prepared.name} has no layer "{name}"; the last ones are {", ".join(known[-5:])}'
            )


def _output(g: Graph, name: str, shape: Sequence[int | None]) -> None:
    dims = [BATCH if size is None else size for size in shape]
    info = helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    g.model.graph.output.append(info)


def _finish(g: Graph, prepared: PreparedModel) -> onnx.ModelProto:
    """Drop what no output needs, write the metadata, and check the result."""
    model = g.model
    del model.graph.value_info[:]
    prune(model, keep=(SEED, SEED_PROBABILITY))
    del model.metadata_props[:]
    helper.set_model_props(model, prepared.metadata())
    model.producer_name = "pysal"
    check_model(model, prepared.name)
    return model
