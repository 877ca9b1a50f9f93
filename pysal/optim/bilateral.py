"""Total variation that forgives steps of the mask where the image has edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, namespace, take, to_host
from pysal.optim.penalty import TV
from pysal.resample import Resample

Rows = NDArray[np.intp]


class BilateralTV:
    """`weight / 2 * (TV(M) + mean(w dU(M)^2) down and right)`, w = exp(-(dI)^2 / sigma).

    TV(M) is that of the mask's own cells, dU(M) the differences of the mask at the image's size,
    and w the mean over channels at every pair of neighbours.

    Parameters
    ----------
    weight : float
    image : array of shape (N, C, H, W), float32
        In model space; ImageNet-normalized in the publication.
    size : tuple of int
        (h, w) of the masks.
    sigma : float
        Squared difference of neighbours at which the penalty has fallen to 1 / e.

    Notes
    -----
    Methods specification 6.6. The published code takes w of the channels' mean difference between
    rows, and the channels' mean of w between columns; here both are the latter.

    References
    ----------
    .. [1] Khorram, Lawson, Li, "iGOS++: Integrated Gradient Optimized Saliency by Bilateral
       Perturbations", CHIL 2021, the bilateral total variation; sigma of its code,
       github.com/khorrams/IGOS_pp at b0820a2f.
    """

    def __init__(
        self, weight: float, image: AnyArray, size: tuple[int, int], sigma: float = 0.01
    ) -> None:
        self._plain, self._half = TV(weight / 2), weight / 2
        exp = namespace(image).exp
        self._weights = tuple(
            exp(-(d * d) / float(sigma)).sum(axis=1) / d.shape[1]
            for d in (image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1])
        )
        self._upsample = Resample("aligned", size, (image.shape[2], image.shape[3]), image)

    def value(self, masks: AnyArray, rows: Rows) -> NDArray[np.float64]:
        """Values, (n, m)."""
        value = self._plain.value(masks, rows)
        float64 = namespace(masks).float64
        down, right = (take(weights, rows) for weights in self._weights)
        for m in range(masks.shape[1]):  # one at a time: these are as large as images
            large = self._upsample(masks[:, m])
            for weights, d in zip((down, right), _differences(large), strict=True):
                total = (weights * d * d).sum(axis=(1, 2), dtype=float64)
                value[:, m] += self._half * to_host(total) / _pairs(d)
        return value

    def grad(self, masks: AnyArray) -> AnyArray:
        """Gradient, (N, h, w)."""
        large = self._upsample(masks)
        grad = namespace(masks).zeros_like(large)
        down, right = (
            (2 * self._half / _pairs(d)) * weights * d
            for weights, d in zip(self._weights, _differences(large), strict=True)
        )
        grad[:, 1:] += down
        grad[:, :-1] -= down
        grad[..., 1:] += right
        grad[..., :-1] -= right
        return self._plain.grad(masks) + self._upsample.adjoint(grad)


def _differences(maps: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Differences of neighbours, down and right."""
    return maps[:, 1:] - maps[:, :-1], maps[..., 1:] - maps[..., :-1]


def _pairs(differences: AnyArray) -> int:
    """Their number per map; 1 where there are none, as their sum is 0."""
    return max(1, differences.shape[1] * differences.shape[2])
