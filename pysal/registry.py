"""Entries of the registries: what exists, readable in one place, imported only when asked for."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from pysal.errors import OptionError
from pysal.types import ScoreKind


@dataclasses.dataclass(frozen=True)
class Entry:
    """One method, metric or backend.

    Attributes
    ----------
    path : str
        "module:name" of the function or class.
    summary : str
        One line for `pysal methods` and `pysal metrics`.
    needs : frozenset of str
        Subset of {"grad", "activations"}: what the classifier must support.
    cost : str
        Network passes per image, in words, with default options.
    source : str
        Paper and equation or section.
    better : {"higher", "lower", ""}
        Direction of a metric's first value.
    values : mapping of str to {"higher", "lower", ""}
        Names of a metric's values and their directions, the main one first.
    takes : frozenset of str
        Subset of {"truth", "explain"}: what a metric is told besides images, maps and targets.
    aggregate : str
        "module:name" of what makes figures of a whole set from a metric's result; empty where they
        are the means of the values.
    kind : {"probability", "logit"}
        Score space that a method explains where the caller does not say.
    extra : str
        The pip extra that brings its dependencies; empty for none.
    """

    path: str
    summary: str
    needs: frozenset[str] = frozenset()
    cost: str = ""
    source: str = ""
    better: str = ""
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    takes: frozenset[str] = frozenset()
    aggregate: str = ""
    kind: ScoreKind = "probability"
    extra: str = ""

    def load(self) -> Any:
        """Import and return the object behind this entry."""
        module, _, name = self.path.partition(":")
        return getattr(importlib.import_module(module), name)


def lookup(registry: Mapping[str, Entry], name: str, kind: str) -> Entry:
    """Return the entry called `name`; an unknown name lists the near ones.

    Raises
    ------
    OptionError
        If there is no such entry.
    """
    if name in registry:
        return registry[name]
    near = difflib.get_close_matches(name, registry, n=3, cutoff=0.4) or sorted(registry)
    raise OptionError(f'{kind} "{name}" is unknown; did you mean {", ".join(near)}?')
