"""Figures of a table: means with their errors, figures of whole sets, differences of methods."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pysal.evaluation.names import metric_entry, registered
from pysal.summary import summarize
from pysal.types import MetricResult, Passes

if TYPE_CHECKING:
    import pyarrow as pa

Float = NDArray[np.float64]
NAN = float("nan")


def summary(part: pa.Table, method: str, metric: str) -> dict[str, Any]:
    """Figures of one method and metric.

    Parameters
    ----------
    part : pyarrow.Table
        The rows of both, by image.

    Returns
    -------
    dict
        "method", "metric"; "images", "errors"; "values": per value "mean", "standard_error" (of
        the mean, n - 1 in the variance), "n", "skipped" (images that do not count or have an
        error) and "better" ("higher", "lower" or ""); "set": what the metric makes of all images
        together, see `pysal.summarize`; "passes" and "seconds": means over the images, of "method"
        and "metric".
    """
    result = joined(part, metric)
    entry, total = metric_entry(metric), len(part)
    rows = dict(result.values) if result is not None else {}
    # The main value first, as the registry has it.
    names = dict.fromkeys([*entry.values, *rows])
    values = {
        name: {**mean_of(rows.get(name, np.empty(0))), "better": entry.values.get(name, "")}
        for name in names
    }
    for record in values.values():
        record["skipped"] = total - record["n"]
    whole = {} if result is None else summarize(result)
    return {
        **{"method": method, "metric": metric, "images": total},
        "errors": total - part["error"].null_count,
        "values": values,
        "set": {name: value for name, value in whole.items() if _is_of_set(name, value, values)},
        "passes": {
            side: {way: _mean(part, f"{side}_{way}") for way in ("forward", "backward")}
            for side in ("method", "metric")
        },
        "seconds": {side: _mean(part, f"{side}_seconds") for side in ("method", "metric")},
    }


def joined(part: pa.Table, metric: str) -> MetricResult | None:
    """The rows of one method and metric as the metric's result; None where all have an error."""
    good = part.filter(part["error"].is_null())
    if not len(good):
        return None
    first = good.slice(0, 1).to_pylist()[0]
    shared = set(first["shared_curves"])
    curves = {name: np.array(curve) for name, curve in first["curves"] if name in shared}
    curves |= {name: _curve(good, name) for name, _ in first["curves"] if name not in shared}
    return MetricResult(
        metric=registered(metric),
        values={name: value_of(good, name) for name, _ in first["values"]},
        curves=curves,
        options=json.loads(first["metric_options"]),
        passes=Passes(),
        seconds=0.0,
    )


def paired(tables: Mapping[str, pa.Table], metric: str) -> list[dict[str, Any]]:
    """Differences between methods by one metric, on the images that count for both.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        Rows of this metric, per method, by image: the same images in the same order.

    Returns
    -------
    list of dict
        Per value and pair: "metric", "value", "a", "b", "difference" (mean of a minus b), its
        "standard_error", "n", "a_better" (share of the images where a is better; None where the
        value has no direction) and "ties" (share where both are equal).
    """
    found = []
    for name in metric_entry(metric).values or _names(tables):
        rows = {method: value_of(table, name) for method, table in tables.items()}
        sign = {"higher": 1, "lower": -1}.get(metric_entry(metric).values.get(name, ""))
        for a, b in itertools.combinations(rows, 2):
            gap = rows[a] - rows[b]
            gap = gap[~np.isnan(gap)]
            figures = mean_of(gap)
            share = NAN if not len(gap) else float(np.mean(gap * sign > 0)) if sign else None
            found.append(
                {
                    **{"metric": metric, "value": name, "a": a, "b": b},
                    "difference": figures["mean"],
                    "standard_error": figures["standard_error"],
                    "n": figures["n"],
                    "a_better": share if sign else None,
                    "ties": float(np.mean(gap == 0)) if len(gap) else NAN,
                }
            )
    return found


def value_of(part: pa.Table, name: str) -> Float:
    """A value per row of a table, (N,), NaN where there is none."""
    import pyarrow.compute as pc

    found = pc.map_lookup(part["values"], name, "first").to_numpy()
    return np.asarray(found, np.float64)


def mean_of(values: Float) -> dict[str, Any]:
    """Mean, standard error and number of the values that are not NaN."""
    known = values[~np.isnan(values)]
    count = len(known)
    error = float(np.std(known, ddof=1) / np.sqrt(count)) if count > 1 else NAN
    mean = float(np.mean(known)) if count else NAN
    return {"mean": mean, "standard_error": error, "n": count}


def _is_of_set(name: str, value: float, values: Mapping[str, Any]) -> bool:
    """Whether a figure of `summarize` says more than the mean of a value."""
    same = name in values and np.array_equal(value, values[name]["mean"], equal_nan=True)
    return not same


def _names(tables: Mapping[str, pa.Table]) -> list[str]:
    """Values of a metric whose entry does not name them."""
    results = (table.filter(table["error"].is_null()) for table in tables.values())
    first: list[tuple[str, float]] = next((r["values"][0].as_py() for r in results if len(r)), [])
    return [name for name, _ in first]


def _curve(part: pa.Table, name: str) -> Float:
    """One entry of the map "curves", (N, T)."""
    import pyarrow.compute as pc

    lists = pc.map_lookup(part["curves"], name, "first")
    return np.asarray(pc.list_flatten(lists).to_numpy(), np.float64).reshape(len(part), -1)


def _mean(part: pa.Table, column: str) -> float:
    """Mean of a column over the rows that have no error; NaN where there is none."""
    good = part.filter(part["error"].is_null())
    return float(np.mean(good[column].to_numpy())) if len(good) else NAN


def main_value(tables: Mapping[str, pa.Table], metric: str) -> str:
    """The first value of a metric that is known of an image; empty where none is."""
    names = list(metric_entry(metric).values) or _names(tables)
    known = (n for n in names if any(not np.isnan(value_of(t, n)).all() for t in tables.values()))
    return next(known, "")


def best_and_worst(
    tables: Mapping[str, pa.Table], metric: str, count: int
) -> tuple[list[int], list[int]]:
    """Images with the best and the worst first value, as the mean over the methods they count for.

    Returns
    -------
    best, worst : list of int
        Numbers of images, the best and the worst of all first; no image is in both.
    """
    name = main_value(tables, metric)
    if not name:
        return [], []
    sign = -1 if metric_entry(metric).values.get(name, "higher") == "lower" else 1
    rows = np.stack([value_of(table, name) for table in tables.values()])
    index = next(iter(tables.values()))["index"].to_numpy()
    known = ~np.isnan(rows).all(axis=0)
    means = np.nanmean(rows[:, known], axis=0)
    order = index[known][np.argsort(-sign * means, kind="stable")].tolist()
    count = min(count, len(order) // 2)
    return order[:count], order[::-1][:count]
