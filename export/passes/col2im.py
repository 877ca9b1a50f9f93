"""Write Col2Im as the ConvTranspose that it is: TensorRT's parser does not know it.

A column holds the block of one place: C channels of prod(block) elements. ConvTranspose with a
group per channel and a one-hot kernel per element puts them in their place, and sums where blocks
meet.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..graph import Graph
from ..nodes import Node
from .shapes import BATCH


def col2im_to_conv(model: onnx.ModelProto) -> int:
    """Rewrite in place; return the number of Col2Im nodes that were. Computed sizes stay."""
    nodes = list(model.graph.node)
    if all(node.op_type != "Col2Im" for node in nodes):
        return 0
    known = Graph(model)
    del model.graph.node[:]
    count = 0
    for node in nodes:
        new = _transposed(model, known, Node.of(node)) if node.op_type == "Col2Im" else None
        model.graph.node.extend(new or [node])
        count += new is not None
    return count


def _transposed(model: onnx.ModelProto, known: Graph, node: Node) -> list[onnx.NodeProto] | None:
    """Reshape and ConvTranspose in the place of a node, or None."""
    size, block = (known.constant(name) for name in node.inputs[1:3])
    shape = known.shape(node.outputs[0])
    if size is None or block is None or not shape or shape[1] is None:
        return None
    rank, places, channels = len(block), int(np.prod(block)), shape[1]
    strides = np.array(node.attrs.get("strides", [1] * rank))
    dilations = np.array(node.attrs.get("dilations", [1] * rank))
    pads = node.attrs.get("pads", [0] * 2 * rank)
    room = size + pads[:rank] + pads[rank:] - dilations * (block - 1) - 1
    steps, rest = np.divmod(room, strides)

    def add(hint: str, array: np.ndarray) -> str:
        tensor = numpy_helper.from_array(array, f"{node.outputs[0]}/{hint}")
        model.graph.initializer.append(tensor)
        return tensor.name

    kernel = np.eye(places, dtype=np.float32).reshape(places, 1, *block)
    weight = add("places", np.tile(kernel, (channels, *[1] * (rank + 1))))
    target = [channels * places, *(int(step) + 1 for step in steps)]
    columns = f"{node.outputs[0]}/columns"
    model.graph.value_info.append(
        helper.make_tensor_value_info(columns, TensorProto.FLOAT, [shape[0] or BATCH, *target])
    )
    grid = add("grid", np.array([0, *target], np.int64))
    return [
        helper.make_node("Reshape", [node.inputs[0], grid], [columns]),
        helper.make_node(
            "ConvTranspose",
            [columns, weight],
            [node.outputs[0]],
            name=node.name,
            group=channels,
            strides=strides.tolist(),
            dilations=dilations.tolist(),
            pads=list(pads),
            output_padding=rest.tolist(),
        ),
    ]
