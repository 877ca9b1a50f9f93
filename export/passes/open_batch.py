"""Let a fixed batch axis vary.

A file that was exported for one batch has its size in the targets of Reshape. The batch axis is
followed through the graph; with P elements in front of it, it is the outermost factor of that size
of the target in front of which there are P elements too: windows of an image go into the batch and
back, and attention that has tokens first keeps it second. That size is copied, or left to be
computed.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper


def open_batch(model: onnx.ModelProto, image: str, batch: int) -> int:
    """Change targets in place; return their number.

    Parameters
    ----------
    model : onnx.ModelProto
        Its input still has the fixed batch.
    image : str
        The input.
    batch : int
    """
    shapes, constants = _shapes(model), _constants(model)
    axes, changed = {image: 0}, 0
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        value = next((name for name in node.input if name in axes), None)
        if value is None:
            nodes.append(node)
            continue
        if node.op_type == "Concat":
            nodes.extend(_repeated(model, node, value, axes, len(shapes.get(value, ()))))
        nodes.append(node)
        axis: int | None = axes[value]
        target = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if target is not None:
            axis, opened = _opened(target, shapes.get(value), axes[value], batch)
            if opened is not None:
                name = f"{node.output[0]}/open"
                model.graph.initializer.append(numpy_helper.from_array(opened, name))
                node.input[1] = name
                changed += 1
        else:
            axis = _moved(node, value, axes[value], shapes)
        if axis is not None:
            axes.update(dict.fromkeys(node.output, axis))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return changed


def _repeated(
    model: onnx.ModelProto, node: onnx.NodeProto, value: str, axes: dict[str, int], rank: int
) -> list[onnx.NodeProto]:
    """Nodes that repeat what is no part of the image, a class token, for every image."""
    axis = axes[value]
    along = next((a.i for a in node.attribute if a.name == "axis"), 0)
    new: list[onnx.NodeProto] = []
    for i, name in enumerate(node.input):
        if name in axes or not rank or along % rank == axis:
            continue
        prefix = f"{node.output[0]}/{i}"
        count = helper.make_node("Shape", [value], [f"{prefix}/count"], start=axis, end=axis + 1)
        ones = [
            numpy_helper.from_array(np.ones(n, np.int64), f"{prefix}/ones{k}")
            for k, n in enumerate((axis, rank - axis - 1))
        ]
        model.graph.initializer.extend(ones)
        parts = [ones[0].name, count.output[0], ones[1].name]
        target = helper.make_node("Concat", parts, [f"{prefix}/target"], axis=0)
        repeat = helper.make_node("Expand", [name, target.output[0]], [f"{prefix}/repeated"])
        node.input[i] = repeat.output[0]
        new += [count, target, repeat]
    return new


def _opened(
    target: NDArray[np.int64], shape: list[int] | None, axis: int, batch: int
) -> tuple[int | None, NDArray[np.int64] | None]:
    """Where the batch goes, and a target for every batch; None where it cannot be told, or is."""
    if shape is None:
        return (0 if axis == 0 and target[0] in (0, -1, batch) else None), None
    sizes = [shape[i] if size == 0 else int(size) for i, size in enumerate(target)]
    if -1 in sizes:
        whole = int(np.prod(shape)) // max(-int(np.prod(sizes)), 1)
        sizes[sizes.index(-1)] = whole
    before = int(np.prod(shape[:axis]))
    place = next((i for i in range(len(sizes)) if int(np.prod(sizes[:i])) == before), None)
    if place is None or sizes[place] % batch:
        return None, None
    given = int(target[place])
    copied = place == axis and sizes[place] == shape[axis]
    if given in (0, -1) or (not copied and -1 in target):
        if given == 0 and not copied:
            return None, None
        return place, None
    opened = target.copy()
    opened[place] = 0 if copied else -1
    return place, opened


def _moved(node: onnx.NodeProto, value: str, axis: int, shapes: dict[str, list[int]]) -> int | None:
    """Axis of the batch behind any other operator; None where it is not followed."""
    old, new = shapes.get(value), shapes.get(node.output[0])
    attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Transpose" and old is not None:
        return list(attrs.get("perm", range(len(old))[::-1])).index(axis)
    if old is None or new is None:
        return axis if axis == 0 else None
    if node.op_type in ("Gather", "Split", "Slice", "Concat") and len(new) == len(old):
        return axis
    if node.op_type in ("Squeeze", "Unsqueeze", "Flatten", "Gather") or "Reduce" in node.op_type:
        if len(new) == len(old) or axis == 0 == attrs.get("axis", 1) - 1:
            return axis
        before = int(np.prod(old[:axis]))
        fits = [
            i for i in range(len(new)) if int(np.prod(new[:i])) == before and new[i] == old[axis]
        ]
        removed = int(attrs.get("axis", -1)) if node.op_type == "Gather" else -1
        if 0 <= removed < axis:
            return axis - 1
        return fits[0] if fits else (0 if axis == 0 else None)
    return axis + len(new) - len(old) if len(new) >= len(old) else None


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Shapes of all values whose sizes can all be told."""
    try:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError:  # said later, with the name of the file
        return {}
    found = {}
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(d.HasField("dim_value") for d in tensor.shape.dim):
            found[value.name] = [d.dim_value for d in tensor.shape.dim]
    return found


def _constants(model: onnx.ModelProto) -> dict[str, NDArray[np.int64]]:
    """Targets that are initializers or Constant nodes."""
    tensors = {i.name: i for i in model.graph.initializer if len(i.dims) == 1}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    read = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    return {name: numpy_helper.to_array(t) for name, t in tensors.items() if name in read}
