"""Model parameter randomization: whether a map changes when the network forgets what it learnt."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.again import Again, Explain, check_maps
from pysal.classifier import Classifier
from pysal.errors import OptionError, ShapeError
from pysal.redraw import HOWS, How
from pysal.similarity.maps import (
    SCALES,
    Scale,
    hog_correlation,
    prepare_maps,
    spearman,
    ssim,
)
from pysal.types import Array, MetricResult, Target
from pysal.values import choice, positive, whole

OWNER = "randomization"
MEASURES = ("spearman", "spearman_abs", "ssim", "hog")
Float = NDArray[np.float64]


def randomization(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    mode: Literal["cascading", "independent"] = "cascading",
    depths: int | None = 5,
    layers: Sequence[str] | None = None,
    how: How = "normal",
    scale: Scale = "max_abs",
    data_range: float | None = None,
    cell: int | None = None,
    seed: int = 0,
    explain: Explain | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Similarity of maps to those of the same network with weights drawn anew.

    Parameters
    ----------
    clf : Classifier
        With weights that can be drawn anew; see `Classifier.randomized`.
    batch : ndarray of shape (N, C, H, W), float32
    maps : ndarray of shape (N, h, w)
        Only their number counts: the network itself is explained again, too, so that all maps are
        of one function.
    target : Target of length N, or 1
        The class that is explained in every network.
    mode : {"cascading", "independent"}
        All layers from the last one down to some depth, or one layer at a time.
    depths : int, optional
        Networks, spread evenly over the layers; None takes every layer.
    layers : sequence of str, optional
        Layers to begin with, the last one of the network first. Default: `clf.weighted_layers()`
        from the end.
    how : {"normal", "shuffle"}
        See `Classifier.randomized`.
    scale : {"max_abs", "min_max", "none"}
        What is done with maps, resized to H x W, for SSIM and HOG.
    data_range : float, optional
        Of SSIM. Default: 1 for "min_max", else 2.
    cell : int, optional
        Pixels per side of a cell of HOG. Default: 16; less below 48 pixels.
    seed : int
        Of the weights; every layer gets the same ones at every depth.
    explain : callable
        explain(clf, batch, target) -> maps (N, h, w).
    progress : callable, optional
        Called as progress(done, total), in networks.

    Returns
    -------
    MetricResult
        Values "spearman", "spearman_abs" (of magnitudes), "ssim" and "hog", means over the depths;
        lower = the map depends on the weights. Curves of the same names, (N, T), and "fraction",
        (T,), the share of layers drawn anew, or for "independent" the depth of the one layer. Where
        a map is constant or has NaN there is no correlation: NaN in the curve, and the mean is over
        the other depths. `summarize` gives the share of these as "undefined".

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If engine or model cannot draw weights anew.
    ShapeError
        If there is not one map per image, or their size changes.

    Notes
    -----
    Cost: T + 1 times the method, and building T networks per call, of which one is there at a time.
    Give all images in one call: `batch_size` of `measure`. Warnings of the method about networks
    without sense are not shown.

    References
    ----------
    .. [1] Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, "Sanity Checks for Saliency Maps",
       NeurIPS 2018, section 3. Weights there come from the initial distribution; here from a
       normal one with each tensor's mean and standard deviation, which keeps activations in range.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    target = clf.check_target(target, len(batch))
    check_maps(maps, len(batch))
    if explain is None:
        raise OptionError(f"{OWNER}: explain is missing; give the function that makes the maps")
    range_ = _check(mode, depths, how, scale, data_range, cell, seed)
    order = list(reversed(clf.weighted_layers())) if layers is None else list(layers)
    clf.check_redraw(order, how)
    steps = _steps(order, mode, depths)
    again, size = Again(explain, OWNER), (batch.shape[2], batch.shape[3])
    first = again(clf, batch, target)
    curves = {name: np.empty((len(batch), len(steps))) for name in MEASURES}
    for step, (_, chosen) in enumerate(steps):
        other = _explained(again, clf, chosen, batch, target, seed, how)
        if other.shape != first.shape:
            raise ShapeError(
                f"{OWNER}: explain gives maps of shape {other.shape} after {first.shape}; expected "
                "one size for all networks"
            )
        found = _compare(first, other, size, scale, range_, cell)
        for name in MEASURES:
            curves[name][:, step] = found[name]
        if progress is not None:
            progress(step + 1, len(steps))
    return MetricResult(
        metric=OWNER,
        values={name: _mean(curve) for name, curve in curves.items()},
        curves={"fraction": np.array([share for share, _ in steps]), **curves},
        options={
            "mode": mode,
            "depths": len(steps),
            "layers": [list(chosen) for _, chosen in steps],
            "how": how,
            "scale": scale,
            "data_range": range_,
            "cell": cell,
            "seed": seed,
        },
        passes=again.passes,
        seconds=time.perf_counter() - begin,
    )


def aggregate(result: MetricResult) -> dict[str, float]:
    """Share of images and depths without a rank correlation."""
    curve = result.curves["spearman"]
    return {"undefined": float(np.isnan(curve).mean()) if curve.size else float("nan")}


def _explained(
    again: Again,
    clf: Classifier,
    chosen: Sequence[str],
    batch: Array,
    target: Target,
    seed: int,
    how: How,
) -> Array:
    """Maps of a network that is there for this call only."""
    other = clf.randomized(chosen, seed=seed, how=how)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return again(other, batch, target)
    finally:
        other.close()


def _compare(
    first: Array, other: Array, size: tuple[int, int], scale: Scale, range_: float, cell: int | None
) -> Mapping[str, Float]:
    """Similarities of maps, (N,) each; ranks are those of the native maps."""
    a, b = (prepare_maps(maps, size, scale) for maps in (first, other))
    return {
        "spearman": spearman(first, other),
        "spearman_abs": spearman(np.abs(first), np.abs(other)),
        "ssim": ssim(a, b, data_range=range_),
        "hog": hog_correlation(a, b, cell=cell),
    }


def _steps(
    order: Sequence[str], mode: str, depths: int | None
) -> list[tuple[float, tuple[str, ...]]]:
    """Share of the layers, and the layers that are drawn anew, for every depth."""
    if not order:
        raise OptionError(f"{OWNER}: there are 0 layers with weights; expected at least one")
    count = len(order)
    wanted = count if depths is None else min(depths, count)
    ends = np.unique(np.rint(np.linspace(0, count, wanted + 1)[1:]).astype(int))
    if mode == "cascading":
        return [(end / count, tuple(order[:end])) for end in ends.tolist()]
    return [(end / count, (order[end - 1],)) for end in ends.tolist()]


def _mean(curve: Float) -> Float:
    """Mean over the depths that have a value, (N,); NaN where none has."""
    known = ~np.isnan(curve)
    total = np.where(known, curve, 0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def _check(
    mode: Any, depths: Any, how: Any, scale: Any, data_range: Any, cell: Any, seed: Any
) -> float:
    """Refuse options outside their allowed values; return the range of SSIM."""
    choice(OWNER, "mode", mode, ("cascading", "independent"))
    choice(OWNER, "how", how, HOWS)
    choice(OWNER, "scale", scale, SCALES)
    whole(OWNER, "seed", seed, 0)
    for name, value in (("depths", depths), ("cell", cell)):
        if value is not None:
            whole(OWNER, name, value)
    if data_range is None:
        return 1.0 if scale == "min_max" else 2.0
    return positive(OWNER, "data_range", data_range)
