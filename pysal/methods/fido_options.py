"""Options of FIDO: what the kind of mask decides, and every check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pysal.errors import CapabilityError, OptionError
from pysal.fillers.filler import Filler
from pysal.values import choice, number, positive, size, whole


def learning_rate(options: Mapping[str, Any]) -> Callable[[int], float]:
    """Learning rate of a step."""
    rate, steps = options["rate"], options["steps"]
    linear = options["decay"] == "linear"
    return lambda step: rate * (1 - step / steps) if linear else rate


def pick_background(background: str | None, filler: Filler) -> str:
    """Which of a filler's outputs is the background."""
    if background is None:
        return "unpasted" if filler.has_unpasted else "pasted"
    choice("fido", "background", background, ("unpasted", "pasted"))
    if background == "unpasted" and not filler.has_unpasted:
        raise CapabilityError(
            f'fido: filler {filler.name} has no output of its own for background="unpasted"; use '
            '"pasted"'
        )
    return background


def resolve_fido(options: Mapping[str, Any], image: tuple[int, int]) -> dict[str, Any]:
    """Options with those that `masks` decides filled in, `size` as (h, w), all checked."""
    names = (
        "objective",
        "filler",
        "background",
        "masks",
        "size",
        "steps",
        "samples",
        "temperature",
        "weight",
    )
    values = {name: options[name] for name in (*names, "tv", "ramp", "rate", "decay", "init")}
    choice("fido", "objective", values["objective"], ("ssr", "sdr"))
    choice("fido", "masks", values["masks"], ("concrete", "direct"))
    choice("fido", "decay", values["decay"], ("linear", "none"))
    direct = values["masks"] == "direct"
    for name, concrete, single in (("samples", 8, 1), ("ramp", 30, 0), ("init", 0.0, 1.0)):
        if values[name] is None:
            values[name] = single if direct else concrete
    values["size"] = size("fido", "size", values["size"], image)
    whole("fido", "steps", values["steps"])
    whole("fido", "ramp", values["ramp"], 0)
    if whole("fido", "samples", values["samples"]) > 1 and direct:
        raise OptionError(
            f'fido: samples is {values["samples"]}; masks="direct" draws nothing, and has 1'
        )
    least, most, what = (0, 1, "a mask value") if direct else (-10, 10, "a logit")
    number(
        "fido",
        "init",
        values["init"],
        lambda v: least <= v <= most,
        f"{what} from {least} to {most}",
    )
    for name in ("temperature", "rate"):
        positive("fido", name, values[name])
    for name in ("weight", "tv"):
        number("fido", name, values[name], lambda v: v >= 0, "a number of at least 0")
    return values
