"""Receptive fields: the window of the image that an element of a layer sees."""

from __future__ import annotations

from typing import NamedTuple

from .graph import Graph
from .layout import Axes
from .nodes import Node, Shape
from .rules.geometry import Window


class Field(NamedTuple):
    """Receptive field along one axis, in pixels: element i sees `size` around centre + i * jump.

    Attributes
    ----------
    size : int
        Pixels, those in the padding included.
    jump : int
        Distance of the fields of neighbouring elements.
    centre : float
        Centre of the first element's field, on 0-based pixel centres.
    """

    size: int
    jump: int
    centre: float


Fields = tuple[Field, Field]
"""Height, width."""

POINTWISE = {
    *("QuantizeLinear", "DequantizeLinear"),
    *("Identity", "Dropout", "Cast", "Add", "Sum", "Sub", "Mul", "Div", "Pow", "Mean", "Max"),
    *("Min", "Where", "PRelu", "Relu", "Clip", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid"),
    *("HardSigmoid", "HardSwish", "Tanh", "Erf", "Softplus", "Exp", "Log", "Sqrt", "Neg", "Abs"),
    *("Swish", "Softsign", "ThresholdedRelu", "RMSNormalization"),
    *("Reciprocal", "Gelu", "Mish", "BatchNormalization", "LRN", "Concat", "Split", "Transpose"),
    *("Unsqueeze", "Squeeze", "Reshape", "Gather", "Slice", "MatMul", "Softmax"),
    *("LayerNormalization", "ReduceMean", "ReduceSum", "ReduceMax"),
}
"""Operators that work pixel by pixel, where they leave height and width alone."""


def receptive_fields(g: Graph, image: str, axes: dict[str, Axes]) -> dict[str, Fields]:
    """Fields of all values that have one; those with a global or undefined field are left out.

    From R = J = 1 and centre 0 at the image, a window of M elements (dilation included), stride S
    and padding O in front makes R + (M - 1) J, J S and centre + ((M - 1) / 2 - O) J [1]_. Where
    branches of equal jump meet, the field is the smallest that covers all of them. Behind a gate
    that sees the whole image (squeeze and excitation) every field is global.

    References
    ----------
    .. [1] Araujo, Norris, Sim, Computing receptive fields of convolutional neural networks,
       Distill 2019.
    """
    start = Field(1, 1, 0.0)
    found: dict[str, Fields] = {image: (start, start)}
    depends = {image}
    for node in g.nodes:
        sources = [value for value in node.reads if value in depends]
        if not sources:
            continue
        floats = [output for output in node.outputs if g.carries(output)]
        depends.update(floats)
        if not all(value in found and None not in _sizes(g, value, axes) for value in sources):
            continue
        for output in floats:
            fields = _through(g, node, sources, output, found, axes) if output in axes else None
            if fields is not None:
                found[output] = fields
    return found


def _through(
    g: Graph,
    node: Node,
    sources: list[str],
    output: str,
    found: dict[str, Fields],
    axes: dict[str, Axes],
) -> Fields | None:
    """Fields of one output; `sources` are the inputs that depend on the image."""
    if node.op_type in ("Conv", "MaxPool", "AveragePool", "LpPool"):
        return _window(g, node, found[node.inputs[0]])
    if node.op_type == "Pad":
        return _pad(g, node, found[sources[0]], axes[sources[0]])
    sizes = _sizes(g, output, axes)
    alone = all(_sizes(g, value, axes) == sizes for value in sources)
    if node.op_type not in POINTWISE or not alone or _mixes(node, g.shape(output), axes[output]):
        return None
    height, width = (_union([found[value][i] for value in sources]) for i in range(2))
    return (height, width) if height and width else None


def _sizes(g: Graph, value: str, axes: dict[str, Axes]) -> Shape:
    shape = g.shape(value) or ()
    return tuple(shape[i] for i in axes[value])


def _mixes(node: Node, shape: Shape | None, axes: Axes) -> bool:
    """Whether an operator along an axis, or along all from one on, works across pixels."""
    axis = node.attrs.get("axis", -1) % len(shape or (0,))
    if node.op_type in ("LayerNormalization", "RMSNormalization"):
        return axis <= max(axes)
    return node.op_type in ("Softmax", "Concat") and axis in axes


def _window(g: Graph, node: Node, fields: Fields) -> Fields | None:
    """Convolutions and pools."""
    weight = g.shape(node.inputs[1]) if node.op_type == "Conv" else None
    sizes = (g.shape(node.outputs[0]) or (None,))[1:]
    if None in sizes:
        return None
    window = Window.of(g, node, tuple(size or 1 for size in (weight or ())[2:]))
    moved = []
    for i, field in enumerate(fields):
        reach = window.dilations[i] * (window.kernel[i] - 1)
        centre = field.centre + (reach / 2 - window.begin[i]) * field.jump
        size = field.size + reach * field.jump
        moved.append(Field(size, field.jump * window.strides[i], centre))
    return moved[0], moved[1]


def _pad(g: Graph, node: Node, fields: Fields, axes: Axes) -> Fields | None:
    """Constant padding moves the first element outwards."""
    counts = g.constant(node.inputs[1]) if len(node.inputs) > 1 else node.attrs.get("pads")
    if counts is None or len(node.inputs) > 3 or node.attrs.get("mode", "constant") != "constant":
        return None
    height, width = (
        field._replace(centre=field.centre - int(counts[i]) * field.jump)
        for field, i in zip(fields, axes, strict=True)
    )
    return height, width


def _union(fields: list[Field]) -> Field | None:
    """Smallest field that covers all; None where jumps differ."""
    if len({field.jump for field in fields}) != 1:
        return None
    low = min(f.centre - (f.size - 1) / 2 for f in fields)
    high = max(f.centre + (f.size - 1) / 2 for f in fields)
    return Field(round(high - low) + 1, fields[0].jump, (low + high) / 2)
