"""Optimizers that start from a map: their options, and the weaker baseline they see at first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pysal.errors import OptionError
from pysal.types import Array
from pysal.values import is_whole, share


def check_map_options(owner: str, options: Mapping[str, Any], iterations: int) -> dict[str, Any]:
    """Return theta, lam, warmup and weak, checked and as results list them.

    Raises
    ------
    OptionError
        If one is outside its allowed values.
    """
    theta, lam = (share(owner, name, options[name]) for name in ("theta", "lam"))
    warmup, weak = options["warmup"], options["weak"]
    if not is_whole(warmup) or not 0 <= warmup <= iterations:
        raise OptionError(
            f"{owner}: warmup is {warmup!r}; expected a whole number from 0 to the "
            f"{iterations} iterations"
        )
    weak = weak if isinstance(weak, str) else "given"
    return {"theta": theta, "lam": lam, "warmup": int(warmup), "weak": weak}


def baseline_phases(
    fill: Array, weak: Array, warmup: int, iterations: int
) -> tuple[tuple[int, Array], ...]:
    """Baselines with the iterations from which on they are used."""
    if warmup == 0:
        return ((0, fill),)
    if warmup >= iterations:
        return ((0, weak),)
    return ((0, weak), (warmup, fill))
