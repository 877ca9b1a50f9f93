"""What LIME and LIME-G share: options, draws, the regression, and the map that it paints."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.compose import Composer
from pysal.errors import OptionError
from pysal.perturb.counted import counted
from pysal.perturb.drawn import switches
from pysal.perturb.ridge import Fit, ridge
from pysal.perturb.superpixels import SEGMENTATIONS, Labels
from pysal.types import Array, Attribution
from pysal.values import choice, flag, number, positive, whole
from pysal.work import Work

Bools = NDArray[np.bool_]

MOST_SEGMENTS = 4096
"""More would need a regression that does not form their S x S matrix."""


def resolve(owner: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options that both methods have; segments that are an array are "given".

    Raises
    ------
    OptionError
        If a value is outside its allowed ones.
    """
    if not isinstance(given["segments"], np.ndarray):
        choice(owner, "segments", given["segments"], SEGMENTATIONS)
    ratio = "a number between 0 and 1"
    return {
        "samples": whole(owner, "samples", given["samples"], 2),
        "segments": "given" if isinstance(given["segments"], np.ndarray) else given["segments"],
        "num_segments": whole(owner, "num_segments", given["num_segments"]),
        "compactness": positive(owner, "compactness", given["compactness"]),
        "sigma": number(owner, "sigma", given["sigma"], lambda v: v >= 0, "a number from 0 on"),
        "kernel_size": positive(owner, "kernel_size", given["kernel_size"]),
        "max_dist": positive(owner, "max_dist", given["max_dist"]),
        "ratio": number(owner, "ratio", given["ratio"], lambda v: 0 < v < 1, ratio),
        "segment_seed": whole(owner, "segment_seed", given["segment_seed"], 0),
        "keep": number(owner, "keep", given["keep"], lambda v: 0 < v < 1, ratio),
        "kernel_width": positive(owner, "kernel_width", given["kernel_width"]),
        "alpha": positive(owner, "alpha", given["alpha"]),
        "labels": flag(owner, "labels", given["labels"]),
        "seed": given["seed"],
    }


def draw_rows(
    owner: str, labels: Labels, seed: NDArray[np.uint64], options: Mapping[str, Any]
) -> Bools:
    """Which segments every version of every image shows, (N, V, S); S is that of the most.

    Raises
    ------
    OptionError
        If an image has more than `MOST_SEGMENTS`.
    """
    counts = num_segments(labels)
    if counts.max(initial=0) > MOST_SEGMENTS:
        raise OptionError(
            f"{owner}: image {counts.argmax()} has {counts.max()} segments; expected at most "
            f"{MOST_SEGMENTS}: take larger ones"
        )
    rows = np.zeros((len(labels), options["samples"], counts.max(initial=1)), bool)
    for image, count in enumerate(counts):
        drawn = switches(int(seed[image]), options["samples"], int(count), options["keep"])
        rows[image, :, :count] = drawn
    return rows


def num_segments(labels: Labels) -> NDArray[np.intp]:
    """Segments of every image, (N,)."""
    return labels.max(axis=(1, 2), initial=0).astype(np.intp) + 1


def explain_rows(
    owner: str,
    work: Work,
    compose: Composer,
    rows: Bools,
    labels: Labels,
    options: Mapping[str, Any],
    progress: Callable[[float, float], None] | None,
) -> Attribution:
    """Score all versions, fit a model per image and paint its coefficients."""
    work.score()
    samples = rows.shape[1]
    scores = work.score_composed(counted(compose, len(work), samples, progress), samples)
    counts = num_segments(labels)
    fits = [
        _fit(rows[i, :, : counts[i]], scores[i], options["kernel_width"], options["alpha"])
        for i in range(len(work))
    ]
    _warn_constant(owner, scores, counts)
    native = np.empty(labels.shape, np.float32)
    for result, fit, segment in zip(native, fits, labels, strict=True):
        result[...] = fit.coefficients[segment]
    trace = {**_trace(fits, rows.shape[2]), "num_segments": counts}
    if options["labels"]:
        trace["labels"] = labels
    return work.finish(native, options, trace=trace)


def kernel_weights(rows: Bools, width: float) -> NDArray[np.float64]:
    """Weight of every row by its cosine distance from the row of ones, (V,).

    With k of S ones the distance is D = 1 - sqrt(k / S), or 1 for k = 0, and the weight
    sqrt(exp(-D^2 / width^2)).
    """
    distance = 1 - np.sqrt(rows.mean(axis=1))
    weights: NDArray[np.float64] = np.sqrt(np.exp(-(distance**2) / width**2))
    return weights


def _fit(rows: Bools, scores: Array, width: float, alpha: float) -> Fit:
    """The model of one image."""
    return ridge(rows, scores.astype(np.float64), kernel_weights(rows, width), alpha)


def _trace(fits: list[Fit], most: int) -> dict[str, NDArray[Any]]:
    """Coefficients and their errors, padded with NaN, and the fits' quality."""
    trace: dict[str, NDArray[Any]] = {
        name: np.full((len(fits), most), np.nan) for name in ("coefficients", "standard_error")
    }
    for row, fit in enumerate(fits):
        trace["coefficients"][row, : len(fit.coefficients)] = fit.coefficients
        trace["standard_error"][row, : len(fit.errors)] = fit.errors
    trace["intercept"] = np.array([fit.intercept for fit in fits])
    trace["r2"] = np.array([fit.r2 for fit in fits])
    return trace


def _warn_constant(owner: str, scores: Array, counts: NDArray[np.intp]) -> None:
    """Say which maps are constant, and why."""
    for alike, reason in (
        (np.ptp(scores, axis=1) == 0, "no version has another score"),
        (counts == 1, "there is one segment only"),
    ):
        if alike.any():
            shown = ", ".join(map(str, np.flatnonzero(alike)[:5]))
            warnings.warn(
                f"{owner}: the maps of {alike.sum()} of {len(scores)} images (number {shown}) are "
                f"constant: {reason}; segment or fill the images in another way",
                stacklevel=4,
            )
