"""Checks of single values in records that people write by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from pysal.errors import OptionError


def wrong(key: str, value: object, expected: str) -> OptionError:
    """Error for one field; the value as JSON would show it, cut to fit a line."""
    shown = json.dumps(value, default=repr)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return OptionError(f'"{key}" is {shown}; expected {expected}')


def number(
    key: str, value: Any, expected: str, *, whole: bool = False, signed: bool = False
) -> float:
    """Return one finite number, positive unless signed, or raise the error of the field."""
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise wrong(key, value, expected)
    if not (math.isfinite(value) and (signed or value > 0)):
        raise wrong(key, value, expected)
    return float(value)


def numbers(
    key: str, values: Any, count: int, expected: str, *, whole: bool = False, signed: bool = False
) -> tuple[float, ...]:
    """Return `count` such numbers; the error shows the whole list."""
    items = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(items, list | tuple) or len(items) != count:
        raise wrong(key, values, expected)
    try:
        return tuple(number(key, v, expected, whole=whole, signed=signed) for v in items)
    except OptionError:
        raise wrong(key, values, expected) from None
