"""Rules of Resize and Upsample: a constant matrix along every axis, transposed on the way back.

An output element i reads the input around x(i), which the coordinate mode gives; the interpolation
gives the weights [1]_.

References
----------
.. [1] ONNX operators, Resize, operator set 19; cubic: Keys, IEEE ASSP 29 (1981), with a = -0.75.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pysal.errors import UnsupportedOpError

from ._places import along, scatter_add
from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node

Float = NDArray[np.float64]
ROUNDED = 1e-3
"""What float32 scales may differ from a ratio of sizes, in elements."""


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("Resize", "Upsample")(resize)


def resize(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """The transposed matrix of every axis whose size changes, one after the other."""
    have, want = g.sizes(node.inputs[0], node), g.sizes(node.outputs[0], node)
    axes = [i for i, (a, b) in enumerate(zip(have, want, strict=True)) if a is not None and b]
    scales = _scales(g, node, have, want)
    resized = [i for i in axes if have[i] != want[i] or scales[i] != 1.0]
    if any(have[i] is None and scales[i] != 1.0 for i in range(len(have))):
        raise UnsupportedOpError(f"{node.label()}: it resizes the batch axis")
    blocks = _blocks(node, have, want, scales, resized)
    dx = str(dys[0])
    if blocks:
        mean = g.op("AveragePool", dx, kernel_shape=blocks, strides=blocks)
        return [g.mul(mean, g.scalar(float(np.prod(blocks))))] + [None] * (len(node.inputs) - 1)
    for axis in resized:
        weights = matrix(node, int(have[axis] or 0), int(want[axis] or 0), scales[axis])
        if node.attrs.get("mode", "nearest") == "nearest":
            places = weights.argmax(1)
            dx = scatter_add(g, dx, axis, places, weights.shape[1], len(have))
        else:
            dx = along(g, dx, axis, weights.astype(np.float32), len(have))
    return [dx] + [None] * (len(node.inputs) - 1)


def matrix(node: Node, size: int, new: int, scale: float) -> Float:
    """(new, size) weights of one axis."""
    attrs = node.attrs
    mode = attrs.get("mode", "nearest")
    x = _coordinates(node, size, new, scale)
    if abs(size * scale - new) > ROUNDED and (mode == "nearest" or size == new):
        raise UnsupportedOpError(
            f"{node.label()}: {size} elements times {scale:g} are cut to {new}, which engines do "
            "in different ways; export it with sizes"
        )
    if mode == "nearest":
        chosen = _rounded(x, attrs.get("nearest_mode", "round_prefer_floor"))
        return np.eye(size)[np.clip(chosen, 0, size - 1)]
    stretch = max(1.0, 1.0 / scale) if attrs.get("antialias", 0) else 1.0
    reach = 2 if mode == "cubic" else 1
    taps = np.arange(-np.ceil(reach * stretch), np.ceil(reach * stretch) + 1)
    places = (np.floor(x)[:, None] + taps).astype(int)
    distance = np.abs(places - x[:, None]) / stretch
    weights = _kernel(distance, mode, float(attrs.get("cubic_coeff_a", -0.75)))
    if attrs.get("exclude_outside", 0) or stretch > 1 or attrs.get("antialias", 0):
        weights = np.where((places >= 0) & (places < size), weights, 0.0)
    weights /= weights.sum(1, keepdims=True)
    full = np.zeros((new, size))
    np.add.at(full, (np.arange(new)[:, None], np.clip(places, 0, size - 1)), weights)
    return full


def _kernel(distance: Float, mode: str, a: float) -> Float:
    """Weight of an element at some distance: the triangle, or the cubic of Keys."""
    if mode == "linear":
        return np.maximum(1 - distance, 0.0)
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def _coordinates(node: Node, size: int, new: int, scale: float) -> Float:
    """Where every output element lies on the input axis."""
    mode = node.attrs.get("coordinate_transformation_mode", "half_pixel")
    mode = "asymmetric" if node.op_type == "Upsample" else mode
    i = np.arange(new, dtype=np.float64)
    if mode == "asymmetric":
        return i / scale
    if mode == "align_corners":
        return i * (size - 1) / (new - 1) if new > 1 else 0 * i
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and new > 1):
        return (i + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return 0 * i
    if mode == "half_pixel_symmetric":
        centre = size / 2 * (1 - new / (scale * size))
        return centre + (i + 0.5) / scale - 0.5
    if mode == "tf_half_pixel_for_nn":
        return (i + 0.5) / scale
    raise UnsupportedOpError(f"{node.label()}: coordinates {mode} have no rule; crop beforehand")


def _rounded(x: Float, how: str) -> NDArray[np.int64]:
    """Whole coordinates, as engines find them in float32."""
    x = x.astype(np.float32).astype(np.float64)
    if how.startswith("round"):
        x = np.ceil(x - 0.5) if how == "round_prefer_floor" else np.floor(x + 0.5)
    else:
        x = np.floor(x) if how == "floor" else np.ceil(x)
    return x.astype(np.int64)


def _scales(g: Graph, node: Node, have: Any, want: Any) -> list[float]:
    """Factor of every axis: as given, else the ratio of sizes."""
    place = 1 if len(node.inputs) == 2 else 2
    given = g.constant(node.inputs[place]) if len(node.inputs) > place else None
    if node.inputs[place:] and node.inputs[place] and given is None:
        raise UnsupportedOpError(f"{node.label()}: its scales are computed; they must be constant")
    ratios = [(b or 1) / (a or 1) for a, b in zip(have, want, strict=True)]
    if "scales" in node.attrs:
        given = np.array(node.attrs["scales"])
    if given is None or given.size == 0:
        return ratios
    axes = node.attrs.get("axes", range(len(ratios)))
    for axis, scale in zip(axes, given.tolist(), strict=True):
        ratios[axis] = float(scale)
    return ratios


def _blocks(node: Node, have: Any, want: Any, scales: list[float], axes: list[int]) -> list[int]:
    """Whole factors of the spatial axes of an image that is enlarged block by block, or nothing."""
    if node.attrs.get("mode", "nearest") != "nearest" or len(have) != 4 or not axes or axes[0] < 2:
        return []
    factors = [int(want[i] or 0) // int(have[i] or 1) for i in (2, 3)]
    for axis, factor in zip((2, 3), factors, strict=True):
        size = int(have[axis] or 0)
        if size * factor != want[axis] or (
            axis in axes and not _repeats(node, size, factor, scales[axis])
        ):
            return []
    return factors


def _repeats(node: Node, size: int, factor: int, scale: float) -> bool:
    """Whether every element of an axis is shown `factor` times."""
    shown = matrix(node, size, size * factor, scale).argmax(1)
    return np.array_equal(shown, np.repeat(np.arange(size), factor))
