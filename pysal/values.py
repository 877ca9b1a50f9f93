"""Values of options: one line with option, given and expected where one is not allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.errors import OptionError


def is_whole(value: Any) -> bool:
    """Whether `value` is a whole number and not a truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def whole(owner: str, name: str, value: Any, least: int = 1) -> int:
    """Return a whole number of at least `least`."""
    if not is_whole(value) or value < least:
        raise OptionError(f"{owner}: {name} is {value!r}; expected a whole number from {least} on")
    return int(value)


def number(
    owner: str, name: str, value: Any, fits: Callable[[float], bool], expected: str
) -> float:
    """Return a finite number for which `fits` holds; `expected` says it in words."""
    right = isinstance(value, int | float | np.integer | np.floating)
    if not right or isinstance(value, bool) or not math.isfinite(value) or not fits(value):
        raise OptionError(f"{owner}: {name} is {value!r}; expected {expected}")
    return float(value)


def positive(owner: str, name: str, value: Any) -> float:
    """Return a positive number."""
    return number(owner, name, value, lambda v: v > 0, "a positive number")


def share(owner: str, name: str, value: Any) -> float:
    """Return a number from 0 to 1."""
    return number(owner, name, value, lambda v: 0 <= v <= 1, "a number from 0 to 1")


def flag(owner: str, name: str, value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool | np.bool_):
        raise OptionError(f"{owner}: {name} is {value!r}; expected true or false")
    return bool(value)


def choice(owner: str, name: str, value: Any, choices: Iterable[str]) -> str:
    """Return one of `choices`."""
    if value not in tuple(choices):
        raise OptionError(f"{owner}: {name} is {value!r}; use one of {', '.join(choices)}")
    return str(value)


def size(owner: str, name: str, value: Any, image: tuple[int, int]) -> tuple[int, int]:
    """Return a resolution (h, w), from one number or two, that fits into the image."""
    pair = (value, value) if is_whole(value) else value
    good = isinstance(pair, tuple | list) and len(pair) == 2 and all(is_whole(v) for v in pair)
    if not good or not all(1 <= v <= n for v, n in zip(pair, image, strict=True)):
        raise OptionError(
            f"{owner}: {name} is {value!r}; expected a whole number or a pair (h, w), each from 1 "
            f"to the image's {image[0]} x {image[1]}"
        )
    return int(pair[0]), int(pair[1])


def seeds(owner: str, seed: int | Sequence[int], num_images: int) -> NDArray[np.uint64]:
    """Return one seed per image, (N,); a single number holds for all.

    One number gives every image the same random draws, hence the same map whatever the batch.

    Raises
    ------
    OptionError
        If there are not N of them, or one is not a whole number from 0 to 2^64 - 1.
    """
    single = not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str)
    given: list[Any] = [seed] * max(num_images, 1) if single else list(seed)  # type: ignore[arg-type]
    if not single and len(given) != num_images:
        raise OptionError(
            f"{owner}: {len(given)} seeds for {num_images} images; give one, or one each"
        )
    for value in given:
        if not is_whole(value) or not 0 <= int(value) < 2**64:
            raise OptionError(
                f"{owner}: seed is {value!r}; expected a whole number from 0 to 2^64 - 1"
            )
    return np.array(given[:num_images], np.uint64)
