"""Penalties on keep masks. A weight may be one number or one per image; values are per mask."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pysal import kernels
from pysal.types import Array

Rows = NDArray[np.intp]


class Penalty(Protocol):
    """A term of the objective that needs no network."""

    def value(self, masks: Array, rows: Rows) -> NDArray[np.float64]:
        """Values of (n, m, h, w) masks that belong to the images `rows`: (n, m)."""

    def grad(self, masks: Array) -> Array:
        """Gradient at one mask per image, (N, h, w) like `masks`."""


@dataclasses.dataclass(frozen=True)
class L1:
    """`weight * mean |1 - M|`: the share of the image that is removed.

    The subgradient is 0 where M = 1 exactly, as automatic differentiation of the published code
    has it; elsewhere below 1 it is `-weight / (h * w)`.

    Attributes
    ----------
    weight : float or ndarray of shape (N,)

    References
    ----------
    .. [1] Qi, Khorram, Li, "Visualizing Deep Networks by Optimizing with Integrated Gradients",
       AAAI 2020, the mask-size term of the objective.
    """

    weight: float | NDArray[np.float64]

    def value(self, masks: Array, rows: Rows) -> NDArray[np.float64]:
        """Values, (n, m)."""
        mean: NDArray[np.float64] = np.abs(1 - masks).mean(axis=(-2, -1), dtype=np.float64)
        return _of(self.weight, rows) * mean

    def grad(self, masks: Array) -> Array:
        """Subgradient, (N, h, w)."""
        scale = np.reshape(np.asarray(self.weight) / masks[0].size, (-1, 1, 1)).astype(np.float32)
        return -scale * np.sign(1 - masks)


@dataclasses.dataclass(frozen=True)
class TV:
    """`weight * (mean of squared vertical differences + mean of squared horizontal ones)`.

    Attributes
    ----------
    weight : float or ndarray of shape (N,)
    exponent : float
        Of the absolute differences.

    References
    ----------
    .. [1] Qi, Khorram, Li, "Visualizing Deep Networks by Optimizing with Integrated Gradients",
       AAAI 2020, the smoothness term; exponent 2 and means as in its code,
       github.com/zhongangqi/IGOS.
    """

    weight: float | NDArray[np.float64]
    exponent: float = 2.0

    def value(self, masks: Array, rows: Rows) -> NDArray[np.float64]:
        """Values, (n, m)."""
        flat = masks.reshape(-1, *masks.shape[-2:])
        value = kernels.tv(flat, exponent=self.exponent)[0]
        return _of(self.weight, rows) * value.reshape(masks.shape[:2]).astype(np.float64)

    def grad(self, masks: Array) -> Array:
        """Gradient, (N, h, w)."""
        scale = np.reshape(np.asarray(self.weight), (-1, 1, 1)).astype(np.float32)
        return scale * kernels.tv(masks, exponent=self.exponent)[1]


@dataclasses.dataclass(frozen=True)
class Sum:
    """Several penalties added up; of none it is 0."""

    terms: tuple[Penalty, ...] = ()

    def value(self, masks: Array, rows: Rows) -> NDArray[np.float64]:
        """Values, (n, m)."""
        return sum((term.value(masks, rows) for term in self.terms), np.zeros(masks.shape[:2]))

    def grad(self, masks: Array) -> Array:
        """Gradient, (N, h, w)."""
        return sum((term.grad(masks) for term in self.terms), np.zeros_like(masks))


def _of(weight: float | NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
    """Weights of some of the images, shaped to multiply (n, m)."""
    weight = np.asarray(weight, np.float64)
    return weight[rows, None] if weight.ndim else weight
