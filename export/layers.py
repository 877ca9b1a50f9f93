"""Which layers methods take: for class activation maps, for contrast, as features.

A layer is the value that a node writes. Maps are wanted behind the ReLU, where one follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from .graph import Graph
from .layout import Axes
from .nodes import Node
from .quantized import behind_pair, rectifies
from .rules._activations import ACTIVATIONS, self_gate
from .tokens import Grid, mixes_behind, reads_patches

Kind = Literal["conv", "linear", "activation", "pool", "norm", "merge"]

KINDS: dict[str, Kind] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), "conv"),
    **dict.fromkeys(("Gemm", "MatMul"), "linear"),
    **dict.fromkeys(ACTIVATIONS, "activation"),
    **dict.fromkeys(("Sigmoid", "Tanh", "HardSigmoid", "Softsign"), "activation"),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), "pool"),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), "pool"),
    **dict.fromkeys(("BatchNormalization", "InstanceNormalization"), "norm"),
    **dict.fromkeys(("GroupNormalization", "LayerNormalization", "LRN"), "norm"),
    **dict.fromkeys(("RMSNormalization",), "norm"),
    **dict.fromkeys(("Add", "Sum", "Concat"), "merge"),
}
LINEAR = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
PASSING = {"AveragePool", "Dropout", "Identity"}
"""Steps between the last features and the global pooling that make no features of their own."""


def spatial_layers(
    g: Graph, layers: Sequence[str], logits: str, axes: dict[str, Axes]
) -> tuple[str, ...]:
    """Layers (N, C, H, W) of more than one pixel on the way to the logits, in file order."""
    used = _used(g, logits)
    return tuple(n for n in layers if n in used and axes.get(n) == (2, 3) and _pixels(g, n) > 1)


def cam_layer(g: Graph, spatial: Sequence[str], logits: str) -> str | None:
    """Default layer of class activation maps: the last of `spatial` on the main path.

    The main path is what every way from the image to the logits passes; where it has no such value,
    the last of all is taken. Two steps lead further back: over average pooling in front of a
    classifier that wants a fixed size (VGG), and over a class-score map, from which the logits come
    without any linear layer, with the Conv that makes it (SqueezeNet). What remains is what the
    global pooling reads: the last ReLU (ResNet, DenseNet), max pool (VGG), concatenation
    (Inception) or sum (ConvNeXt).
    """
    if not spatial:
        return None
    known, passed = set(spatial), _passed(g, spatial[0], logits)
    value = next((name for name in reversed(spatial) if name in passed), spatial[-1])
    last = _last_linear(g, logits, known)
    if last is not None and value in _descendants(g, last.outputs[0]):
        value = _data(g, last)
    while value in known:
        node = g.producer(behind_pair(g, value))
        if node is None or node.op_type not in PASSING or node.inputs[0] not in known:
            return value
        value = node.inputs[0]
    return None


def grid_layer(g: Graph, grids: Mapping[str, Grid], default: str | None, logits: str) -> str | None:
    """Layer of class activation maps where values with channels last come behind `default`.

    The last value with a grid on the main path. Where only class tokens are read of it, the
    gradient at its patches is zero: then the last one behind which tokens still read each other,
    which is what the last attention block begins with.
    """
    order = {output: i for i, node in enumerate(g.nodes) for output in node.outputs}
    if not grids:
        return default
    used, passed = _used(g, logits), _passed(g, next(iter(grids)), logits)
    behind = order.get(default, -1) if default else -1
    values = [name for name in grids if name in passed and order[name] > behind]
    if not values:
        return default
    if reads_patches(g, values[-1], grids[values[-1]], used):
        return values[-1]
    return next((name for name in reversed(values) if mixes_behind(g, name, used)), default)


def contrast_layer(g: Graph, layers: Sequence[str], logits: str) -> str | None:
    """Input of the last linear layer; None where that is the image itself."""
    last = _last_linear(g, logits, set(layers))
    return _data(g, last) if last is not None else None


def feature_layers(
    g: Graph, layers: Sequence[str], logits: str, axes: dict[str, Axes]
) -> dict[str, Kind]:
    """Layers (N, C, H, W) or (N, C) below the class layer, {name: kind}, in file order.

    Views, gates (the factor of a squeeze-and-excitation, the Sigmoid inside a SiLU) and what is
    tied to the classes are left out. A matrix product with a bias counts once, behind the bias;
    an activation written as x * gate(x) counts as one activation. Means over height and width are
    pools.
    """
    used = _used(g, logits)
    last = _last_linear(g, logits, set(layers))
    tied = _descendants(g, last.outputs[0]) if last is not None else set()
    found: dict[str, Kind] = {}
    for name in layers:
        node = g.producer(name)
        if node is None or name not in used or name in tied or name != node.outputs[0]:
            continue
        shape = g.shape(name) or ()
        kind = _kind(g, node, axes)
        if kind and (len(shape) == 2 or axes.get(name) == (2, 3)):
            if node.op_type == "Add" and kind == "linear":
                found.pop(_computed(g, node)[0], None)
            found[name] = kind
    return found


def _kind(g: Graph, node: Node, axes: dict[str, Axes]) -> Kind | None:
    """What sort of layer a node is; None for those that are part of another, or no layer."""
    name = node.outputs[0]
    if node.op_type in ("Add", "Sum") and len(_computed(g, node)) == 1:
        source = g.producer(_computed(g, node)[0])
        return "linear" if source is not None and source.op_type == "MatMul" else None
    if node.op_type == "Mul":
        return "activation" if self_gate(g, node) else None
    if node.op_type in ("ReduceMean", "ReduceMax"):
        before = axes.get(node.inputs[0])
        return "pool" if before == (2, 3) and _pixels(g, name) == 1 else None
    if node.op_type == "DequantizeLinear":  # behind a ReLU that a quantizer has absorbed
        first = g.producer(node.inputs[0])
        return "activation" if first is not None and rectifies(g, first) else None
    if _is_gate(g, name):
        return None
    return KINDS.get(node.op_type)


def _is_gate(g: Graph, name: str) -> bool:
    """Whether a value is only used as a factor, and squashed to be one."""
    node = g.producer(name)
    squashed = node is not None and node.op_type in ("Sigmoid", "HardSigmoid", "Tanh", "Softplus")
    users = [n for n in g.nodes if name in n.reads] if squashed else []
    return bool(users) and all(user.op_type in ("Mul", "Tanh") for user in users)


def _pixels(g: Graph, value: str) -> int:
    """Height times width; 1 where there are none, 0 where they are not known."""
    total = 1
    for size in (g.shape(value) or ())[2:]:
        total *= size or 0
    return total


def _computed(g: Graph, node: Node) -> list[str]:
    """Inputs that are no constants."""
    return [value for value in node.inputs if value and not g.is_constant(value)]


def _data(g: Graph, node: Node) -> str:
    """The input of a linear layer that is no weight."""
    return next(value for value in node.inputs[:2] if not g.is_constant(value))


def _last_linear(g: Graph, logits: str, known: set[str]) -> Node | None:
    """The linear layer nearest to the logits that reads one of the known values."""
    used = _used(g, logits)
    for node in reversed(g.nodes):
        constants = sum(g.is_constant(value) for value in node.inputs[:2])
        if node.op_type in LINEAR and constants == 1 and node.outputs[0] in used:
            return node if _data(g, node) in known else None
    return None


def _passed(g: Graph, value: str, logits: str) -> set[str]:
    """Descendants of a value that all its ways to the logits pass.

    In file order, such a value is written when nothing else is open: everything before it is its
    ancestor, everything after it its descendant.
    """
    used, below = _used(g, logits), _descendants(g, value)
    inner = [n for n in g.nodes if any(o in used for o in n.outputs)]
    last_use = {name: i for i, node in enumerate(inner) for name in node.reads}
    open_values, found = {value}, set()
    for i, node in enumerate(inner):
        open_values = {name for name in open_values if last_use.get(name, -1) > i}
        written = {o for o in node.outputs if o in used and o in below and g.carries(o)}
        if written and not open_values and len(written) == 1:
            found |= {name for name in written if g.is_float(name)}
        open_values |= written
    return found


def _used(g: Graph, logits: str) -> set[str]:
    """Values that the logits depend on, and the logits."""
    wanted = {logits}
    for node in reversed(g.nodes):
        if any(output in wanted for output in node.outputs):
            wanted.update(node.reads)
    return wanted


def _descendants(g: Graph, value: str) -> set[str]:
    """Values that depend on one, and itself."""
    found = {value}
    for node in g.nodes:
        if any(name in found for name in node.reads):
            found.update(node.outputs)
    return found
