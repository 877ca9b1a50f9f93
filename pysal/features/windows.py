"""Windows of the image that elements of a layer see, and crops of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from pysal.errors import OptionError
from pysal.types import Array, ModelInfo

Border = Literal["mean", "shift"]


class Field(NamedTuple):
    """Receptive field along one axis: element i sees `size` pixels around centre + i * jump."""

    size: int
    jump: float
    centre: float


class Window(NamedTuple):
    """A rectangle in pixels; it may leave the image."""

    top: int
    left: int
    height: int
    width: int


Fields = tuple[Field, Field]
"""Height, width."""


def find_fields(
    info: ModelInfo, layers: list[str], given: Mapping[str, Any] | None
) -> dict[str, Fields | None]:
    """Receptive fields of layers, from the caller or from the model.

    Parameters
    ----------
    info : ModelInfo
        Where it has fields, feature layers without one see the whole image.
    given : mapping, optional
        Layer -> (size, jump, centre) for both axes, a pair of these, (height, width), or None where
        the layer sees the whole image; goes before what the model knows.

    Returns
    -------
    dict
        None for layers that see the whole image.

    Raises
    ------
    OptionError
        If a layer is missing or its value is something else.
    """
    known = dict.fromkeys(info.feature_layers if info.receptive_fields else ())
    known |= {**info.receptive_fields, **(given or {})}
    for layer in layers:
        if layer not in known:
            raise OptionError(
                f'receptive_fields has nothing for layer "{layer}"; give it as '
                "(size, jump, centre) in pixels, or None for the whole image"
            )
    return {layer: _as_fields(layer, known[layer]) for layer in layers}


def window_of(fields: Fields | None, row: int, column: int, size: tuple[int, int]) -> Window:
    """Window of one element of a layer; without fields the whole image of `size`."""
    if fields is None:
        return Window(0, 0, *size)
    top, left = (
        math.floor(field.centre + index * field.jump - (field.size - 1) / 2 + 0.5)
        for field, index in zip(fields, (row, column), strict=True)
    )
    return Window(top, left, fields[0].size, fields[1].size)


def shift_inside(window: Window, size: tuple[int, int]) -> Window:
    """Move a window into the image; one that is larger than the image is cut to it."""
    height, width = min(window.height, size[0]), min(window.width, size[1])
    top = min(max(window.top, 0), size[0] - height)
    left = min(max(window.left, 0), size[1] - width)
    return Window(top, left, height, width)


def crop(image: Array, window: Window, fill: Array | float) -> Array:
    """Cut a window out of an image (H, W, ...); `fill` shows where there is no image."""
    rows = np.arange(window.top, window.top + window.height)
    columns = np.arange(window.left, window.left + window.width)
    out = np.empty((window.height, window.width, *image.shape[2:]), np.float32)
    out[...] = fill
    down = (rows >= 0) & (rows < image.shape[0])
    right = (columns >= 0) & (columns < image.shape[1])
    out[np.ix_(down, right)] = image[np.ix_(rows[down], columns[right])]
    return out


def _as_fields(layer: str, value: Any) -> Fields | None:
    """Fields of both axes, checked."""
    if value is None:
        return None
    try:
        pair = tuple(value)
        axes = pair if len(pair) == 2 else (pair, pair)
        first, second = (Field(int(s), float(j), float(c)) for s, j, c in axes)
        finite = np.isfinite([*first, *second]).all()
        if not finite or min(first.size, second.size) < 1:
            raise ValueError
    except (TypeError, ValueError):
        raise OptionError(
            f'receptive_fields of layer "{layer}" is {value!r}; expected (size, jump, centre), a '
            "pair of these, or None"
        ) from None
    return first, second
