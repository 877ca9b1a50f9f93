"""Which axes of a value are height and width."""

from __future__ import annotations

from math import prod

from .graph import Graph
from .nodes import Node

Axes = tuple[int, int]
"""Positions of height and width: (2, 3) for (N, C, H, W), (1, 2) for (N, H, W, C)."""

WINDOWED = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"}
CHANNELS_FIRST = WINDOWED | {
    *("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "BatchNormalization"),
    *("InstanceNormalization", "GroupNormalization", "LRN", "DepthToSpace", "SpaceToDepth"),
}
"""Operators that take the axes behind the second for spatial, whatever they were before."""


def spatial_axes(g: Graph, image: str) -> dict[str, Axes]:
    """Follow height and width from an image (N, C, H, W) through the graph.

    Values that have lost them (flattened, matrix products across them) are left out.
    """
    found: dict[str, Axes] = {image: (2, 3)}
    for node in g.nodes:
        for output in node.outputs:
            axes = through(g, node, output, found)
            if axes is not None:
                found[output] = axes
    return found


def through(g: Graph, node: Node, output: str, found: dict[str, Axes]) -> Axes | None:
    """Axes of one output, from those that are found."""
    shape = g.shape(output)
    if shape is None:
        return None
    if node.op_type in CHANNELS_FIRST:
        return (2, 3) if len(shape) == 4 else None
    for value in node.inputs:
        if value in found:
            axes = _step(g, node, value, output, found[value])
            if axes is not None:
                return axes
    return None


def _step(g: Graph, node: Node, value: str, output: str, axes: Axes) -> Axes | None:
    """Axes of `output` by way of one input."""
    shape, old = g.shape(output) or (), g.shape(value) or ()
    if node.op_type == "Transpose":
        perm = list(node.attrs.get("perm", range(len(old))[::-1]))
        return perm.index(axes[0]), perm.index(axes[1])
    if node.op_type in ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Gather"):
        return _kept(old, shape, axes, node)
    if node.op_type.startswith("Reduce") and len(shape) != len(old):
        return _kept(old, shape, axes, node)
    if node.op_type == "MatMul":
        if node.inputs[0] != value or not g.is_constant(node.inputs[1]):
            return None
        return axes if max(axes) < len(old) - 1 and len(shape) == len(old) else None
    same = len(shape) == len(old) and all(
        shape[i] in (old[i], None) or 1 in (shape[i], old[i]) for i in axes
    )
    resized = node.op_type in ("Resize", "Upsample", "Pad", "Slice") and len(shape) == len(old)
    return axes if same or resized else None


def _kept(
    old: tuple[int | None, ...], shape: tuple[int | None, ...], axes: Axes, node: Node
) -> Axes | None:
    """Where two neighbouring axes went, counted in elements behind or before them."""
    h, w = axes
    along = node.attrs.get("axis", 0) % len(old) if node.op_type == "Gather" else None
    if w != h + 1 or along in axes or None in old[1:] or None in shape[1:]:
        return None
    gathered = node.op_type in ("Gather", "ReduceMean", "ReduceSum")
    for q in range(1, len(shape)):
        if (shape[q - 1], shape[q]) != (old[h], old[w]):
            continue
        behind = prod(s or 0 for s in shape[q + 1 :]) == prod(s or 0 for s in old[w + 1 :])
        if behind or gathered:
            return q - 1, q
    return None
