"""Resizing of maps by one small matrix per axis, R(M) = A_h M A_w^T, and its adjoint.

The matrices live where the maps do, so that mask optimizers resize on the device of the network.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Literal

import numpy as np

from pysal.arrays import AnyArray, is_host, to_like
from pysal.types import Array

Kind = Literal["aligned", "centred", "nearest"]

UPSAMPLING: Mapping[str, Kind] = {"nearest": "nearest", "bilinear": "aligned"}
"""What options of methods call the ways to enlarge a mask."""

KINDS: dict[Kind, str] = {
    "aligned": "bilinear, the corner elements stay corners (I-GOS, reference MP)",
    "centred": "bilinear, elements are squares that share the image (activation maps)",
    "nearest": "every element is repeated (MP); its adjoint sums over blocks",
}


class Resample:
    """Maps of one size, resized to another.

    Parameters
    ----------
    kind : {"aligned", "centred", "nearest"}
        See `KINDS`.
    size, out_size : tuple of int
        (h, w) and (H, W).
    like : array
        Where the maps will be.

    Notes
    -----
    Methods specification 0.2. Maps are resized one by one, so a batch changes no result.
    """

    def __init__(
        self, kind: Kind, size: tuple[int, int], out_size: tuple[int, int], like: AnyArray
    ) -> None:
        self._same = tuple(size) == tuple(out_size)
        self._rows, self._columns = (
            _where(axis_matrix(kind, *lengths), like)
            for lengths in zip(size, out_size, strict=True)
        )

    def __call__(self, maps: AnyArray) -> AnyArray:
        """(..., h, w) -> (..., H, W)."""
        return maps if self._same else self._rows @ maps @ self._columns.T

    def adjoint(self, grad: AnyArray) -> AnyArray:
        """(..., H, W) -> (..., h, w): the gradient of what came in, from that of what went out."""
        return grad if self._same else self._rows.T @ grad @ self._columns


@functools.lru_cache(maxsize=64)
def axis_matrix(kind: Kind, length: int, out_length: int) -> Array:
    """The matrix A of shape (out_length, length) along one axis, float32, read-only."""
    if kind == "aligned":
        # integer arithmetic, so that positions on an element have one weight, exactly 1
        steps = max(out_length - 1, 1)
        first, rest = np.divmod(np.arange(out_length) * (length - 1), steps)
        second, part = np.minimum(first + 1, length - 1), rest / steps
    else:
        first, rest = np.divmod((2 * np.arange(out_length) + 1) * length, 2 * out_length)
        second, part = first, np.zeros(out_length)
    if kind == "centred":
        at = np.clip((np.arange(out_length) + 0.5) * length / out_length - 0.5, 0, length - 1)
        first = np.floor(at).astype(np.intp)
        second, part = np.minimum(first + 1, length - 1), at - first
    matrix = np.zeros((out_length, length))
    rows = np.arange(out_length)
    matrix[rows, first] += 1 - part
    matrix[rows, second] += part
    out: Array = matrix.astype(np.float32)
    out.flags.writeable = False
    return out


def _where(matrix: Array, like: AnyArray) -> AnyArray:
    """A matrix where the maps are; a copy for devices, which must not see read-only memory."""
    return matrix if is_host(like) else to_like(matrix.copy(), like)
