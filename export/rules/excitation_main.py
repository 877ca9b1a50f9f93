"""Excitation backpropagation that leaves skip connections out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .excitation_backprop import EXCITATION, add
from .table import Cotangents

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node


def add_main(g: Graph, node: Node, dys: Cotangents) -> Cotangents:
    """All of P into the main branch; shared in proportion where it cannot be told."""
    skip = skip_branch(g, node)
    if skip is None:
        return add(g, node, dys)
    return [None if value == skip else dys[0] for value in node.inputs]


def skip_branch(g: Graph, node: Node) -> str | None:
    """Which of two added values is the skip: the one with fewer operators since they parted.

    None for sums of another number of values, and for branches of equal length.
    """
    terms = [value for value in node.inputs if not g.is_constant(value)]
    if len(terms) != 2 or len(node.inputs) != 2 or terms[0] == terms[1]:
        return None
    first, second = (_ancestors(g, value) for value in terms)
    own = len(first - second), len(second - first)
    if own[0] == own[1]:
        return None
    return terms[0] if own[0] < own[1] else terms[1]


def _ancestors(g: Graph, value: str) -> set[str]:
    """First outputs of all nodes that a value depends on, its own among them."""
    found: set[str] = set()
    todo = [value]
    while todo:
        node = g.producer(todo.pop())
        if node is not None and node.op_type != "Constant" and node.outputs[0] not in found:
            found.add(node.outputs[0])
            todo.extend(node.inputs)
    return found


EXCITATION_MAIN = EXCITATION.overlay("excitation_backprop_main", Add=add_main)
"""As "excitation_backprop", but the addition of a residual block sends nothing through its skip.

The authors' Caffe code does so, and reports better maps [1]_; that the main branch then carries all
of P, so that the signal is conserved, is our reading. The skip is the branch with fewer operators,
a projected one too. Where both have as many, P is shared in proportion.

References
----------
.. [1] Zhang et al., Top-down neural attention by excitation backprop, ECCV 2016; readme of the
   authors' Caffe code.
"""
