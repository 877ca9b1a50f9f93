"""Sensitivity to hyperparameters: how alike the maps are that several settings of a method give."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.again import Again, Explain, check_maps
from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.similarity.maps import MEASURES, SCALES, Scale, pairwise_similarity, prepare_maps
from pysal.types import Array, MetricResult, Target
from pysal.values import choice, positive, whole

OWNER = "hyperparameter_sensitivity"
Float = NDArray[np.float64]


def hyperparameter_sensitivity(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    settings: Sequence[Mapping[str, Any]] = ({"seed": 0}, {"seed": 1}, {"seed": 2}),
    scale: Scale = "max_abs",
    data_range: float | None = None,
    cell: int | None = None,
    explain: Explain | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Mean similarity of the maps of an image over all pairs of settings of a method.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    maps : ndarray of shape (N, h, w)
        Only their number counts: every setting is explained.
    target : Target of length N, or 1
    settings : sequence of k mappings
        Options of the method, k at least 2. In the papers: 5 patch sizes of SP; 5 seeds of LIME;
        mask sizes 28, 56 and 112 of MP2. Default: 3 seeds.
    scale : {"max_abs", "min_max", "none"}
        What is done with a map behind its resizing to H x W. Papers: "max_abs" for LIME, "none" for
        SP and MP.
    data_range : float, optional
        Of SSIM. Default: 1 for "min_max", else 2; the papers have 1 for the maps of MP.
    cell : int, optional
        Pixels per side of a cell of HOG. Default: 16, as in the papers; less below 48 pixels.
    explain : callable
        explain(clf, batch, target, **setting) -> maps (N, h, w); h and w may depend on the setting.
    progress : callable, optional
        Called as progress(done, total), in settings.

    Returns
    -------
    MetricResult
        Values "ssim", "hog" (Pearson correlation of the HOG vectors) and "spearman", higher = less
        sensitive. An image of which any pair has no value in any of them, because a map is constant
        or has NaN, is dropped: all three are NaN. `summarize` counts these as "dropped" and gives
        the standard deviations over images.

    Raises
    ------
    OptionError
        If an option is outside its allowed values, or the method has none of that name.
    ShapeError
        If there is not one map per image, or images have less than 5 pixels per side.

    Notes
    -----
    Cost: k times the method. Memory: k maps of H x W per image, in float64. Resizing is bilinear,
    cells taken as squares.

    References
    ----------
    .. [1] Bansal, Agarwal, Nguyen, "SAM: The Sensitivity of Attribution Methods to
       Hyperparameters", CVPR 2020.
    .. [2] Agarwal, Nguyen, "Explaining Image Classifiers by Removing Input Features Using
       Generative Models", ACCV 2020, tables S1 and S2; metrics specification 8.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    target = clf.check_target(target, len(batch))
    check_maps(maps, len(batch))
    options = _check(settings, scale, data_range, cell)
    if explain is None:
        raise OptionError(f"{OWNER}: explain is missing; give the function that makes the maps")
    again, size = Again(explain, OWNER), (batch.shape[2], batch.shape[3])
    made = np.empty((len(batch), len(settings), *size))
    for k, setting in enumerate(settings):
        made[:, k] = prepare_maps(again(clf, batch, target, **setting), size, scale)
        if progress is not None:
            progress(k + 1, len(settings))
    found = pairwise_similarity(made, data_range=options["data_range"], cell=cell)
    dropped = np.isnan(list(found.values())).any(axis=0)
    return MetricResult(
        metric=OWNER,
        values={name: np.where(dropped, np.nan, found[name]) for name in MEASURES},
        curves={},
        options=options,
        passes=again.passes,
        seconds=time.perf_counter() - begin,
    )


def aggregate(result: MetricResult) -> dict[str, float]:
    """Standard deviation of each measure over the images that count, and how many do not."""
    figures = {}
    for name, row in result.values.items():
        known = row[~np.isnan(row)]
        figures[f"{name}_std"] = float(known.std()) if len(known) else float("nan")
    rows = np.array(list(result.values.values()))
    return {**figures, "dropped": float(np.isnan(rows).any(axis=0).sum())}


def _check(
    settings: Sequence[Mapping[str, Any]], scale: Scale, data_range: float | None, cell: int | None
) -> dict[str, Any]:
    """Options with their values; those outside the allowed ones are refused."""
    good = isinstance(settings, list | tuple) and all(isinstance(s, Mapping) for s in settings)
    if not good or len(settings) < 2:
        raise OptionError(
            f"{OWNER}: settings is {settings!r}; expected at least two mappings of options"
        )
    choice(OWNER, "scale", scale, SCALES)
    if data_range is None:
        data_range = 1.0 if scale == "min_max" else 2.0
    if cell is not None:
        whole(OWNER, "cell", cell)
    return {
        "settings": [dict(setting) for setting in settings],
        "scale": scale,
        "data_range": positive(OWNER, "data_range", data_range),
        "cell": cell,
    }
