"""The models that engines run: scores, and scores with gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from pysal.errors import OptionError
from pysal.prepared import (
    INPUT,
    LOGITS,
    PROBABILITIES,
    SEED,
    SEED_LAYER,
    SEED_LOG_ODDS,
    SEED_PROBABILITY,
    gradient_name,
    multiplier_name,
)

from .autodiff import backward, unsupported
from .graph import Graph
from .model import PreparedModel
from .passes.col2im import col2im_to_conv
from .passes.cotangent import AXES_INPUT
from .passes.multipliers import add_multipliers
from .passes.nest_concats import nest_concats
from .passes.prune import prune
from .passes.read import check_model
from .passes.shapes import BATCH
from .quantized import scores_of
from .rules.table import find_table
from .rules.tables import TABLES

FAR_BELOW = -(2.0**14)
"""Takes a class out of a softmax, and is finite in half precision."""


def build_forward(prepared: PreparedModel, taps: Sequence[str] = ()) -> onnx.ModelProto:
    """Model with the logits (N, K) and tapped activations as outputs."""
    g = _fresh_graph(prepared, "portable")
    _add_logits(g, prepared)
    _add_taps(g, prepared, taps)
    return _finish(g, prepared)


def build_scaled(prepared: PreparedModel, layers: Sequence[str]) -> onnx.ModelProto:
    """Model with the logits as output, and a factor for every channel of some layers as input.

    Inputs are the image and `pysal/multiplier/NAME` per layer, (N, Q, 1, 1) or (N, Q); see
    `passes.multipliers`.

    Raises
    ------
    OptionError
        If there is no such layer, or it has no channels, or is the logits.
    """
    prepared.check_layers(layers)
    if prepared.logits in layers:
        raise OptionError(
            f'layer "{prepared.logits}" is the logits of {prepared.name}; multiply earlier layers'
        )
    shapes = Graph(prepared.model)
    model = onnx.ModelProto()
    model.CopyFrom(prepared.model)
    add_multipliers(model, {layer: shapes.shape(layer) or () for layer in layers})
    g = _fresh_graph(dataclasses.replace(prepared, model=model), "portable")
    _add_logits(g, prepared)
    return _finish(g, prepared, inputs=(prepared.input_name, *map(multiplier_name, layers)))


def build_gradient(
    prepared: PreparedModel,
    *,
    rules: str = "gradient",
    lowering: str = "ort",
    wrt: Sequence[str] = (INPUT,),
    taps: Sequence[str] = (),
    start: str | None = None,
    log_odds: bool = False,
) -> onnx.ModelProto:
    """Append a backward pass to the model.

    Inputs are the image and two cotangents of shape (N, K): `pysal/seed` on the logits and
    `pysal/seed_probability` on the probabilities; the walk starts from their sum
    ``seed + J^T seed_probability``, so one graph serves every target and both score spaces.
    Outputs are `pysal/logits`, `pysal/probabilities`, the gradient at every value of `wrt`
    (`pysal/input_gradient` for the image, `pysal/gradient/NAME` for a layer), and the taps.

    With `log_odds` the second input is `pysal/seed_log_odds`, 1 at one class of each image: the
    walk starts from the slope of log(p / (1 - p)), and p (1 - p) times the result is the gradient
    of the probability. For arithmetic below float32, where a gradient as small as that of a
    probability next to 0 or 1 is lost; in float32 both seeds keep all digits, and the other one
    leaves nothing to multiply.

    With `start` the walk begins at that layer instead: inputs are the image and
    `pysal/seed_layer`, the cotangent of the layer and of its shape (N, ...); outputs are the
    gradients and the taps. What only the logits need is left out of the model.

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
    start : str, optional
        Layer at whose output the walk begins. Default: the logits.
    log_odds : bool

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    UnsupportedOpError
        Lists every operator without a rule.
    OptionError
        Unknown rule table, lowering or layer; a value of `wrt` that does not come before `start`.
    ModelFormatError
        A value of `wrt` that the start does not depend on in a differentiable way.
    """
    table = find_table(TABLES, rules)
    values = [prepared.input_name if w == INPUT else w for w in wrt]
    g = _fresh_graph(prepared, lowering, asked=values)
    prepared.check_layers([v for v in values if v != prepared.input_name])
    if start is None:
        g.kept.update(scores_of(g, prepared.logits))
        logits = _add_logits(g, prepared)
        cotangents = {prepared.logits: _add_seeds(g, prepared, logits, log_odds)}
    else:
        _check_order(prepared, values, start)
        cotangents = {start: _input(g, SEED_LAYER, list(g.shape(start) or ()))}
    grads = backward(g, cotangents, values, table)
    for value, dx in grads.items():
        name = gradient_name(INPUT if value == prepared.input_name else value)
        _output(g, g.op("Identity", dx, name=name), list(g.shape(value) or ()))
    _add_taps(g, prepared, taps)
    return _finish(g, prepared, inputs=(prepared.input_name, *_seeds(start, log_odds)))


def unsupported_ops(prepared: PreparedModel, rules: str = "gradient") -> dict[str, list[str]]:
    """Operators between image and logits without a rule: {operator: node names}."""
    table = find_table(TABLES, rules)
    found: dict[str, list[str]] = {}
    for node in unsupported(Graph(prepared.model), prepared.logits, [prepared.input_name], table):
        found.setdefault(node.op_type, []).append(node.name or node.outputs[0])
    return found


def _fresh_graph(
    prepared: PreparedModel, lowering: str, asked: Collection[str] | None = None
) -> Graph:
    """A copy of the prepared model without outputs, ready to be extended.

    Where a backward pass follows, `asked` are the values whose cotangents are wanted.
    """
    model = onnx.ModelProto()
    model.CopyFrom(prepared.model)
    if lowering == "portable":
        col2im_to_conv(model)
    if asked is not None:
        nest_concats(model, asked, spare_convs=lowering == "ort")
    g = Graph(model, lowering)
    del model.graph.output[:]
    return g


def _add_logits(g: Graph, prepared: PreparedModel) -> str:
    flat = g.ints([0, prepared.num_classes])
    logits = g.op("Reshape", prepared.logits, flat, name=LOGITS)
    _output(g, logits, [None, prepared.num_classes])
    return logits


def _add_seeds(g: Graph, prepared: PreparedModel, logits: str, log_odds: bool) -> str:
    """Cotangent of the logits from both seeds, in the logits' own shape."""
    for seed in _seeds(None, log_odds):
        _input(g, seed, [None, prepared.num_classes])
    sigmoid = prepared.output_kind == "sigmoid"
    if log_odds:
        through = SEED_LOG_ODDS if sigmoid else _through_log_odds(g, logits)
    else:
        through = _through_probabilities(g, logits, sigmoid, prepared.num_classes)
        _output(g, PROBABILITIES, [None, prepared.num_classes])
    total = g.add(SEED, through)
    spatial = len(g.shape(prepared.logits) or ()) - 2
    return g.op("Reshape", total, g.ints([0, 0, *[1] * spatial])) if spatial else total


def _through_probabilities(g: Graph, logits: str, sigmoid: bool, classes: int) -> str:
    """Cotangent of the logits from that of the probabilities.

    Of a softmax it is p (s - sum p s). Where s is the largest, its difference to the sum is formed
    as sum p (max s - s): next to p = 1, 1 - p has lost its digits, and is the sum of the others.
    """
    if sigmoid:
        g.op("Sigmoid", logits, name=PROBABILITIES)
        return g.mul(SEED_PROBABILITY, _sigmoid_slope(g, logits))
    p = g.op("Softmax", logits, axis=-1, name=PROBABILITIES)
    if g.opset >= AXES_INPUT:
        largest = g.op("ReduceMax", SEED_PROBABILITY, g.ints([1]), keepdims=1)
    else:
        largest = g.op("ReduceMax", SEED_PROBABILITY, axes=[1], keepdims=1)
    below = g.sub(largest, SEED_PROBABILITY)
    # a sum over an axis may take its terms in an order that depends on the row, a product does not
    others = g.op("MatMul", g.mul(p, below), g.const(np.ones((classes, 1), np.float32)))
    straight = g.sub(SEED_PROBABILITY, g.sum(g.mul(p, SEED_PROBABILITY), [1]))
    return g.mul(p, g.op("Where", g.op("Equal", below, g.scalar(0.0)), others, straight))


def _sigmoid_slope(g: Graph, logits: str) -> str:
    """Slope e / (1 + e)^2, e = exp(-|z|): ONNX Runtime's Sigmoid is coarse next to 0."""
    e = g.op("Exp", g.op("Neg", g.op("Abs", logits)))
    above = g.add(e, g.scalar(1.0))
    return g.div(e, g.mul(above, above))


def _through_log_odds(g: Graph, logits: str) -> str:
    """Slope of z_t - log sum_{j != t} exp z_j: 1 at t, minus the softmax of the other logits."""
    others = g.add(logits, g.mul(SEED_LOG_ODDS, g.scalar(FAR_BELOW)))
    q = g.op("Softmax", others, axis=-1)
    return g.sub(SEED_LOG_ODDS, g.mul(q, g.sum(SEED_LOG_ODDS, [1])))


def _seeds(start: str | None, log_odds: bool) -> tuple[str, ...]:
    """Inputs of a gradient model besides the image."""
    if start is not None:
        return (SEED_LAYER,)
    return (SEED, SEED_LOG_ODDS if log_odds else SEED_PROBABILITY)


def _add_taps(g: Graph, prepared: PreparedModel, taps: Sequence[str]) -> None:
    prepared.check_layers(taps)
    for value in taps:
        _output(g, value, list(g.shape(value) or ()))


def _check_order(prepared: PreparedModel, values: Sequence[str], start: str) -> None:
    """Raise an OptionError where a gradient is wanted that no walk from `start` reaches."""
    prepared.check_layers([start])
    place = {name: i for i, name in enumerate((prepared.input_name, *prepared.layers))}
    for value in values:
        if place[value] >= place[start]:
            raise OptionError(
                f'the walk starts at "{start}", and layer "{value}" does not come before it; give '
                "an earlier layer or a later start"
            )


def _input(g: Graph, name: str, shape: Sequence[int | None]) -> str:
    g.model.graph.input.append(_value_info(name, shape))
    return name


def _output(g: Graph, name: str, shape: Sequence[int | None]) -> None:
    g.model.graph.output.append(_value_info(name, shape))


def _value_info(name: str, shape: Sequence[int | None]) -> onnx.ValueInfoProto:
    dims = [BATCH if size is None else size for size in shape]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


def _finish(g: Graph, prepared: PreparedModel, inputs: Sequence[str] = ()) -> onnx.ModelProto:
    """Drop what no output needs, write the metadata, and check the result."""
    model = g.model
    del model.graph.value_info[:]
    prune(model, keep=inputs)
    del model.metadata_props[:]
    helper.set_model_props(model, prepared.metadata())
    model.producer_name = "pysal"
    check_model(model, prepared.name)
    return model
