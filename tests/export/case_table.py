"""The registry of test cases per operator, and what their writers draw from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from checker import Case, Net
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from pysal.export.lowerings import LOWERINGS

FAMILY = st.sampled_from(sorted(LOWERINGS))
CASES: dict[str, list[st.SearchStrategy[Case]]] = {}
Draw = Callable[[st.SearchStrategy[Any]], Any]


def drawn(examples: int):
    """Settings under which the same examples are drawn in every run."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def case(*op_types: str) -> Callable[[Callable[..., Case]], Callable[..., Case]]:
    """File a function of (draw, operator type) as a source of cases of these operators."""

    def register(function: Callable[..., Case]) -> Callable[..., Case]:
        strategy = st.composite(function)
        for op_type in op_types:
            CASES.setdefault(op_type, []).append(strategy(op_type))
        return function

    return register


def integer(draw: Draw, low: int, high: int) -> int:
    return draw(st.integers(low, high))


def choice(draw: Draw, *options: Any) -> Any:
    return draw(st.sampled_from(options))


def flag(draw: Draw) -> bool:
    return draw(st.booleans())


def normal(draw: Draw, *shape: int, salt: int = 0) -> np.ndarray:
    rng = np.random.default_rng([salt, integer(draw, 0, 2**16)])
    return rng.normal(size=shape).astype(np.float32)


def positive(draw: Draw, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(integer(draw, 0, 2**16))
    return rng.uniform(0.5, 2.0, size=shape).astype(np.float32)


def image(draw: Draw, low: int = 1, high: int = 6) -> np.ndarray:
    """A batch of one or two small images of 1 to 4 channels; shares no number with constants."""
    sizes = [integer(draw, low, high) for _ in range(2)]
    return normal(draw, integer(draw, 1, 2), integer(draw, 1, 4), *sizes, salt=1)


def opset(draw: Draw, oldest: int = 13, *more: int) -> int:
    """A version of the operator set, the usual ones first."""
    versions = [v for v in (18, 13, 16, 20, 21, 11, 9, 7) if v >= oldest]
    return choice(draw, *versions, *more)


def with_axes(net: Net, op_type: str, x: str, axes: list[int], since: int, **attrs: Any) -> Any:
    """An operator whose axes are an attribute, and an input since some version."""
    if net.opset < since:
        return net.op(op_type, x, axes=axes, **attrs)
    return net.op(op_type, x, net.ints(*axes), **attrs)
