"""Baselines inside a graph: constants, or blurs of the image as two matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from pysal.baselines import BASELINES, CONSTANT, blur_matrices, make_baseline
from pysal.errors import OptionError

from .frame import Frame


def write_fill(frame: Frame, owner: str, kind: Any, seed: int) -> str:
    """Baseline images, (N, C, H, W) or (1, C, H, W), as `pysal.baselines.make_baseline`.

    Raises
    ------
    OptionError
        If there is no such baseline, or it is a filter of Pillow's, which no operators have.
    """
    g = frame.g
    matrices = blur_matrices(kind, frame.size) if isinstance(kind, str) else None
    if matrices is not None:
        rows, columns = matrices
        inner = g.op("MatMul", frame.image, g.const(columns.T))
        return g.op("MatMul", g.const(rows), inner)
    if isinstance(kind, str) and kind in BASELINES and kind not in CONSTANT:
        fits = ", ".join(name for name in BASELINES if _fits(name, frame.size))
        raise OptionError(
            f'{owner}: baseline "{kind}" is a filter of Pillow\'s, which ONNX has no operators '
            f"for; use one of {fits}, or an image"
        )
    one = np.zeros((1, *frame.prepared.input_shape), np.float32)
    return g.const(make_baseline(kind, one, frame.settings.preprocess, seed=seed))


def _fits(kind: str, size: tuple[int, int]) -> bool:
    return kind in CONSTANT or blur_matrices(kind, size) is not None
