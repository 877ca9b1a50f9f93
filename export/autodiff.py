"""The reverse walk: appends the backward pass of a forward graph. Knows no operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pysal.errors import ModelFormatError, UnsupportedOpError

from .graph import Graph
from .nodes import Node
from .quantized import is_integer_op
from .rules.table import RuleTable
from .sums import add_up


def backward(
    g: Graph, cotangents: Mapping[str, str], wrt: Sequence[str], table: RuleTable
) -> dict[str, str]:
    """Append nodes that carry cotangents from outputs back to `wrt`.

    Parameters
    ----------
    g : Graph
    cotangents : mapping of value name to cotangent name
        Where the walk starts, for instance {"logits": "seed"}.
    wrt : sequence of str
        Values whose cotangents are wanted.
    table : RuleTable

    Returns
    -------
    dict
        For every name of `wrt` the value that holds its cotangent.

    Raises
    ------
    UnsupportedOpError
        If operators on the way have no rule; all of them are listed.
    ModelFormatError
        If no path leads from a value of `wrt` to the outputs.
    """
    g.asked.update(wrt)
    live = _descendants(g, wrt, table)
    path = [n for n in _ancestors(g, cotangents) if any(i in live for i in n.reads)]
    _refuse_unknown(path, table)
    pending: dict[str, list[str]] = {name: [dy] for name, dy in cotangents.items()}
    problems: list[str] = []
    for node in path:
        dys = [_collect(g, pending, output) for output in node.outputs]
        if node.op_type in table.constant or all(dy is None for dy in dys):
            continue
        try:
            dxs = table.rules[node.op_type](g, node, dys)
        except UnsupportedOpError as error:  # go on, so that one error lists them all
            problems.append(str(error))
            dxs = [dys[0] if i in live else None for i in node.inputs]
        if len(dxs) != len(node.inputs):
            raise AssertionError(f"rule of {node.label()} gave {len(dxs)} of {len(node.inputs)}")
        for value, dx in zip(node.inputs, dxs, strict=True):
            if dx is not None and value in live:
                if node.op_type in table.broadcasting and not problems:
                    dx = unbroadcast(g, dx, node.outputs[0], value, node)
                pending.setdefault(value, []).append(dx)
    if problems:
        raise UnsupportedOpError("; ".join(problems))
    found = {value: _collect(g, pending, value) for value in wrt}
    lost = [value for value, dx in found.items() if dx is None]
    if lost:
        end = ", ".join(cotangents)
        raise ModelFormatError(
            f"the values of {end} do not depend on {', '.join(lost)} in a differentiable way; "
            f"choose a layer between the image and {end}"
        )
    return {value: dx for value, dx in found.items() if dx is not None}


def unsupported(g: Graph, output: str, wrt: Sequence[str], table: RuleTable) -> list[Node]:
    """Nodes between `wrt` and `output` for which `table` has no rule."""
    live = _descendants(g, wrt, table)
    nodes = [n for n in _ancestors(g, [output]) if any(i in live for i in n.reads)]
    return [node for node in nodes if not table.knows(node.op_type)]


def unbroadcast(g: Graph, dx: str, output: str, value: str, node: Node) -> str:
    """Sum `dx`, of the shape of `output`, down to the shape of the broadcast input `value`."""
    have, want = g.shape(output), g.shape(value)
    if have is None or want is None:
        raise ModelFormatError(
            f"{node.label()}: shape inference lost the shapes; simplify the model"
        )
    missing = len(have) - len(want)
    axes = list(range(missing))
    axes += [missing + i for i, size in enumerate(want) if size == 1 and have[missing + i] != 1]
    if not axes:
        return dx
    summed = g.sum(dx, axes)
    return g.reshape_like(summed, value) if missing else summed


def _collect(g: Graph, pending: dict[str, list[str]], value: str) -> str | None:
    """Sum of the cotangents that arrived at a value, written once."""
    arrived = pending.get(value)
    if not arrived:
        return None
    total = add_up(g, arrived, g.shape(value))
    pending[value] = [total]
    return total


def _descendants(g: Graph, wrt: Sequence[str], table: RuleTable) -> set[str]:
    """Values that carry cotangents and depend on `wrt` differentiably."""
    live = set(wrt)
    for node in g.nodes:
        if node.op_type not in table.constant and any(i in live for i in node.reads):
            live.update(o for o in node.outputs if g.carries(o))
    return live


def _ancestors(g: Graph, values: Mapping[str, str] | Sequence[str]) -> list[Node]:
    """Nodes that the values depend on, last first."""
    wanted = set(values)
    nodes = []
    for node in reversed(g.nodes):
        if any(o in wanted for o in node.outputs):
            wanted.update(node.reads)
            nodes.append(node)
    return nodes


def _refuse_unknown(path: Sequence[Node], table: RuleTable) -> None:
    """Raise one error that lists every operator without a rule."""
    unknown: dict[str, list[str]] = {}
    for node in reversed(path):
        if not table.knows(node.op_type):
            unknown.setdefault(node.op_type, []).append(node.name or node.outputs[0])
    if any(map(is_integer_op, unknown)):
        raise UnsupportedOpError(_integer(table.name, unknown))
    if unknown:
        listed = "; ".join(f"{op} ({', '.join(names)})" for op, names in unknown.items())
        raise UnsupportedOpError(
            f'rule table "{table.name}" has no rule for {listed}; use a method that needs scores '
            "only, or export the model with other operators"
        )


def _integer(table: str, unknown: Mapping[str, Sequence[str]]) -> str:
    """What to do with a model whose layers compute on integers."""
    listed = ", ".join(f"{len(names)} {op}" for op, names in unknown.items())
    return (
        f'rule table "{table}" has no rule for {listed}: operators on quantized numbers have no '
        "gradient; quantize the float model in the QDQ format, quantize_static(..., "
        "quant_format=QuantFormat.QDQ), or use a method that needs scores only"
    )
