"""Find the logits: the value before the softmax or sigmoid that a classifier may end in."""

from __future__ import annotations

from typing import Literal

from pysal.errors import ModelFormatError

from ..graph import Graph
from ..nodes import Node

OutputKind = Literal["softmax", "sigmoid", "logits"]
VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"}
VIEWS |= {"QuantizeLinear", "DequantizeLinear"}
"""Steps that are passed in the search; a rounding of the probabilities is left out with them."""
ENDS: dict[str, OutputKind] = {
    "Softmax": "softmax",
    "LogSoftmax": "softmax",
    "Sigmoid": "sigmoid",
}


def find_logits(g: Graph, name: str, output: str | None = None) -> tuple[str, int, OutputKind]:
    """Walk back from the output over views to a softmax or sigmoid.

    Returns
    -------
    value : str
        Name of the logits, of shape (N, K) or (N, K, 1, 1).
    classes : int
    kind : {"softmax", "sigmoid", "logits"}

    Raises
    ------
    ModelFormatError
        If the output is not one score per class.
    """
    outputs = [o.name for o in g.model.graph.output]
    if output is not None and output not in outputs:
        raise ModelFormatError(f'{name} has no output "{output}"; it has {", ".join(outputs)}')
    candidates = [output] if output else outputs
    for value in candidates:
        if _classes(g, value):
            return _before_activation(g, value)
    shapes = ", ".join(f"{v} {g.shape(v)}" for v in candidates)
    raise ModelFormatError(f"{name} is not an image classifier: output {shapes}; expected (N, K)")


def _before_activation(g: Graph, value: str) -> tuple[str, int, OutputKind]:
    """Step over views, then over one final activation."""
    producers = {o: n for n in g.nodes for o in n.outputs}
    end = _skip_views(producers, value)
    node = producers.get(end)
    if node is not None and node.op_type in ENDS and _over_classes(g, node):
        return node.inputs[0], _classes(g, value), ENDS[node.op_type]
    return value, _classes(g, value), "logits"


def _skip_views(producers: dict[str, Node], value: str) -> str:
    while value in producers and producers[value].op_type in VIEWS:
        value = producers[value].inputs[0]
    return value


def _over_classes(g: Graph, node: Node) -> bool:
    """Whether the activation works on the class axis (a sigmoid works on all)."""
    shape = g.shape(node.outputs[0])
    if node.op_type == "Sigmoid" or shape is None:
        return True
    axis = node.attrs.get("axis", -1) % len(shape)
    return axis == 1 or all(size == 1 for size in shape[1:axis])


def _classes(g: Graph, value: str) -> int:
    """Number of classes of a value (N, K) or (N, K, 1, 1); 0 for any other shape."""
    shape = g.shape(value)
    if shape is None or len(shape) < 2 or shape[1] is None:
        return 0
    return shape[1] if all(size == 1 for size in shape[2:]) else 0
