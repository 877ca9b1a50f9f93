"""Write concatenations that begin with an earlier one as that one and what is new.

Concat(a, b, c) = Concat(Concat(a, b), c). Exporters of dense blocks write the left side, every
layer with all layers before it: backward that is a cut into as many pieces as there are layers, and
the sums of the pieces, N^2 of each. The right side is cut in two, and the wide part is summed at
once. Forward the same numbers are copied.

Where a Conv reads the concatenation, and no normalization comes between, lowering "ort" cuts the
weights of its transpose instead of its result, which is as fast or faster; such chains stay.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx
from onnx import TensorProto, helper

from ..nodes import value_types


def nest_concats(
    model: onnx.ModelProto, asked: Collection[str] = (), spare_convs: bool = False
) -> int:
    """Rewrite in place; return the number of Concats that now read an earlier one.

    Values in `asked` are not read anew: their own cotangents are wanted, and a reader more would
    add to them. With `spare_convs` neither are images of Convs. Concats of dequantized values stay:
    engines run them on integers, as long as each stands between its own pairs.
    """
    shapes, types = value_types(model)
    alone = {*asked, *(n.input[0] for n in model.graph.node if spare_convs and n.op_type == "Conv")}
    dequantized = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    earlier: dict[tuple[int, tuple[str, ...]], str] = {}
    count = 0
    for node in model.graph.node:
        value = node.output[0]
        rank = len(shapes.get(value, ()))
        if node.op_type != "Concat" or types.get(value) != TensorProto.FLOAT or not rank:
            continue
        axis, parts = _axis(node) % rank, tuple(node.input)
        if not dequantized.isdisjoint(parts):
            continue
        for length in range(len(parts) - 1, 1, -1):
            if whole := earlier.get((axis, parts[:length])):
                node.input[:] = [whole, *parts[length:]]
                count += 1
                break
        if value not in alone:
            earlier.setdefault((axis, parts), value)
    return count


def _axis(node: onnx.NodeProto) -> int:
    return next(int(helper.get_attribute_value(a)) for a in node.attribute if a.name == "axis")
