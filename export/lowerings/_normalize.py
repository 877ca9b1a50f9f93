"""Normalization over some axes, computed again for the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..graph import Graph


def normalize(
    g: Graph, x: str, axes: Sequence[int], sizes: Sequence[int], eps: float, centred: bool
) -> tuple[str, str]:
    """h = (x - m) r and r = (v + eps)^(-1/2); m and v are mean and variance over `axes`.

    Without centring m is 0 and v the mean square.
    """
    share = g.scalar(1.0 / float(np.prod(sizes)))
    middle = g.sub(x, g.mul(g.sum(x, axes), share)) if centred else x
    spread = g.add(g.mul(g.sum(g.mul(middle, middle), axes), share), g.scalar(eps))
    rate = g.op("Reciprocal", g.op("Sqrt", spread))
    return g.mul(middle, rate), rate


FORMS: dict[str, Callable[..., Any]] = {"normalize": normalize}
