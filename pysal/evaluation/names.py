"""Names of an evaluation: a method or metric, and a label where one is there with several options.

"igos" is the method itself; "igos:coarse" and "igos:fine" are the same method, each with options of
its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pysal.errors import OptionError
from pysal.methods import METHODS
from pysal.metrics import METRICS
from pysal.registry import Entry, lookup

LABEL = re.compile(r"[A-Za-z0-9_-]+")


def registered(name: str) -> str:
    """The name in the registry: what stands before the colon."""
    return name.partition(":")[0]


def method_entry(name: str) -> Entry:
    """Entry of a method, with or without a label."""
    return METHODS[registered(name)]


def metric_entry(name: str) -> Entry:
    """Entry of a metric, likewise."""
    return METRICS[registered(name)]


def file_stem(name: str) -> str:
    """The name in files, where not every system allows a colon."""
    return name.replace(":", "@")


def entry_behind(registry: Mapping[str, Entry], name: str, kind: str) -> Entry:
    """Look up a name that a caller gave.

    Raises
    ------
    OptionError
        If nothing is registered under it, or the label is none.
    """
    base, colon, label = name.partition(":")
    if colon and not LABEL.fullmatch(label):
        raise OptionError(
            f'{kind} "{name}" has the label "{label}"; expected letters, digits, "-" and "_" after '
            f'the colon, as in "{base}:fine"'
        )
    return lookup(registry, base, kind)
