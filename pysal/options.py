"""Keyword options of methods and metrics: which there are, and one line when a name is wrong."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pysal.errors import CapabilityError, OptionError, ShapeError
from pysal.registry import Entry
from pysal.types import ModelInfo

RESERVED = frozenset({"progress", "truth", "explain"})
"""Keyword parameters that the caller's layer fills in itself."""

PER_IMAGE: Mapping[str, tuple[int, ...]] = {
    "seed": (1,),
    "base": (3, 4),
    "segments": (3, 4),
    "baseline": (4,),
    "baselines": (4,),
    "fill": (4,),
    "weak": (4,),
}
"""Options that may be arrays with one entry per image, and how many axes these have then."""


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


def rows_of(options: Mapping[str, Any], rows: slice, num_images: int) -> dict[str, Any]:
    """Options for some of the images: arrays with one entry per image are cut.

    Parameters
    ----------
    options : mapping
    rows : slice
        Which of the images.
    num_images : int
        Of all of them; an array may also have one entry for all.

    Raises
    ------
    ShapeError
        If an array of `PER_IMAGE` has another number of entries.
    """
    return {name: _cut(name, value, rows, num_images) for name, value in options.items()}


def _cut(name: str, value: Any, rows: slice, num_images: int) -> Any:
    """Rows of one option, or the option itself where it is the same for all images."""
    if name == "baselines" and isinstance(value, list | tuple):
        return [_cut(name, entry, rows, num_images) for entry in value]
    is_list = isinstance(value, list | tuple) and name == "seed"
    if not (is_list or hasattr(value, "ndim")) or np.ndim(value) not in PER_IMAGE.get(name, ()):
        return value
    if len(value) == num_images:
        return value[rows]
    if len(value) == 1:
        return value
    raise ShapeError(
        f"{name} has {len(value)} entries for {num_images} images; give one for each, or one"
    )
