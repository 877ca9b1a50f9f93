"""Options of I-GOS: presets, weights by resolution, and the check of every value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.errors import OptionError
from pysal.preprocess import Preprocess
from pysal.types import Array

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

NAMES = (
    *("size", "baseline", "preset", "iterations", "steps", "nodes", "noise", "noise_std"),
    *("l1", "l2", "l1_schedule", "search", "step_max", "step_min", "shrink", "slope", "chunk"),
    *("warm_start", "step_size", "momentum", "seed"),
)
"""Every option, in the order in which results list them."""

_CHOICES = {
    "nodes": ("right", "gauss-legendre"),
    "noise": ("gaussian", "legacy", "off"),
    "search": ("armijo", "fixed"),
}
_BOUNDS: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "noise_std": (lambda v: v >= 0, "a number of at least 0"),
    "l1": (lambda v: v >= 0, "a number of at least 0"),
    "l2": (lambda v: v >= 0, "a number of at least 0; 0 switches total variation off"),
    "step_max": (lambda v: v > 0, "a positive number"),
    "step_min": (lambda v: v > 0, "a positive number"),
    "step_size": (lambda v: v > 0, "a positive number"),
    "shrink": (lambda v: 0 < v < 1, "a number between 0 and 1, both excluded"),
    "slope": (lambda v: 0 <= v < 1, "a number from 0 to below 1"),
    "momentum": (lambda v: 0 <= v < 1, "a number from 0 to below 1"),
}
_SIDES, _L1, _L2 = (28, 112, 224), (1.0, 3.0, 10.0), (20.0, 60.0, 20.0)


def resolve(options: Mapping[str, Any], image: tuple[int, int]) -> dict[str, Any]:
    """Return options with preset and resolution defaults filled in, `size` as (h, w), all checked.

    Raises
    ------
    OptionError
        If a value is outside its allowed ones; one line with option, given and expected.
    """
    values = {name: options[name] for name in NAMES}
    chosen = values["preset"] or "published"
    if chosen not in PRESETS:
        raise OptionError(f"igos: preset is {chosen!r}; use one of {', '.join(PRESETS)}, or None")
    values["preset"] = chosen
    if not isinstance(values["baseline"], str):
        values["baseline"] = "given"
    for name, value in PRESETS[chosen].items():
        values[name] = value if values[name] is None else values[name]
    values["size"] = _size(values["size"], image)
    l1, l2 = weights(values["size"])
    values["l1"] = l1 if values["l1"] is None else values["l1"]
    values["l2"] = l2 if values["l2"] is None else values["l2"]
    for name, choices in _CHOICES.items():
        if values[name] not in choices:
            raise OptionError(f"igos: {name} is {values[name]!r}; use one of {', '.join(choices)}")
    for name in ("iterations", "steps", "chunk"):
        if not _whole(values[name]) or values[name] < 1:
            raise OptionError(
                f"igos: {name} is {values[name]!r}; expected a whole number from 1 on"
            )
    for name, (fits, expected) in _BOUNDS.items():
        value = values[name]
        number = isinstance(value, int | float | np.integer | np.floating)
        if not number or isinstance(value, bool) or not math.isfinite(value) or not fits(value):
            raise OptionError(f"igos: {name} is {value!r}; expected {expected}")
    if values["step_min"] > values["step_max"]:
        raise OptionError(
            f"igos: step_min is {values['step_min']}, above step_max, {values['step_max']}; "
            "expected the smaller of the two"
        )
    return values


def weights(size: tuple[int, int]) -> tuple[float, float]:
    """Default l1 and l2 at a mask resolution.

    Notes
    -----
    1 and 20 at 28 x 28 (I-GOS, Table 5), 3 and 60 at 112 x 112 (reference code), 10 and 20 at
    224 x 224 (readme of IGOS_pp). Ours: the same as at 28 below it, as at 224 above it, and linear
    in the logarithm of sqrt(h * w) between.
    """
    side = math.log(math.sqrt(size[0] * size[1]))
    known = np.log(_SIDES)
    return float(np.interp(side, known, _L1)), float(np.interp(side, known, _L2))


def noise_deviation(options: Mapping[str, Any], preprocess: Preprocess) -> Array | None:
    """Standard deviation of the noise per channel, (C,), in units of the model; None without noise.

    Notes
    -----
    "legacy" is what the first published code did in effect: twice the deviation it names, on the
    red channel only (methods specification 6.5).
    """
    if options["noise"] == "off" or options["noise_std"] == 0:
        return None
    if options["noise"] == "gaussian":
        return preprocess.noise_std(options["noise_std"])
    std = preprocess.noise_std(2 * options["noise_std"])
    red = np.arange(len(std)) == preprocess.red_channel
    return np.where(red, std, 0).astype(np.float32)


def seeds(seed: int | Sequence[int], num_images: int) -> NDArray[np.uint64]:
    """One noise seed per image, (N,); a single number holds for all.

    Raises
    ------
    OptionError
        If there are not N of them, or one is not a whole number from 0 to 2^64 - 1.
    """
    single = not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str)
    given: list[Any] = [seed] * max(num_images, 1) if single else list(seed)  # type: ignore[arg-type]
    if not single and len(given) != num_images:
        raise OptionError(
            f"igos: {len(given)} seeds for {num_images} images; give one, or one each"
        )
    for value in given:
        if not _whole(value) or not 0 <= int(value) < 2**64:
            raise OptionError(
                f"igos: seed is {value!r}; expected a whole number from 0 to 2^64 - 1"
            )
    return np.array(given[:num_images], np.uint64)


def _whole(value: Any) -> bool:
    """Whether `value` is a whole number and not a truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _size(size: Any, image: tuple[int, int]) -> tuple[int, int]:
    """Mask resolution (h, w), which must fit into the image."""
    pair = (size, size) if _whole(size) else size
    good = isinstance(pair, tuple | list) and len(pair) == 2 and all(_whole(v) for v in pair)
    if not good or not all(1 <= v <= n for v, n in zip(pair, image, strict=True)):
        raise OptionError(
            f"igos: size is {size!r}; expected a whole number or a pair (h, w), each from 1 to the "
            f"image's {image[0]} x {image[1]}"
        )
    return int(pair[0]), int(pair[1])
