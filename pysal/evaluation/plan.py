"""What an evaluation will do: methods, metrics and their options, checked before any work."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pysal.draws import child
from pysal.errors import OptionError
from pysal.evaluation.images import Item
from pysal.evaluation.names import entry_behind, method_entry, metric_entry
from pysal.methods import METHODS
from pysal.metrics import METRICS
from pysal.options import accepts, check_options
from pysal.registry import Entry
from pysal.types import Target
from pysal.values import is_whole

Options = Mapping[str, Mapping[str, Any]]

IMAGES = 101
"""Stream of the draws that give each image its seed."""

SEED_BITS = 53
"""Seeds of images are exact in every reader of JSON."""


@dataclasses.dataclass(frozen=True)
class Unit:
    """Work that is done as a whole or not at all: one method on some of the images."""

    method: str
    indices: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Plan:
    """Methods x metrics x images.

    Attributes
    ----------
    items : sequence of Item
    methods, metrics : mapping of str to mapping
        Names, in the order of the table, and the options that were given.
    target : "top", "labels", int or tuple of int
    seed : int
    """

    items: Sequence[Item]
    methods: Options
    metrics: Options
    target: str | int | tuple[int, ...]
    seed: int

    def seed_of(self, index: int) -> int:
        """Seed of one image: of the run's seed and the image's number, and of nothing else."""
        return child(self.seed, IMAGES, index=index) >> (64 - SEED_BITS)

    def class_of(self, index: int) -> int | None:
        """Class to explain in one image; None for the top one."""
        if self.target == "top":
            return None
        if self.target == "labels":
            return self.items[index].label
        return self.target[index] if isinstance(self.target, tuple) else int(self.target)

    def target_of(self, method: str, indices: Sequence[int]) -> Target | None:
        """Target of some images in the score space of a method; None for the top classes."""
        classes = [self.class_of(index) for index in indices]
        if None in classes:
            return None
        return Target(np.array(classes, np.int64), method_entry(method).kind)

    def units(self, done: Mapping[str, set[int]], batch_size: int) -> list[Unit]:
        """What is left to do, all methods on the first images before the next images."""
        found = []
        for method in self.methods:
            known = done.get(method, set())
            left = [index for index in range(len(self.items)) if index not in known]
            for first in range(0, len(left), batch_size):
                found.append(Unit(method, tuple(left[first : first + batch_size])))
        return sorted(found, key=lambda unit: unit.indices[0])


def make_plan(
    items: Sequence[Item],
    methods: str | Sequence[str],
    metrics: str | Sequence[str],
    target: Any,
    seed: Any,
    options: Options | None,
    metric_options: Options | None,
) -> Plan:
    """Check everything that can be checked without a model.

    Raises
    ------
    OptionError
        If a name or option is unknown or given twice, a metric needs what is not known of the
        images, or target or seed are none.
    """
    chosen = _options(METHODS, methods, options, "method")
    measured = _options(METRICS, metrics, metric_options, "metric")
    for name in measured:
        if "truth" in metric_entry(name).takes and not any(item.has_truth for item in items):
            raise OptionError(
                f'metric "{name}" compares with what is known of the images, and of these nothing '
                "is; give annotations (a data set, --annotations), or leave the metric out"
            )
    if not is_whole(seed) or not 0 <= int(seed) < 2**64:
        raise OptionError(f"seed is {seed!r}; expected a whole number from 0 to 2^64 - 1")
    return Plan(items, chosen, measured, _target(target, items), int(seed))


def seed_of_all(function: Callable[..., Any]) -> bool:
    """Whether a method or metric takes one seed for all images, and not one for each."""
    annotation = inspect.signature(function).parameters["seed"].annotation
    return annotation in (int, "int")


def seeded(
    function: Callable[..., Any], options: Mapping[str, Any], plan: Plan, indices: Sequence[int]
) -> dict[str, Any]:
    """Options with the seeds of these images, where there are draws and no seed was given."""
    if "seed" in options or not accepts(function, "seed"):
        return dict(options)
    each = [plan.seed_of(index) for index in indices]
    return {**options, "seed": plan.seed if seed_of_all(function) else each}


def _options(
    registry: Mapping[str, Entry], names: Any, given: Options | None, kind: str
) -> dict[str, dict[str, Any]]:
    """Options of every chosen entry, in the order of the names."""
    names = [names] if isinstance(names, str) else list(names)
    given = given or {}
    if not names:
        raise OptionError(f'0 {kind}s given; give at least one, see "pysal {kind}s"')
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f'{kind} "{name}" is given {names.count(name)} times; give it once')
    found = {name: entry_behind(registry, name, kind) for name in names}
    for name in given:
        if name not in found:
            raise OptionError(
                f'options are given for {kind} "{name}", which is not evaluated; the {kind}s are '
                f"{', '.join(names)}"
            )
    for name, entry in found.items():
        check_options(entry.load(), given.get(name, {}), f'{kind} "{name}"')
    return {
        name: {key: _plain(kind, name, key, value) for key, value in given.get(name, {}).items()}
        for name in names
    }


def _plain(kind: str, name: str, key: str, value: Any) -> Any:
    """An option as JSON has it, so that a table says exactly how it was made."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [_plain(kind, name, key, entry) for entry in value]
    if isinstance(value, dict):
        return {str(k): _plain(kind, name, key, entry) for k, entry in value.items()}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise OptionError(
        f'option "{key}" of {kind} "{name}" is {type(value).__name__} {value!r:.60}; expected a '
        "number, text, true, false, null or a list of these"
    )


def _target(target: Any, items: Sequence[Item]) -> str | int | tuple[int, ...]:
    """The target in one of its forms."""
    if target is None or target == "top":
        return "top"
    if isinstance(target, str):
        if target != "labels":
            raise OptionError(f'target is "{target}"; expected "top", "labels", or class numbers')
        missing = [item.name for item in items if item.label is None]
        if missing:
            raise OptionError(
                f'target is "labels" and {len(missing)} of {len(items)} images have none, the '
                f'first {missing[0]}; give labels, or target "top"'
            )
        return "labels"
    index = Target(np.asarray(target)).index.tolist()
    if np.ndim(target) == 0:
        return int(index[0])
    if len(index) != len(items):
        raise OptionError(f"{len(index)} targets for {len(items)} images; give one, or one each")
    return tuple(index)
