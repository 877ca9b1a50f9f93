"""Compute what depends on no image: constants of constants, and sizes that are known.

Exporters compute the targets of Reshape, the bounds of Slice, the indices of Gather from the shapes
of other values (Shape, Gather, Concat, Range ...), and tables such as position biases from weights.
Two walks with different batches tell which of these depend on the batch: what is the same in both
becomes a constant. A Reshape of whose target one element differs becomes one to -1 there (0 where
the axis stays as it is), which says the same and leaves nothing to compute. Shapes of all values
are written down, as far as both walks agree; shape inference alone loses many.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..graph import Graph
from ..nodes import Node
from .shapes import BATCH
from .strided import by_image
from .trace import Array, Trace, dense, same

QUANTIZATION = ("QuantizeLinear", "DequantizeLinear")
"""Left as they are on constants: engines run the integers, and find them by these operators."""

BATCHES = (1, 7)
"""One, where some exports take another path, and another."""


def fold_constants(model: onnx.ModelProto, image: str, shape: Sequence[int]) -> None:
    """Fold in place.

    Parameters
    ----------
    model : onnx.ModelProto
        With inferred shapes.
    image : str
        Its input.
    shape : sequence of int
        (C, H, W).
    """
    g = Graph(model)
    one = Trace(g, image, (BATCHES[0], *shape))
    walks = one, Trace(g, image, (BATCHES[1], *shape), one)
    outputs = {o.name for o in model.graph.output}
    integers: set[str] = set()
    kept = []
    for proto, node in zip(model.graph.node, g.nodes, strict=True):
        values = [_constant(walks, name) for name in node.outputs if name]
        if node.op_type == "Constant" or outputs.intersection(node.outputs) or not values:
            kept.append(proto)
        elif any(value is None for value in values):
            if node.op_type == "Reshape":
                _settle(model, proto, node, walks)
            kept.extend(by_image(model, node, walks, BATCHES) or [proto])
        elif node.op_type in QUANTIZATION or integers.intersection(node.inputs):
            integers.update(node.outputs)
            kept.append(proto)
        else:
            _store(model, node, values)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    _write_shapes(model, g, walks)


def _constant(walks: Sequence[Trace], name: str) -> Array | None:
    """A value that both walks computed, and is the same in both."""
    one, other = (walk.values.get(name) for walk in walks)
    return one if one is not None and other is not None and same(one, other) else None


def _store(model: onnx.ModelProto, node: Node, values: Sequence[Array | None]) -> None:
    """Put initializers in the place of a node."""
    for name, value in zip((o for o in node.outputs if o), values, strict=True):
        model.graph.initializer.append(numpy_helper.from_array(dense(np.asarray(value)), name))


def _settle(
    model: onnx.ModelProto, proto: onnx.NodeProto, node: Node, walks: Sequence[Trace]
) -> None:
    """Give a Reshape a constant target, where only one size of its output depends on the batch."""
    given = [walk.value(node.inputs[1]) for walk in walks]
    if any(target is None for target in given) or same(*given):  # type: ignore[arg-type]
        return
    shapes = [walk.shape(node.outputs[0]) for walk in walks]
    if any(shape is None or None in shape or 0 in shape for shape in shapes):
        return
    one, other = (np.array(shape) for shape in shapes)
    free = np.flatnonzero(one != other)
    if len(one) != len(other) or len(free) != 1:
        return
    target, place = one.copy(), int(free[0])
    before = [walk.shape(node.inputs[0]) or [] for walk in walks]
    stays = all(
        place < len(old) and old[place] == new[place]
        for old, new in zip(before, (one, other), strict=True)
    )
    target[place] = 0 if stays else -1
    name = f"{node.outputs[0]}/target"
    model.graph.initializer.append(numpy_helper.from_array(target.astype(np.int64), name))
    proto.input[1] = name
    kept = [a for a in proto.attribute if a.name != "allowzero"]
    del proto.attribute[:]
    proto.attribute.extend(kept)


def _write_shapes(model: onnx.ModelProto, g: Graph, walks: Sequence[Trace]) -> None:
    """Replace inferred shapes by those that both walks found, where they found one."""
    infos = {v.name: v for v in (*model.graph.value_info, *model.graph.output)}
    for node in model.graph.node:
        for name in node.output:
            shapes = [walk.shape(name) for walk in walks]
            if None in shapes or len(shapes[0] or ()) != len(shapes[1] or ()):
                continue
            dims = [_size(a, b) for a, b in zip(*shapes, strict=True)]
            kind = walks[0].types.get(name)
            if name in infos:
                shape = helper.make_tensor_type_proto(TensorProto.FLOAT, dims).tensor_type.shape
                infos[name].type.tensor_type.shape.CopyFrom(shape)
            elif kind is not None:
                code = kind.tensor_type.elem_type
                model.graph.value_info.append(helper.make_tensor_value_info(name, code, dims))


def _size(a: int | None, b: int | None) -> int | str | None:
    """A size that does not depend on the batch, the name of the batch, or None."""
    if a == b:
        return a
    return BATCH if (a, b) == BATCHES else None
