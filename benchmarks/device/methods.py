"""The explanations that are timed: a method joins by one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Timed:
    """A method with its options.

    Attributes
    ----------
    method : str
        A name of `pysal.methods()`.
    options : mapping
    tiny : mapping
        Options of a dry run, on pictures of 32 x 32.
    peer : bool
        Whether it is the I-GOS that plain PyTorch computes too.
    """

    method: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tiny: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    peer: bool = False


_SHORT = {"iterations": 2, "steps": 2}

METHODS = {
    "igos 28": Timed("igos", {"size": 28}, {"size": 7, **_SHORT}, peer=True),
    "igos fast 28": Timed(
        "igos", {"size": 28, "preset": "fast"}, {"size": 7, "preset": "fast", **_SHORT}
    ),
    "igos 224": Timed("igos", {"size": 224}, {"size": 32, **_SHORT}, peer=True),
    "igos fast 224": Timed(
        "igos", {"size": 224, "preset": "fast"}, {"size": 32, "preset": "fast", **_SHORT}
    ),
}
