"""Keyword options of methods and metrics: which there are, and one line when a name is wrong."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pysal.errors import CapabilityError, OptionError
from pysal.registry import Entry
from pysal.types import ModelInfo

RESERVED = frozenset({"progress"})
"""Keyword parameters that the caller's layer fills in itself."""


def option_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Names and default values of the options of `function`, its keyword-only parameters."""
    parameters = inspect.signature(function).parameters.values()
    return {
        p.name: p.default
        for p in parameters
        if p.kind is inspect.Parameter.KEYWORD_ONLY and p.name not in RESERVED
    }


def accepts(function: Callable[..., Any], name: str) -> bool:
    """Whether `function` has a keyword-only parameter of this name."""
    found = inspect.signature(function).parameters.get(name)
    return found is not None and found.kind is inspect.Parameter.KEYWORD_ONLY


def check_options(function: Callable[..., Any], options: Mapping[str, Any], owner: str) -> None:
    """Refuse options that `function` does not have.

    Parameters
    ----------
    function : callable
    options : mapping
    owner : str
        What the error shall name, for instance 'method "igos"'.

    Raises
    ------
    OptionError
        If a name is unknown; the line lists the near ones, or all where none is near.
    """
    known = option_defaults(function)
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or sorted(known)
            hint = f"did you mean {', '.join(near)}?" if near else "it has none"
            raise OptionError(f'{owner} has no option "{name}"; {hint}')


def check_needs(name: str, registry: Mapping[str, Entry], info: ModelInfo, kind: str) -> None:
    """Refuse a method or metric whose needs this model and engine do not meet.

    Raises
    ------
    CapabilityError
        The line names what is missing and the entries that would work.
    """
    missing = registry[name].needs - info.supports
    if not missing:
        return
    works = [other for other, entry in registry.items() if entry.needs <= info.supports]
    remedy = f"use {', '.join(works)}" if works else f"no {kind} of this version works on it"
    raise CapabilityError(
        f'{kind} "{name}" needs {" and ".join(sorted(missing))}, which {info.name} on '
        f"{info.engine or 'this engine'} does not have; {remedy}"
    )
