"""Penalties on keep masks. A weight may be one number or one per image; values are per mask.

Masks and gradients are on the device where the network runs; values come back to the host.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pysal import kernels
from pysal.arrays import AnyArray, namespace, to_host, to_like

Rows = NDArray[np.intp]
Reduction = Literal["mean", "sum"]


class Penalty(Protocol):
    """A term of the objective that needs no network."""

    def value(self, masks: AnyArray, rows: Rows) -> NDArray[np.float64]:
        """Values of (n, m, h, w) masks that belong to the images `rows`: (n, m)."""

    def grad(self, masks: AnyArray) -> AnyArray:
        """Gradient at one mask per image, (N, h, w) like `masks`."""


@dataclasses.dataclass(frozen=True)
class L1:
    """`weight * mean |1 - M|`: the share of the image that is removed; or the sum over its cells.

    The subgradient is 0 where M = 1 exactly, as automatic differentiation of the published code
    has it; elsewhere below 1 it is `-weight / (h * w)`, or `-weight` for the sum.

    Attributes
    ----------
    weight : float or ndarray of shape (N,)
    reduction : {"mean", "sum"}

    References
    ----------
    .. [1] Qi, Khorram, Li, "Visualizing Deep Networks by Optimizing with Integrated Gradients",
       AAAI 2020, the mask-size term of the objective: the mean.
    .. [2] Fong, Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation",
       ICCV 2017, equation 3: the sum.
    """

    weight: float | NDArray[np.float64]
    reduction: Reduction = "mean"

    def value(self, masks: AnyArray, rows: Rows) -> NDArray[np.float64]:
        """Values, (n, m)."""
        total = abs(1 - masks).sum(axis=(-2, -1), dtype=namespace(masks).float64)
        return _of(self.weight, rows) * to_host(total) / self._cells(masks)

    def grad(self, masks: AnyArray) -> AnyArray:
        """Subgradient, (N, h, w)."""
        weight = np.asarray(self.weight) / self._cells(masks)
        return -_scale(weight, masks) * namespace(masks).sign(1 - masks)

    def _cells(self, masks: AnyArray) -> int:
        """What a sum over a mask is divided by."""
        return masks.shape[-2] * masks.shape[-1] if self.reduction == "mean" else 1


@dataclasses.dataclass(frozen=True)
class TV:
    """`weight * TV(M)`, the powers of vertical and horizontal differences as `kernels.tv` has them.

    Attributes
    ----------
    weight : float or ndarray of shape (N,)
    exponent : float
        Of the absolute differences; isotropic, of the length of both.
    reduction : {"mean", "sum"}
    isotropic : bool

    References
    ----------
    .. [1] Qi, Khorram, Li, "Visualizing Deep Networks by Optimizing with Integrated Gradients",
       AAAI 2020, the smoothness term; exponent 2 and means as in its code,
       github.com/zhongangqi/IGOS.
    .. [2] Fong, Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation",
       ICCV 2017, equation 4: sums of an isotropic power.
    """

    weight: float | NDArray[np.float64]
    exponent: float = 2.0
    reduction: Reduction = "mean"
    isotropic: bool = False

    def value(self, masks: AnyArray, rows: Rows) -> NDArray[np.float64]:
        """Values, (n, m)."""
        value = to_host(self._tv(masks.reshape(-1, *masks.shape[-2:]))[0])
        return _of(self.weight, rows) * value.reshape(masks.shape[:2]).astype(np.float64)

    def grad(self, masks: AnyArray) -> AnyArray:
        """Gradient, (N, h, w)."""
        return _scale(self.weight, masks) * self._tv(masks)[1]

    def _tv(self, masks: AnyArray) -> tuple[AnyArray, AnyArray]:
        return kernels.tv(
            masks, exponent=self.exponent, reduction=self.reduction, isotropic=self.isotropic
        )


@dataclasses.dataclass(frozen=True)
class Sum:
    """Several penalties added up; of none it is 0."""

    terms: tuple[Penalty, ...] = ()

    def value(self, masks: AnyArray, rows: Rows) -> NDArray[np.float64]:
        """Values, (n, m)."""
        return sum((term.value(masks, rows) for term in self.terms), np.zeros(masks.shape[:2]))

    def grad(self, masks: AnyArray) -> AnyArray:
        """Gradient, (N, h, w)."""
        return sum((term.grad(masks) for term in self.terms), namespace(masks).zeros_like(masks))


def _of(weight: float | NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
    """Weights of some of the images, shaped to multiply (n, m)."""
    weight = np.asarray(weight, np.float64)
    return weight[rows, None] if weight.ndim else weight


def _scale(weight: float | NDArray[np.float64], masks: AnyArray) -> AnyArray:
    """Weights as float32 that multiply (n, h, w), where the masks are."""
    return to_like(np.reshape(weight, (-1, 1, 1)).astype(np.float32), masks)
