"""Options of meaningful perturbations: the published variants, and every check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pysal.errors import OptionError
from pysal.resample import UPSAMPLING
from pysal.values import choice, number, positive, size, whole

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "fong": {
        "size": 28,
        "upsampling": "nearest",
        "smoothing": 5.0,
        "init": "circular",
        "baseline": "blur10",
        "l1": 1e-4,
        "l2": 1e-2,
        "exponent": 3.0,
        "isotropic": True,
        "reduction": "sum",
        "jitter": 4,
        "noise": "off",
        "noise_std": 0.2,
        "rate": 0.1,
        "iterations": 300,
        "output": "smoothed",
    },
    "gildenblat": {
        "size": 28,
        "upsampling": "bilinear",
        "smoothing": 0.0,
        "init": "ones",
        "baseline": "median11",
        "l1": 0.01,
        "l2": 0.2,
        "exponent": 3.0,
        "isotropic": False,
        "reduction": "mean",
        "jitter": 0,
        "noise": "red",
        "noise_std": 0.2,
        "rate": 0.1,
        "iterations": 500,
        "output": "minmax",
    },
    "agarwal": {
        "size": 28,
        "upsampling": "nearest",
        "smoothing": 0.0,
        "init": "uniform",
        "baseline": "blur10",
        "l1": 1e-4,
        "l2": 1e-2,
        "exponent": 3.0,
        "isotropic": False,
        "reduction": "sum",
        "jitter": 4,
        "noise": "off",
        "noise_std": 0.2,
        "rate": 0.1,
        "iterations": 300,
        "output": "cells",
    },
}
"""Values of the options that a variant decides (methods specification 6.1); explicit ones win."""

DEFAULTS: Mapping[str, Any] = {
    "variant": "fong",
    **dict.fromkeys(VARIANTS["fong"]),
    "top": 1,
}
"""Options with their defaults; None is decided by the variant."""

_CHOICES = {
    "variant": tuple(VARIANTS),
    "upsampling": tuple(UPSAMPLING),
    "init": ("circular", "uniform", "ones"),
    "reduction": ("mean", "sum"),
    "noise": ("gaussian", "red", "off"),
    "output": ("smoothed", "minmax", "cells"),
}
_BOUNDS: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "smoothing": (lambda v: v >= 0, "a number of pixels of at least 0"),
    "l1": (lambda v: v >= 0, "a number of at least 0"),
    "l2": (lambda v: v >= 0, "a number of at least 0; 0 switches total variation off"),
    "noise_std": (lambda v: v >= 0, "a number of at least 0"),
}


def resolve_perturb(
    options: Mapping[str, Any], image: tuple[int, int], owner: str, classes: int
) -> dict[str, Any]:
    """Return options with those of the variant filled in, `size` as (h, w), all checked.

    Parameters
    ----------
    options : mapping
        At least those of `DEFAULTS`; others are left out.
    image : tuple of int
        (H, W).
    owner : str
        Method that errors name.
    classes : int
        Of the model.

    Raises
    ------
    OptionError
        If a value is outside its allowed ones; one line with option, given and expected.
    """
    values = {name: options[name] for name in DEFAULTS}
    choice(owner, "variant", values["variant"], VARIANTS)
    for name, value in VARIANTS[values["variant"]].items():
        values[name] = value if values[name] is None else values[name]
    # The one that starts from random numbers has a mask of the image's size for the disc.
    circular = values["variant"] == "agarwal" and values["init"] == "circular"
    wanted = image if circular and options["size"] is None else values["size"]
    values["size"] = size(owner, "size", wanted, image)
    if not isinstance(values["baseline"], str):
        values["baseline"] = "given"
    for name, choices in _CHOICES.items():
        choice(owner, name, values[name], choices)
    for name, bounds in _BOUNDS.items():
        number(owner, name, values[name], *bounds)
    for name in ("exponent", "rate"):
        positive(owner, name, values[name])
    whole(owner, "iterations", values["iterations"])
    whole(owner, "jitter", values["jitter"], 0)
    if whole(owner, "top", values["top"]) > classes:
        raise OptionError(
            f"{owner}: top is {values['top']}; expected a whole number from 1 to the {classes} "
            "classes"
        )
    if not isinstance(values["isotropic"], bool):
        raise OptionError(f"{owner}: isotropic is {values['isotropic']!r}; use True or False")
    return values
