"""Options of the optimizers along integrated gradients: presets, weights, and every check."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pysal.errors import OptionError
from pysal.preprocess import Preprocess
from pysal.types import Array
from pysal.values import choice, number, size, whole

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "published": {
        "iterations": 15,
        "steps": 20,
        "nodes": "right",
        "noise_std": 0.2,
        "momentum": 0.0,
        "step_min": 1e-5,
        "warm_start": False,
    },
    "fast": {
        "iterations": 6,
        "steps": 4,
        "nodes": "gauss-legendre",
        "noise_std": 0.1,
        "momentum": 0.5,
        "step_min": 0.05,
        "warm_start": True,
    },
}
"""Values of the options that a preset decides; an explicit option goes before its preset."""

_COMMON: Mapping[str, Any] = {
    "size": 28,
    "baseline": "blur",
    **dict.fromkeys(("preset", "iterations", "steps", "nodes"), None),
    "noise": "gaussian",
    **dict.fromkeys(("noise_std", "l1", "l2"), None),
    "search": "armijo",
    "step_max": 200.0,
    "step_min": None,
    "shrink": 0.2,
    "slope": 1e-4,
    "chunk": None,
    "warm_start": None,
    "step_size": 40.0,
    "momentum": None,
}
_BILATERAL = {"step_max": 1000.0, "sigma": 0.01, "objective": "end"}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "igos": {**_COMMON, "l1_schedule": False},
    "igos_plus": {**_COMMON, **_BILATERAL},
    "igos_pp": {**_COMMON, **_BILATERAL, "product": "image"},
}
"""Optimizer -> its options with their defaults; None is decided by preset or resolution."""

WHOLE_LADDER = 64
"""More candidates than any line search here has."""

_CHOICES = {
    "nodes": ("right", "gauss-legendre"),
    "noise": ("gaussian", "legacy", "off"),
    "search": ("armijo", "fixed"),
    "objective": ("end", "path"),
    "product": ("image", "mask"),
}
_BOUNDS: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "noise_std": (lambda v: v >= 0, "a number of at least 0"),
    "l1": (lambda v: v >= 0, "a number of at least 0"),
    "l2": (lambda v: v >= 0, "a number of at least 0; 0 switches total variation off"),
    "sigma": (lambda v: v > 0, "a positive number"),
    "step_max": (lambda v: v > 0, "a positive number"),
    "step_min": (lambda v: v > 0, "a positive number"),
    "step_size": (lambda v: v > 0, "a positive number"),
    "shrink": (lambda v: 0 < v < 1, "a number between 0 and 1, both excluded"),
    "slope": (lambda v: 0 <= v < 1, "a number from 0 to below 1"),
    "momentum": (lambda v: 0 <= v < 1, "a number from 0 to below 1"),
}
_SIDES, _L1, _L2 = (28, 112, 224), (1.0, 3.0, 10.0), (20.0, 60.0, 20.0)


def resolve(
    options: Mapping[str, Any],
    image: tuple[int, int],
    owner: str,
    optimizer: str = "igos",
    *,
    prefers_batches: bool = False,
) -> dict[str, Any]:
    """Return an optimizer's options with defaults filled in, `size` as (h, w), all checked.

    Parameters
    ----------
    options : mapping
        At least the options of the optimizer; others are left out.
    image : tuple of int
        (H, W).
    owner : str
        Method that errors name.
    optimizer : str
        A name of `DEFAULTS`.
    prefers_batches : bool
        Of the classifier: then a line search evaluates all its candidates at once.

    Raises
    ------
    OptionError
        If a value is outside its allowed ones; one line with option, given and expected.
    """
    values = {name: options[name] for name in DEFAULTS[optimizer]}
    values["preset"] = _preset(owner, values["preset"])
    for name, value in PRESETS[values["preset"]].items():
        values[name] = value if values[name] is None else values[name]
    if not isinstance(values["baseline"], str):
        values["baseline"] = "given"
    values["size"] = size(owner, "size", values["size"], image)
    l1, l2 = weights(values["size"], bilateral=optimizer != "igos")
    values["l1"] = l1 if values["l1"] is None else values["l1"]
    values["l2"] = l2 if values["l2"] is None else values["l2"]
    if values["chunk"] is None:
        values["chunk"] = WHOLE_LADDER if prefers_batches else 4
    for name in values.keys() & _CHOICES.keys():
        choice(owner, name, values[name], _CHOICES[name])
    for name in ("iterations", "steps", "chunk"):
        whole(owner, name, values[name])
    for name in values.keys() & _BOUNDS.keys():
        number(owner, name, values[name], *_BOUNDS[name])
    if values["step_min"] > values["step_max"]:
        raise OptionError(
            f"{owner}: step_min is {values['step_min']}, above step_max, {values['step_max']}; "
            "expected the smaller of the two"
        )
    return values


def weights(shape: tuple[int, int], *, bilateral: bool = False) -> tuple[float, float]:
    """Default l1 and l2 at a mask resolution.

    Notes
    -----
    1 and 20 at 28 x 28 (I-GOS, Table 5), 3 and 60 at 112 x 112 (reference code), 10 and 20 at
    224 x 224 (readme of IGOS_pp, which has no others: `bilateral`). Ours: the same as at 28 below
    it, as at 224 above it, and linear in the logarithm of sqrt(h * w) between.
    """
    side = math.log(math.sqrt(shape[0] * shape[1]))
    points = [0, 2] if bilateral else [0, 1, 2]
    known = np.log(np.take(_SIDES, points))
    return (
        float(np.interp(side, known, np.take(_L1, points))),
        float(np.interp(side, known, np.take(_L2, points))),
    )


def noise_deviation(options: Mapping[str, Any], preprocess: Preprocess) -> Array | None:
    """Standard deviation of the noise per channel, (C,), in units of the model; None without noise.

    Notes
    -----
    "red" is noise on the red channel only, as the reference code of MP in effect has it; "legacy"
    is what the first published code of I-GOS did, twice the deviation that it names, on red
    (methods specification 6.1 and 6.5).
    """
    if options["noise"] == "off" or options["noise_std"] == 0:
        return None
    factor = 2 if options["noise"] == "legacy" else 1
    std = preprocess.noise_std(factor * options["noise_std"])
    if options["noise"] == "gaussian":
        return std
    red = np.arange(len(std)) == preprocess.red_channel
    return np.where(red, std, 0).astype(np.float32)


def _preset(owner: str, preset: Any) -> str:
    """Name of the preset."""
    if preset is not None and preset not in PRESETS:
        raise OptionError(
            f"{owner}: preset is {preset!r}; use one of {', '.join(PRESETS)}, or None"
        )
    return preset or "published"
