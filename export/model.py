"""A classifier file, read and fixed so that scores and gradients can be built from it."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path

import onnx

from pysal.errors import ModelFormatError, OptionError
from pysal.prepared import EXPLAINER_KEY, MODEL_KEY, not_a_classifier
from pysal.redraw import How

from . import layers
from .graph import Graph
from .layers import Kind
from .layout import Axes, spatial_axes
from .nodes import Shape
from .passes.einsum_letters import lower_letters
from .passes.fold_constants import fold_constants
from .passes.fold_pads import fold_pads
from .passes.inline_ifs import inline_ifs
from .passes.logits import OutputKind, find_logits
from .passes.quantized import real_ends, standard_pairs
from .passes.randomize import randomize, weighted_layers
from .passes.read import check_model, read_model, to_float32, to_opset
from .passes.shapes import fix_input, infer_shapes
from .passes.training import refuse_training
from .receptive import Fields, receptive_fields
from .tokens import Grid, token_grids


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

    @functools.cached_property
    def layers(self) -> tuple[str, ...]:
        """Values that can be tapped: batched float outputs of nodes between image and logits."""
        g = self._graph
        live, names = {self.input_name}, []
        for node in g.nodes:
            if any(i in live for i in node.reads):
                for output in node.outputs:
                    shape = g.shape(output)
                    if shape and shape[0] is None and g.carries(output):
                        live.add(output)
                        names += [output] * g.is_float(output)
                if self.logits in node.outputs:
                    break
        return tuple(names)

    @functools.cached_property
    def spatial_layers(self) -> tuple[str, ...]:
        """Layers (N, C, H, W) of more than one pixel on the way to the logits, in file order."""
        return layers.spatial_layers(self._graph, self.layers, self.logits, self._axes)

    @functools.cached_property
    def last_spatial_layer(self) -> str | None:
        """Default layer of class activation maps; see `layers.cam_layer` and `grid_layer`."""
        default = layers.cam_layer(self._graph, self.spatial_layers, self.logits)
        return layers.grid_layer(self._graph, self.grids, default, self.logits)

    @functools.cached_property
    def grids(self) -> dict[str, Grid]:
        """Where height and width are in layers with channels last; see `tokens`."""
        return token_grids(self._graph, self.layers, self._axes)

    @functools.cached_property
    def contrast_layer(self) -> str | None:
        """Input of the last linear layer; None where that is the image itself."""
        return layers.contrast_layer(self._graph, self.layers, self.logits)

    @functools.cached_property
    def feature_layers(self) -> dict[str, Kind]:
        """Layers with channels below the class layer, {name: kind}; see `layers`."""
        return layers.feature_layers(self._graph, self.layers, self.logits, self._axes)

    @functools.cached_property
    def weighted_layers(self) -> dict[str, tuple[str, ...]]:
        """Layers with weights, {name: weights}; see `passes.randomize`."""
        return weighted_layers(self.model, self.logits)

    def randomized(self, layers: Sequence[str], *, seed: int, how: How) -> PreparedModel:
        """A copy in which the weights of `weighted_layers` are drawn anew; it has no hash."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        weights = [name for layer in layers for name in self.weighted_layers[layer]]
        randomize(model, weights, seed=seed, how=how)
        return dataclasses.replace(self, model=model, name=f"{self.name}, randomized", sha256="")

    def receptive_field(self, layer: str) -> Fields | None:
        """Receptive field of a layer per spatial axis; None where it is global or undefined.

        Raises
        ------
        OptionError
            If there is no such layer.
        """
        self.check_layers([layer])
        return self._fields.get(layer)

    def shape(self, value: str) -> Shape | None:
        """Shape of a value of the forward graph; None for open axes, None for an unknown rank."""
        return self._graph.shape(value)

    def check_layers(self, names: Sequence[str]) -> None:
        """Raise an OptionError for the first name that is no layer."""
        known = self.layers
        for name in names:
            if name not in known:
                last = ", ".join(known[-5:])
                raise OptionError(f'{self.name} has no layer "{name}"; the last ones are {last}')

    @functools.cached_property
    def _graph(self) -> Graph:
        """A view for reading."""
        return Graph(self.model)

    @functools.cached_property
    def _axes(self) -> dict[str, Axes]:
        return spatial_axes(self._graph, self.input_name)

    @functools.cached_property
    def _fields(self) -> dict[str, Fields]:
        return receptive_fields(self._graph, self.input_name, self._axes)

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
            "cam_layer": self.last_spatial_layer,
            "contrast_layer": self.contrast_layer,
            "grids": self.grids,
            "feature_layers": self.feature_layers,
            "receptive_fields": {name: self._fields.get(name) for name in self.feature_layers},
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
    if any(prop.key == EXPLAINER_KEY for prop in model.metadata_props):
        raise ModelFormatError(not_a_classifier(name))
    if not all(o.type.tensor_type.HasField("shape") for o in model.graph.output):
        model = infer_shapes(model, name)  # the checker insists on them
    check_model(model, name)
    source_opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    to_float32(model)
    model = standard_pairs(to_opset(model, name), name)
    real_ends(model)
    shape = fix_input(model, name, input_shape)
    input_name = image_name(model)
    model = infer_shapes(model, name)
    fold_constants(model, input_name, shape)
    while inline_ifs(model):
        model = infer_shapes(model, name)
        fold_constants(model, input_name, shape)
    refuse_training(model, input_name, name)
    fold_pads(model)
    lower_letters(model)
    logits, classes, kind = find_logits(Graph(model), name, output)
    return PreparedModel(
        model, name, sha256, input_name, shape, logits, classes, kind, source_opset
    )


def image_name(model: onnx.ModelProto) -> str:
    """Name of the input that is no initializer."""
    weights = {i.name for i in model.graph.initializer}
    return next(i.name for i in model.graph.input if i.name not in weights)
