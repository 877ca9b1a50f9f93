"""Put a factor behind channels, so that a run can take some of them away.

Behind a layer y of shape (N, Q, h, w) or (N, Q) comes ``y * m`` with a new input m of shape
(N, Q, 1, 1) or (N, Q): with ones the network is what it was, with a zero the channel is zero for
all that reads the layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import TensorProto, helper

from pysal.errors import ModelFormatError, OptionError
from pysal.prepared import multiplier_name

from ..nodes import rename_reads
from .shapes import BATCH


def add_multipliers(model: onnx.ModelProto, shapes: Mapping[str, tuple[int | None, ...]]) -> None:
    """Add an input and a Mul per layer, in place.

    Parameters
    ----------
    model : onnx.ModelProto
    shapes : mapping of str to tuple
        Layers, and their shapes (N, Q) or (N, Q, h, w).

    Raises
    ------
    OptionError
        If a layer has another rank.
    ModelFormatError
        If its number of channels is not known.
    """
    for layer, shape in shapes.items():
        if len(shape) not in (2, 4):
            raise OptionError(
                f'layer "{layer}" has shape {shape}; channels are those of (N, Q) or (N, Q, h, w)'
            )
        if shape[1] is None:
            raise ModelFormatError(
                f'layer "{layer}" has an unknown number of channels; export the model with a '
                "fixed image size"
            )
        _multiply(model.graph, layer, [BATCH, shape[1], *[1] * (len(shape) - 2)])


def _multiply(graph: onnx.GraphProto, layer: str, shape: list[str | int]) -> None:
    """Let every reader of a value read its product with a new input."""
    factor, product = multiplier_name(layer), f"{multiplier_name(layer)}/product"
    graph.input.append(helper.make_tensor_value_info(factor, TensorProto.FLOAT, shape))
    place = 0
    for index, node in enumerate(graph.node):
        if layer in node.output:
            place = index + 1
        rename_reads(node, {layer: product})
    node = helper.make_node("Mul", [layer, factor], [product], name=product)
    graph.node.insert(place, node)
