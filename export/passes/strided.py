"""Take elements image by image, where an exporter takes them from the flattened batch.

Torch's exporter writes a change of strides as Gather(x of N M elements in one row, indices), with
indices n M + i of which the batch decides the number. That is Gather(x as (N, M), i) on axis 1; and
where i counts from 0 to M - 1, a Reshape.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..nodes import Node
from .shapes import BATCH
from .trace import Array, Trace


def by_image(
    model: onnx.ModelProto, node: Node, walks: Sequence[Trace], batches: Sequence[int]
) -> list[onnx.NodeProto] | None:
    """Nodes to put in the place of such a Gather; None for all other nodes."""
    index = _index(node, walks, batches)
    if index is None:
        return None
    data, output = node.inputs[0], node.outputs[0]
    count = int((walks[0].shape(data) or [0])[0] or 0) // batches[0]
    if np.array_equal(index.ravel(), np.arange(count)):
        target = _constant(model, f"{output}/target", [-1, *index.shape])
        return [helper.make_node("Reshape", [data, target], [output], name=node.name)]
    rows = _constant(model, f"{output}/rows", [-1, count])
    taken = _constant(model, f"{output}/taken", index)
    split = helper.make_node(
        "Reshape", [data, rows], [f"{output}/split"], name=f"{node.name}/split"
    )
    kind = walks[0].types[data].tensor_type.elem_type
    info = helper.make_tensor_value_info(split.output[0], kind, [BATCH, count])
    model.graph.value_info.append(info)
    gather = helper.make_node("Gather", [split.output[0], taken], [output], name=node.name, axis=1)
    return [split, gather]


def _index(node: Node, walks: Sequence[Trace], batches: Sequence[int]) -> Array | None:
    """What every image takes of its own elements."""
    if node.op_type != "Gather" or node.attrs.get("axis", 0) != 0:
        return None
    given = [walk.value(node.inputs[1]) for walk in walks]
    shapes = [walk.shape(node.inputs[0]) for walk in walks]
    if any(x is None or x.ndim == 0 for x in given) or any(s is None for s in shapes):
        return None
    first: Array | None = None
    for index, shape, batch in zip(given, shapes, batches, strict=True):
        assert index is not None
        if len(shape or ()) != 1 or len(index) != batch:
            return None
        count, rest = divmod((shape or [0])[0] or 0, batch)
        place = (np.arange(batch) * count).reshape(-1, *[1] * (index.ndim - 1))
        own = index - place
        first = own[0] if first is None else first
        fits = count and not rest and own.min() >= 0 and own.max() < count
        if not fits or not np.array_equal(own, np.broadcast_to(first, own.shape)):
            return None
    return first


def _constant(model: onnx.ModelProto, name: str, numbers: object) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(numbers, np.int64), name))
    return name
