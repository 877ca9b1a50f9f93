"""Max-sensitivity: how far a map moves when the image moves a little."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.again import Again, Explain, check_maps
from pysal.classifier import Classifier
from pysal.errors import OptionError, ShapeError
from pysal.perturb.additive import KINDS, Kind, change
from pysal.preprocess import Preprocess
from pysal.types import Array, MetricResult, Target
from pysal.values import choice, positive, seeds, whole

OWNER = "max_sensitivity"
Float = NDArray[np.float64]


def max_sensitivity(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    samples: int = 10,
    radius: float = 0.02,
    noise: Kind = "uniform",
    space: Literal["model", "rgb"] = "model",
    seed: int | Sequence[int] = 0,
    explain: Explain | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Largest distance between the map of an image and those of images near it.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    maps : ndarray of shape (N, h, w)
        Only their number counts: the image itself is explained again, too, so that all maps are of
        one function.
    target : Target of length N, or 1
        The class that is explained everywhere.
    samples : int
        Images near each.
    radius : float
        How far they are; see `noise`.
    noise : {"uniform", "gaussian", "sphere"}
        "uniform": every value moves by up to `radius`; "gaussian": by a normal number of that
        standard deviation; "sphere": the 2-norm of the whole change is `radius`.
    space : {"model", "rgb"}
        What `radius` is measured in: values of the model's input, as in published code, or RGB in
        [0, 1], which compares between models.
    seed : int, or sequence of N int
    explain : callable
        explain(clf, batch, target) -> maps (N, h, w).
    progress : callable, optional
        Called as progress(done, total), in explanations.

    Returns
    -------
    MetricResult
        Values "max", the largest ||map(y) - map(x)|| / ||map(x)||, "mean" of the same, and
        "absolute", the largest ||map(y) - map(x)||; 2-norms, all lower is better. The first two are
        NaN where map(x) is zero, and all three where a map has NaN.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    ShapeError
        If there is not one map per image, or their size changes.

    Notes
    -----
    Cost: samples + 1 times the method. The maximum over a ball is estimated from random points, so
    it grows with `samples`.

    References
    ----------
    .. [1] Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (In)fidelity and Sensitivity of
       Explanations", NeurIPS 2019, definition 3; divided by the norm of the map as in their code.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    target = clf.check_target(target, len(batch))
    check_maps(maps, len(batch))
    whole(OWNER, "samples", samples)
    positive(OWNER, "radius", radius)
    choice(OWNER, "noise", noise, KINDS)
    choice(OWNER, "space", space, ("model", "rgb"))
    keys = seeds(OWNER, seed, len(batch))
    if explain is None:
        raise OptionError(f"{OWNER}: explain is missing; give the function that makes the maps")
    again = Again(explain, OWNER)
    unit = _rgb_unit(clf.preprocess) if space == "rgb" else np.ones((1, 1, 1), np.float32)
    first = again(clf, batch, target).astype(np.float64)
    distances = np.empty((len(batch), samples))
    for sample in range(samples):
        moved = np.empty_like(batch)
        for image, out in enumerate(moved):
            out[...] = batch[image] + unit * change(noise, out.shape, radius, keys[image], sample)
        other = again(clf, moved, target)
        if other.shape != first.shape:
            raise ShapeError(
                f"{OWNER}: explain gives maps of shape {other.shape} after {first.shape}; expected "
                "one size for all images"
            )
        distances[:, sample] = _norm(other - first)
        if progress is not None:
            progress(sample + 1, samples)
    size = _norm(first)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(size != 0, distances / size, np.nan)
    return MetricResult(
        metric=OWNER,
        values={
            "max": relative.max(axis=1),
            "mean": relative.mean(axis=1),
            "absolute": distances.max(axis=1),
        },
        curves={},
        options={
            "samples": samples,
            "radius": radius,
            "noise": noise,
            "space": space,
            "seed": seed,
        },
        passes=again.passes,
        seconds=time.perf_counter() - begin,
    )


def _norm(maps: Float) -> Float:
    """2-norm per map, (N,)."""
    return np.sqrt(np.square(maps).sum(axis=(1, 2)))


def _rgb_unit(preprocess: Preprocess) -> Array:
    """What a change of 1 in RGB is in every channel of the input, (C, 1, 1)."""
    white, black = (np.full((1, 1, 1, 3), value, np.float32) for value in (1, 0))
    unit: Array = (preprocess.normalize(white) - preprocess.normalize(black))[0]
    return unit
