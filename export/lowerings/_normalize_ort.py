"""Normalization over the last axes in one pass of ONNX Runtime's CPU provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _normalize

if TYPE_CHECKING:
    from ..graph import Graph


def normalize(
    g: Graph, x: str, axes: Sequence[int], sizes: Sequence[int], eps: float, centred: bool
) -> tuple[str, str]:
    """As the portable form, by the operator, whose third output is the rate."""
    if not centred or g.opset < 17:
        return _normalize.normalize(g, x, axes, sizes, eps, centred)
    ones = g.const(np.ones(sizes, np.float32))
    outputs = [g.fresh("normal"), "", g.fresh("rate")]
    g.append("LayerNormalization", [x, ones], outputs, axis=axes[0], epsilon=eps)
    return outputs[0], outputs[2]


FORMS: dict[str, Callable[..., Any]] = {"normalize": normalize}
