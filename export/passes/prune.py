"""Remove what no output depends on."""

from __future__ import annotations

from collections.abc import Collection

import onnx

from ..nodes import reads


def prune(model: onnx.ModelProto, keep: Collection[str] = ()) -> None:
    """Drop dead nodes, initializers and inputs in place; inputs named in `keep` stay."""
    wanted = {o.name for o in model.graph.output}
    nodes = []
    for node in reversed(model.graph.node):
        if any(o in wanted for o in node.output):
            wanted.update(reads(node))
            nodes.append(node)
    weights = [i for i in model.graph.initializer if i.name in wanted]
    inputs = [i for i in model.graph.input if i.name in wanted or i.name in keep]
    for field, values in (("node", nodes[::-1]), ("initializer", weights), ("input", inputs)):
        copies = [type(v).FromString(v.SerializeToString()) for v in values]
        model.graph.ClearField(field)
        getattr(model.graph, field).extend(copies)
