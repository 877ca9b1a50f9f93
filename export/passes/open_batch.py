"""Let a fixed batch axis vary.

A file that was exported for one batch has its size in the targets of Reshape. The batch is the
outermost of the factors of a value's first axis, so a target that begins with the batch copies it
where the value does, and any other leaves its first size to be computed: windows of an image, and
back.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


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
    first = _first_sizes(model)
    constants = _constants(model)
    live, changed = {image}, 0
    for node in model.graph.node:
        if not any(name in live for name in node.input):
            continue
        live.update(node.output)
        if node.op_type != "Reshape" or node.input[0] not in live:
            continue
        target = constants.get(node.input[1])
        opened = _opened(target, first.get(node.input[0], batch), batch)
        if opened is not None:
            name = f"{node.output[0]}/open"
            model.graph.initializer.append(numpy_helper.from_array(opened, name))
            node.input[1] = name
            changed += 1
    return changed


def _opened(target: NDArray[np.int64] | None, size: int, batch: int) -> NDArray[np.int64] | None:
    """A target for every batch; None where it already is one, or cannot be made one."""
    if target is None or not target.size or target[0] in (0, -1):
        return None
    if target[0] == batch == size:
        place = 0
    elif (target > 0).all():
        place = -1
    else:
        return None
    return np.concatenate([np.array([place], np.int64), target[1:]])


def _first_sizes(model: onnx.ModelProto) -> dict[str, int]:
    """First size of every value, where it can be told."""
    try:
        model = onnx.shape_inference.infer_shapes(model)
    except onnx.shape_inference.InferenceError:  # said later, with the name of the file
        return {}
    found = {}
    for value in (*model.graph.value_info, *model.graph.input):
        dims = value.type.tensor_type.shape.dim
        if len(dims) and dims[0].HasField("dim_value"):
            found[value.name] = dims[0].dim_value
    return found


def _constants(model: onnx.ModelProto) -> dict[str, NDArray[np.int64]]:
    """Targets that are initializers or Constant nodes."""
    tensors = {i.name: i for i in model.graph.initializer if len(i.dims) == 1}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    read = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    return {name: numpy_helper.to_array(t) for name, t in tensors.items() if name in read}
