"""Move zero paddings into the Convs that read them.

Conv(Pad(x, p), pads q) = Conv(x, pads p + q) for zero padding of spatial axes. Forward the engines
do this themselves; backward it saves a crop after every such Conv. Pads that anything else reads
stay.
"""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper

from ..nodes import reads


def fold_pads(model: onnx.ModelProto) -> int:
    """Fold in place; return the number of Pad nodes removed."""
    graph = model.graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    readers: dict[str, list[onnx.NodeProto]] = {o.name: [onnx.NodeProto()] for o in graph.output}
    for node in graph.node:
        for value in reads(node):
            readers.setdefault(value, []).append(node)
    removed = []
    for pad in graph.node:
        if pad.op_type != "Pad":
            continue
        counts = _spatial_zeros(pad, constants)
        convs = readers.get(pad.output[0], [])
        if counts is None or not convs or not all(_takes_pads(c, pad.output[0]) for c in convs):
            continue
        for conv in convs:
            _add_pads(conv, counts)
            conv.input[0] = pad.input[0]
        removed.append(pad)
    for pad in removed:
        graph.node.remove(pad)
    return len(removed)


def _spatial_zeros(pad: onnx.NodeProto, constants: dict[str, object]) -> list[int] | None:
    """Begin and end counts of the spatial axes, or None if the pad is anything but those zeros."""
    attrs = {a.name: helper.get_attribute_value(a) for a in pad.attribute}
    names = [*pad.input[1:], "", ""]
    if (
        attrs.get("mode", b"constant") != b"constant"
        or len(pad.input) > 3
        or names[0] not in constants
    ):
        return None
    if names[1] and (names[1] not in constants or float(constants[names[1]]) != 0.0):  # type: ignore[arg-type]
        return None
    counts = [int(c) for c in constants[names[0]]]  # type: ignore[attr-defined]
    half = len(counts) // 2
    outside = counts[:2] + counts[half : half + 2]
    inside = counts[2:half] + counts[half + 2 :]
    return inside if half > 2 and not any(outside) and min(inside) >= 0 else None


def _takes_pads(node: onnx.NodeProto, value: str) -> bool:
    """Whether this is a Conv with explicit pads that reads the value as its image."""
    explicit = all(a.s in (b"NOTSET", b"VALID") for a in node.attribute if a.name == "auto_pad")
    return node.op_type == "Conv" and node.input[0] == value and explicit


def _add_pads(conv: onnx.NodeProto, counts: list[int]) -> None:
    own = next((list(a.ints) for a in conv.attribute if a.name == "pads"), [0] * len(counts))
    kept = [a for a in conv.attribute if a.name not in ("pads", "auto_pad")]
    pads = helper.make_attribute("pads", [a + b for a, b in zip(own, counts, strict=True)])
    del conv.attribute[:]
    conv.attribute.extend([*kept, pads])
