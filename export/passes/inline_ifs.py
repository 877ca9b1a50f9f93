"""Put the branch in the place of an If whose condition is known.

Exporters write an If where they do not know a size, around the Squeeze of an axis for instance;
with the size of the image given, the condition is a constant.
"""

from __future__ import annotations

import onnx
from onnx import helper

from ..graph import Graph
from ..nodes import rename_reads


def inline_ifs(model: onnx.ModelProto) -> int:
    """Rewrite in place; return the number of Ifs that are gone. New values have no shapes yet."""
    if all(node.op_type != "If" for node in model.graph.node):
        return 0
    known, count = Graph(model), 0
    nodes = [onnx.NodeProto.FromString(n.SerializeToString()) for n in model.graph.node]
    del model.graph.node[:]
    for node in nodes:
        condition = known.constant(node.input[0]) if node.op_type == "If" else None
        if condition is None:
            model.graph.node.append(node)
            continue
        branch = "then_branch" if condition.item() else "else_branch"
        graph = next(a.g for a in node.attribute if a.name == branch)
        model.graph.node.extend(_branch(model.graph, node, graph))
        count += 1
    return count


def _branch(
    outer: onnx.GraphProto, node: onnx.NodeProto, branch: onnx.GraphProto
) -> list[onnx.NodeProto]:
    """Nodes of a branch under names that are nobody else's; its weights go to the outer graph."""
    written = {name for inner in branch.node for name in inner.output if name}
    own = (*written, *(tensor.name for tensor in branch.initializer))
    names = {name: f"{node.output[0]}/{name}" for name in own}
    copies = []
    for value, output in zip(branch.output, node.output, strict=True):
        if value.name in written:
            names[value.name] = output
            written.remove(value.name)
        else:  # a weight, a value of the outer graph, or one that is another output too
            inside = names.get(value.name, value.name)
            copies.append(helper.make_node("Identity", [inside], [output], name=output))
    for tensor in branch.initializer:
        tensor.name = names[tensor.name]
        outer.initializer.append(tensor)
    for inner in branch.node:
        inner.name = f"{node.name}/{inner.name}" if inner.name else ""
        rename_reads(inner, names)
        inner.output[:] = [names.get(name, name) for name in inner.output]
    return [*branch.node, *copies]
