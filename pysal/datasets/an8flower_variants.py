"""The three variants of an8Flower as data: classes, colours, and the part that tells them apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from pysal.datasets.an8flower_scene import Colour
from pysal.errors import OptionError

T = TypeVar("T")

COMMON: Mapping[str, Colour] = {
    "pot": (150, 112, 92),
    "soil": (72, 56, 46),
    "stem": (92, 128, 62),
    "leaves": (76, 132, 70),
    "calyx": (66, 106, 52),
}
STOUT: Mapping[str, Colour] = {
    "stout_stem" if part == "stem" else part: colour for part, colour in COMMON.items()
}
"""Where the stem matters it is thick enough to be seen in a small image."""
COLOURS: Mapping[str, Colour] = {
    "red": (204, 44, 40),
    "orange": (226, 122, 30),
    "yellow": (226, 200, 48),
    "blue": (58, 92, 196),
    "purple": (120, 60, 160),
    "pink": (226, 112, 168),
}
PLAIN: Colour = (228, 220, 204)
"""Of flowers whose colour is on the stem."""


class FlowerClass(NamedTuple):
    """One class of a variant.

    Attributes
    ----------
    colours : mapping of str to colour
        Parts that are shown, and their colour in RGB.
    region : tuple of str
        Parts that tell this class from the others; the mask shows where they are visible.
    """

    colours: Mapping[str, Colour]
    region: tuple[str, ...]


def _flower(common: Mapping[str, Colour], colour: Colour) -> FlowerClass:
    return FlowerClass({**common, "flower": colour}, ("flower",))


def _stem(colour: Colour) -> FlowerClass:
    return FlowerClass({**STOUT, "stout_stem": colour, "flower": PLAIN}, ("stout_stem",))


def _ornament(part: str, colour: Colour) -> FlowerClass:
    return FlowerClass({**STOUT, "flower": COLOURS["purple"], part: colour}, (part,))


VARIANTS: dict[str, Mapping[str, FlowerClass]] = {
    "single-6c": {name: _flower(COMMON, colour) for name, colour in COLOURS.items()},
    "double-12c": {f"{name}-flower": _flower(STOUT, colour) for name, colour in COLOURS.items()}
    | {f"{name}-stem": _stem(colour) for name, colour in COLOURS.items()},
    "part-2c": {
        "balls": _ornament("balls", (238, 214, 128)),
        "thorns": _ornament("thorns", (140, 58, 44)),
    },
}
"""Variant -> class -> what it looks like."""


def classes(variant: str) -> tuple[str, ...]:
    """Class names of a variant, in the order of their indices."""
    return tuple(choose(VARIANTS, variant, "an8Flower variant"))


def look(variant: str, cls: str) -> FlowerClass:
    """What a class looks like; OptionError where variant or class is unknown."""
    found: FlowerClass = choose(choose(VARIANTS, variant, "an8Flower variant"), cls, "class")
    return found


def choose(table: Mapping[str, T], name: str, kind: str) -> T:
    """Entry of a table, or an error that lists the names."""
    if name not in table:
        raise OptionError(f'{kind} "{name}" is unknown; use one of {", ".join(table)}')
    return table[name]
