"""Refuse networks that are not in inference mode, whose scores are those of no image alone."""

from __future__ import annotations

import onnx

from pysal.errors import ModelFormatError

from ..graph import Graph
from ..nodes import Node

RANDOM = {
    *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform"),
    "RandomUniformLike",
}


def refuse_training(model: onnx.ModelProto, image: str, name: str) -> None:
    """Raise a ModelFormatError where scores depend on other images of the batch, or on chance.

    Normalization of weights by their own statistics is inference.
    """
    g = Graph(model)
    reached = {image}
    for node in g.nodes:
        carries = not reached.isdisjoint(node.reads)
        if carries:
            reached.update(node.outputs)
        if node.op_type in RANDOM:
            why = "is random"
        elif carries and node.op_type == "BatchNormalization" and node.attrs.get("training_mode"):
            why = "takes the statistics of the batch"
        elif carries and _drops(g, node):
            why = "drops elements at random"
        else:
            continue
        raise ModelFormatError(
            f"{name} is not in inference mode: {node.label()} {why}; export it again after "
            "model.eval()"
        )


def _drops(g: Graph, node: Node) -> bool:
    """Whether a Dropout is told to train."""
    if node.op_type != "Dropout" or len(node.inputs) < 3:
        return False
    mode = g.constant(node.inputs[2])
    return mode is not None and bool(mode)
