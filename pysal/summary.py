"""Figures of a whole set of images, from what a metric says of each."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

import numpy as np

from pysal.metrics import METRICS
from pysal.types import MetricResult


def summarize(result: MetricResult) -> dict[str, float]:
    """Figures of a set of images.

    Parameters
    ----------
    result : MetricResult
        Of all images; values are NaN where an image does not count.

    Returns
    -------
    dict of str to float
        Mean of each value over the images that count, and what the metric itself makes of all of
        them, for instance the area under a median curve. NaN where no image counts.
    """
    figures = {
        name: float(np.mean(known)) if len(known := row[~np.isnan(row)]) else float("nan")
        for name, row in result.values.items()
    }
    entry = METRICS.get(result.metric)
    if entry is None or not entry.aggregate:
        return figures
    module, _, name = entry.aggregate.partition(":")
    whole: Callable[[MetricResult], Mapping[str, float]] = getattr(
        importlib.import_module(module), name
    )
    return {**figures, **whole(result)}
