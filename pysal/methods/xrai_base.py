"""XRAI's base attribution: gradients integrated from several baselines, one number per pixel."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import to_host
from pysal.baselines import make_baseline
from pysal.channels import reduce_channels
from pysal.classifier import Classifier
from pysal.errors import ShapeError
from pysal.finite import check_finite
from pysal.heatmap import is_constant
from pysal.paths import Straight, endpoints, meter
from pysal.types import Array
from pysal.work import Work


def make_baselines(clf: Classifier, batch: Array, baselines: str | Sequence[Any]) -> list[Array]:
    """Baseline images per path, each (N, C, H, W).

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    baselines : "extremes" or sequence
        Two constant images, the minimum and the maximum of the input array; or what
        `make_baseline` takes, one entry per path.

    Raises
    ------
    OptionError, ShapeError
        If an entry is unknown or does not fit the images.
    """
    if isinstance(baselines, str) and baselines == "extremes":
        found = (batch.min(axis=(1, 2, 3)), batch.max(axis=(1, 2, 3)))
        return [np.broadcast_to(v[:, None, None, None], batch.shape).copy() for v in found]
    return [make_baseline(kind, batch, clf.preprocess) for kind in baselines]


def integrate(
    work: Work,
    baselines: list[Array],
    steps: int,
    progress: Callable[[float, float], None] | None = None,
) -> Array:
    """Integrated gradients, averaged over baselines, the largest over channels: (N, H, W).

    Both ends of a path are among its points (methods specification 2.1, 8).

    Notes
    -----
    Cost: N * len(baselines) * steps forward and backward.
    """
    path, images = Straight(*endpoints(steps)), np.arange(len(work))
    report = meter(progress, len(work) * len(baselines) * steps)
    total = np.zeros(work.batch.shape, np.float64)
    for baseline in baselines:
        origin = work.clf.to_device(baseline)
        for part in path.integrals(work, work.x, origin, images, report=report):
            total[part.rows] += to_host(part.riemann)
    mean = (total / len(baselines)).astype(np.float32)
    return np.asarray(reduce_channels(mean, "max"))


def given_base(base: NDArray[Any], batch: Array) -> Array:
    """Check an attribution that the caller made: (N, H, W), or (N, C, H, W) to take the largest of.

    Raises
    ------
    ShapeError
        If its shape does not fit the images.
    CapabilityError
        If a value is NaN or infinite.
    """
    base = np.asarray(base)
    shapes = (batch.shape[:1] + batch.shape[2:], batch.shape)
    if base.shape not in shapes:
        raise ShapeError(
            f"xrai: base has shape {base.shape}; expected {shapes[0]}, or {shapes[1]} with channels"
        )
    check_finite(base, np.arange(len(base)), "base attribution")
    return (base.max(axis=1) if base.ndim == 4 else base).astype(np.float32)


def warn_constant(base: Array) -> None:
    """Say which images have one attribution everywhere, so that no region stands out."""
    constant = np.flatnonzero(is_constant(base))
    if constant.size:
        warnings.warn(
            f"the base attribution of {constant.size} of {len(base)} images (number "
            f"{', '.join(map(str, constant[:5]))}) is the same everywhere; their regions are in "
            "no order",
            stacklevel=3,
        )
