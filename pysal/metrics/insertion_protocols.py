"""Protocols of insertion and deletion in the papers: what is ranked, what shows, how many steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pysal.errors import OptionError
from pysal.ranking import TIES
from pysal.values import choice, flag, whole


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Defaults of one paper.

    Attributes
    ----------
    cells : {"map", "image"}
        What is ranked: cells of the map at its own resolution, or pixels.
    deletion, insertion : str
        Baselines: what deleted cells become, and what insertion starts from.
    columns : int
        Pixels per step, in rows of the image; 0 for a fiftieth of the cells.
    """

    cells: str
    deletion: str
    insertion: str
    columns: int


PROTOCOLS: Mapping[str, Protocol] = {
    "igos": Protocol("map", "blur", "blur", 0),
    "rise": Protocol("image", "mean", "blur11", 8),
    "aop": Protocol("image", "blur", "blur", 2),
    "g": Protocol("image", "mean", "mean", 8),
}
"""Metrics specification 1.2."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Options of one call, checked, with the protocol's values where none was given."""

    protocol: str
    cells: str
    baselines: tuple[str, str]
    step: int | None
    legacy: bool
    tie: str
    orders: int

    def step_of(self, cells: int, width: int) -> int:
        """Cells that change per step, of so many, in an image of this width."""
        columns = PROTOCOLS[self.protocol].columns
        default = columns * width if columns else max(1, cells // 50)
        return self.step or default


def settle(
    protocol: Any,
    cells: Any,
    baselines: tuple[Any, Any],
    step: Any,
    legacy: Any,
    tie: Any,
    orders: Any,
) -> Settings:
    """Check options and fill in the protocol's.

    Raises
    ------
    OptionError
        If one is outside its allowed values.
    """
    owner = "insertion_deletion"
    chosen = PROTOCOLS[choice(owner, "protocol", protocol, PROTOCOLS)]
    return Settings(
        protocol,
        chosen.cells if cells is None else choice(owner, "cells", cells, ("map", "image")),
        (_name(baselines[0], chosen.deletion), _name(baselines[1], chosen.insertion)),
        None if step is None else whole(owner, "step", step),
        flag(owner, "legacy_igos_pp", legacy),
        choice(owner, "tie", tie, TIES),
        whole(owner, "orders", orders),
    )


def _name(given: Any, default: str) -> str:
    """Name of a baseline; which names there are is known to `make_baseline`."""
    if given is not None and not isinstance(given, str):
        raise OptionError(
            f"insertion_deletion: a baseline is a {type(given).__name__}; expected a name, for "
            f'instance "{default}"'
        )
    return given or default
