"""Rule tables: what each operator does to a cotangent on the way back; `autodiff` walks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from pysal.errors import OptionError

if TYPE_CHECKING:
    from ..graph import Graph
    from ..nodes import Node

Cotangents: TypeAlias = Sequence[str | None]
Rule: TypeAlias = "Callable[[Graph, Node, Cotangents], Cotangents]"


@dataclasses.dataclass(frozen=True)
class RuleTable:
    """Operators and their backward rules.

    A rule is called with the builder, the forward node and one cotangent per output (None where
    nothing arrives). It returns one cotangent per input, None where nothing leaves; the walk checks
    the count and sums over broadcast axes.

    Attributes
    ----------
    name : str
    rules : mapping of operator type to rule
    broadcasting : frozenset of str
        Operators whose rules return cotangents of the output's shape.
    constant : frozenset of str
        Operators through which nothing flows back, by mathematics and not by omission.
    """

    name: str
    rules: dict[str, Rule] = dataclasses.field(default_factory=dict)
    broadcasting: set[str] = dataclasses.field(default_factory=set)
    constant: set[str] = dataclasses.field(default_factory=set)

    def rule(self, *op_types: str, broadcast: bool = False) -> Callable[[Rule], Rule]:
        """Register a function as the rule of these operators."""

        def register(function: Rule) -> Rule:
            for op_type in op_types:
                self.rules[op_type] = function
                if broadcast:
                    self.broadcasting.add(op_type)
            return function

        return register

    def overlay(self, name: str, **rules: Rule) -> RuleTable:
        """Return a table under another name in which these operators have other rules."""
        return RuleTable(name, {**self.rules, **rules}, self.broadcasting, self.constant)

    def knows(self, op_type: str) -> bool:
        """Whether the walk can pass this operator."""
        return op_type in self.rules or op_type in self.constant


def find_table(tables: Mapping[str, RuleTable], name: str) -> RuleTable:
    """Return the table called `name`, or raise an OptionError that lists them."""
    if name not in tables:
        raise OptionError(f'rule table "{name}" is unknown; use one of {", ".join(sorted(tables))}')
    return tables[name]
