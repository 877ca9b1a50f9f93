"""What one metric says of some maps, each with what the table says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pysal.errors import ShapeError
from pysal.evaluation.maps import Explained, options_json
from pysal.evaluation.names import method_entry, metric_entry, registered
from pysal.evaluation.plan import Plan, seeded
from pysal.explainer import native_maps
from pysal.options import accepts
from pysal.progress import Progress
from pysal.truth import Truth
from pysal.types import MetricResult, Target

if TYPE_CHECKING:
    from pysal.classifier import Classifier

Columns = Mapping[str, Any]
"""The columns of the table that a metric fills."""


def one_by_one(method: str, metric: str) -> bool:
    """Whether images must be measured alone.

    A metric that explains again shall draw what the map's method drew. The seed differs from image
    to image, and the metric alone knows which of its inputs come from which image.
    """
    draws = accepts(method_entry(method).load(), "seed")
    return draws and "explain" in metric_entry(metric).takes


def measure_maps(
    plan: Plan,
    clf: Classifier,
    method: str,
    metric: str,
    maps: Sequence[Explained],
    truth: Sequence[Truth] | None,
    progress: Progress | None,
) -> list[Columns]:
    """Measure maps together; passes and seconds are their shares.

    Raises
    ------
    ShapeError
        If the metric gives other than one value per image.
    """
    function, entry = metric_entry(metric).load(), metric_entry(metric)
    indices = [one.index for one in maps]
    options = seeded(function, plan.metrics[metric], plan, indices)
    if truth is not None:
        options["truth"] = list(truth)
    if "explain" in entry.takes:
        options["explain"] = _again(plan, method, indices)
    if progress is not None and accepts(function, "progress"):
        options["progress"] = progress
    batch, native = (np.stack([getattr(one, name) for one in maps]) for name in ("batch", "native"))
    classes = np.concatenate([one.target.index for one in maps])
    target = Target(classes, maps[0].target.kind)
    result: MetricResult = function(clf, batch, native, target, **options)
    _check(metric, result, len(maps))
    return [_columns(result, row, len(maps)) for row in range(len(maps))]


def _again(plan: Plan, method: str, indices: Sequence[int]) -> Any:
    """The method with the options and the seed that made the map."""
    options = seeded(method_entry(method).load(), plan.methods[method], plan, indices[:1])
    if isinstance(options.get("seed"), list) and "seed" not in plan.methods[method]:
        options["seed"] = options["seed"][0]
    return native_maps(registered(method), **options)


def _check(metric: str, result: MetricResult, count: int) -> None:
    """See that values and curves belong to the images."""
    for name, values in result.values.items():
        if np.shape(values) != (count,):
            raise ShapeError(
                f'"{name}" of {metric} has shape {np.shape(values)}; expected ({count},)'
            )
    for name, curve in result.curves.items():
        if np.ndim(curve) not in (1, 2) or (np.ndim(curve) == 2 and len(curve) != count):
            raise ShapeError(
                f'curve "{name}" of {metric} has shape {np.shape(curve)}; expected ({count}, T) '
                "or (T,)"
            )


def _columns(result: MetricResult, row: int, count: int) -> Columns:
    """What the result says of one image."""
    curves = {name: np.asarray(curve, np.float64) for name, curve in result.curves.items()}
    return {
        "values": {name: float(values[row]) for name, values in result.values.items()},
        "curves": {
            name: (curve if curve.ndim == 1 else curve[row]).tolist()
            for name, curve in curves.items()
        },
        "shared_curves": sorted(name for name, curve in curves.items() if curve.ndim == 1),
        "metric_options": options_json(result.options, row, count),
        "metric_forward": result.passes.forward / count,
        "metric_backward": result.passes.backward / count,
        "metric_seconds": result.seconds / count,
    }
