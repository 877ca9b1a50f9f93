"""The rule of Einsum: its cotangents are Einsums of the other operands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import UnsupportedOpError

from .table import Cotangents, RuleTable

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def register(table: RuleTable) -> None:
    """File the rules of this module in `table`."""
    table.rule("Einsum")(einsum)


def einsum(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """The equation with the operand and the output exchanged.

    An axis that only this operand has was summed away: dy is repeated along it.
    """
    terms, output = spelled(g, node)
    dxs: list[str | None] = []
    for i, (value, term) in enumerate(zip(node.inputs, terms, strict=True)):
        if g.is_constant(value):
            dxs.append(None)
            continue
        rest = [j for j in range(len(terms)) if j != i]
        seen = set(output).union(*(terms[j] for j in rest))
        kept = "".join(letter for letter in term if letter in seen)
        equation = ",".join([output, *(terms[j] for j in rest)]) + "->" + kept
        operands = [str(dys[0]), *(node.inputs[j] for j in rest)]
        dx = (
            str(dys[0])
            if equation == f"{output}->{output}"
            else g.op("Einsum", *operands, equation=equation)
        )
        if kept != term:
            dx = _repeated(g, node, dx, value, [k for k, c in enumerate(term) if c not in seen])
        dxs.append(dx)
    return dxs


def spelled(g: Graph, node: Node) -> tuple[list[str], str]:
    """Subscripts of the operands and of the output, with letters in place of an ellipsis."""
    left, arrow, output = node.attrs["equation"].replace(" ", "").partition("->")
    terms = left.split(",")
    shapes = [g.shape(value) for value in node.inputs]
    if any(shape is None for shape in shapes):
        raise UnsupportedOpError(f"{node.label()}: the rank of an input is not known")
    ranks = [len(shape or ()) for shape in shapes]
    free = [letter for letter in LETTERS if letter not in left]
    hidden = [r - len(t.replace("...", "")) for r, t in zip(ranks, terms, strict=True)]
    most = max((h for h, t in zip(hidden, terms, strict=True) if "..." in t), default=0)
    dots = "".join(free[:most])
    terms = [t.replace("...", dots[most - h :]) for h, t in zip(hidden, terms, strict=True)]
    if not arrow:
        whole = "".join(terms)
        output = "..." * bool(most) + "".join(
            sorted(c for c in set(whole) - set(dots) if whole.count(c) == 1)
        )
    output = output.replace("...", dots)
    sizes: dict[str, set[int | None]] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(term, shape or (), strict=True):
            sizes.setdefault(letter, set()).add(size)
    broadcast = any(1 in found and len(found) > 1 for found in sizes.values())
    if broadcast or any(len(set(t)) < len(t) for t in (*terms, output)):
        raise UnsupportedOpError(
            f"{node.label()}: broadcast or repeated axes of {node.attrs['equation']} have no rule"
        )
    return terms, output


def _repeated(g: Graph, node: Node, dx: str, value: str, axes: list[int]) -> str:
    """Insert axes and repeat along them."""
    shape = g.static_shape(value, node)
    if 0 in axes and shape[0] is None:
        raise UnsupportedOpError(f"{node.label()}: a sum over the images of a batch has no rule")
    ones = np.ones([(shape[k] or 1) if k in axes else 1 for k in range(len(shape))], np.float32)
    return g.mul(g.op("Unsqueeze", dx, g.ints(axes)), g.const(ones))
