"""Options of XRAI, checked; and the segments that they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pysal.classifier import Classifier
from pysal.errors import OptionError, ShapeError
from pysal.segments import felzenszwalb, slic
from pysal.types import Array
from pysal.values import choice, is_whole, number, share, whole

OWNER = "xrai"
SIGMA = {"felzenszwalb": 0.8, "slic": 0.0}
"""Smoothing before each segmentation, where the caller does not say: the libraries' own."""


def resolve(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with their defaults filled in, all checked; arrays become "given".

    Raises
    ------
    OptionError
        If a value is outside its allowed ones.
    """
    values = dict(options)
    for name, known in (("base", ("ig",)), ("segments", tuple(SIGMA))):
        if isinstance(values[name], np.ndarray):
            values[name] = "given"
        else:
            choice(OWNER, name, values[name], known)
    if values["sigma"] is None:
        values["sigma"] = SIGMA.get(values["segments"])
    else:
        number(OWNER, "sigma", values["sigma"], lambda v: v >= 0, "a number of at least 0")
    values["baselines"] = _baselines(values["baselines"])
    whole(OWNER, "steps", values["steps"], 2)
    for name in ("min_size", "min_area"):
        whole(OWNER, name, values[name])
    whole(OWNER, "dilation", values["dilation"], 0)
    share(OWNER, "area_threshold", values["area_threshold"])
    number(OWNER, "compactness", values["compactness"], lambda v: v > 0, "a positive number")
    choice(OWNER, "mode", values["mode"], ("full", "fast"))
    choice(OWNER, "ties", values["ties"], ("region", "base"))
    values["scales"] = _positives("scales", values["scales"], "positive numbers")
    values["num_segments"] = _positives("num_segments", values["num_segments"], "whole numbers")
    if values["resize"] is not None:
        values["resize"] = _pair(values["resize"])
    return values


def label_maps(
    clf: Classifier, batch: Array, segments: str | np.ndarray[Any, Any], options: Mapping[str, Any]
) -> list[np.ndarray[Any, Any]]:
    """Label maps of every image, each (S, H, W).

    Raises
    ------
    ShapeError
        If given ones do not fit the images.
    MissingDependencyError
        If scikit-image is needed and not installed.
    """
    if isinstance(segments, np.ndarray):
        return _given(segments, batch)
    rgb = clf.preprocess.denormalize(batch)
    sigma = options["sigma"]
    if segments == "felzenszwalb":
        chosen = {name: options[name] for name in ("min_size", "resize")}
        return list(felzenszwalb(rgb, options["scales"], sigma=sigma, **chosen))
    compactness = options["compactness"]
    each = [
        slic(rgb, num_segments=number, compactness=compactness, sigma=sigma)
        for number in options["num_segments"]
    ]
    return [np.stack(maps) for maps in zip(*each, strict=True)]


def _given(segments: np.ndarray[Any, Any], batch: Array) -> list[np.ndarray[Any, Any]]:
    """Label maps that the caller made."""
    shape = batch.shape[:1] + batch.shape[2:]
    maps = segments[:, None] if segments.ndim == 3 else segments
    fits = maps.ndim == 4 and maps.shape[:1] + maps.shape[2:] == shape
    if not fits or not np.issubdtype(maps.dtype, np.integer):
        raise ShapeError(
            f"{OWNER}: segments have shape {segments.shape} and dtype {segments.dtype}; expected "
            f"integer labels of shape {shape}, or (N, S, H, W) for S maps per image"
        )
    return list(maps)


def _baselines(value: Any) -> str | list[str]:
    """Names of the baselines, or "extremes"; arrays are "given"."""
    if isinstance(value, str) and value == "extremes":
        return value
    if not isinstance(value, list | tuple) or not value:
        raise OptionError(
            f'{OWNER}: baselines is {value!r}; expected "extremes", or a list such as '
            '["black", "white"]'
        )
    return [v if isinstance(v, str) else "given" for v in value]


def _positives(name: str, value: Any, expected: str) -> tuple[float, ...]:
    """One positive number, or a sequence of them, as a tuple."""
    items = value.tolist() if isinstance(value, np.ndarray) else value
    items = list(items) if isinstance(items, list | tuple) else [items]
    if not items:
        raise OptionError(f"{OWNER}: {name} is {value!r}; expected one or more {expected}")
    if "whole" in expected:
        return tuple(whole(OWNER, name, item) for item in items)
    return tuple(number(OWNER, name, v, lambda v: v > 0, expected) for v in items)


def _pair(value: Any) -> tuple[int, int]:
    """Height and width from one whole number or two."""
    pair = (value, value) if is_whole(value) else value
    good = isinstance(pair, tuple | list) and len(pair) == 2
    if not good or not all(is_whole(v) and v >= 1 for v in pair):
        raise OptionError(
            f"{OWNER}: resize is {value!r}; expected a size, a pair (height, width), or None"
        )
    return int(pair[0]), int(pair[1])
