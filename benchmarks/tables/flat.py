"""Results of metrics for one photo as flat cells, and cells of many photos as one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pysal.types import MetricResult, Passes

DIGITS = 5


def flat(
    result: MetricResult, values: Sequence[str] = (), *, image: int = 0, **curves: str
) -> dict[str, Any]:
    """Values, and curves under other names, of one image of a result; rounded.

    Parameters
    ----------
    result : MetricResult
    values : sequence of str
        Names of values that are kept.
    image : int
        Its number.
    **curves : str
        New name = name in the result.
    """
    found: dict[str, Any] = {name: _short(float(result.values[name][image])) for name in values}
    for new, old in curves.items():
        found[new] = [_short(v) for v in np.asarray(result.curves[old], np.float64)[image].tolist()]
    return found


def _short(value: float) -> float:
    return round(value, DIGITS)


def joined(
    metric: str,
    cells: Mapping[str, Mapping[str, Any]],
    keys: Sequence[str],
    shared: Mapping[str, Any],
    **curves: str,
) -> MetricResult:
    """One result of a metric from cells, for its figures of a set.

    Parameters
    ----------
    metric : str
    cells : mapping
        Photo -> cell.
    keys : sequence of str
        The photos, in the order of the rows.
    shared : mapping
        Curves that all images share: the abscissas.
    **curves : str
        Name in the cells = name in the result.
    """
    rows = {
        old: np.array([cells[key][new] for key in keys], np.float64) for new, old in curves.items()
    }
    known = {name: np.asarray(values, np.float64) for name, values in shared.items()}
    return MetricResult(metric, {}, {**known, **rows}, {}, Passes(), 0.0)
