"""Charts of an evaluation: means with standard errors, mean curves with bands."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.errors import MissingDependencyError
from pysal.evaluation.names import metric_entry
from pysal.report.save import write_file
from pysal.types import MetricResult

COLORS = (
    *("#2a62b0", "#d9822b", "#2e8b57", "#b02a30", "#7b52ab", "#8c5a3c"),
    *("#d16ba5", "#6b6b6b", "#a0a02c", "#2aa7b0"),
)
STYLES = ("-", "--", ":", "-.")
"""Ten colours, and where there are more methods the next style of line."""

MAX_COLUMNS = 3
HINTS = {"higher": "higher is better", "lower": "lower is better", "": ""}


def new_figure(width: float, height: float) -> Any:
    """A figure without matplotlib's global state.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError(
            'matplotlib is not installed; run pip install "pysal-saliency[viz]"'
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def write_figure(figure: Any, path: Path) -> Path:
    """Write a figure as a PNG, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, buffer.getvalue())
    return path


def bar_chart(path: Path, metric: str, found: Mapping[str, Mapping[str, Any]]) -> Path | None:
    """Draw the means of a metric's values that have a direction, with standard errors, per method.

    Parameters
    ----------
    found : mapping of str to mapping
        Summaries per method, see `statistics.summary`.

    Returns
    -------
    Path, or None where there is nothing to draw.
    """
    names = _drawn(metric, list(found.values()))
    if not names:
        return None
    methods = list(found)
    figure, panels = _panels(len(names), 0.32 * len(methods) + 1.1)
    for panel, name in zip(panels, names, strict=False):
        means, errors = zip(*(_bar(found[method], name) for method in methods), strict=True)
        at = np.arange(len(methods))
        panel.barh(at, means, 0.68, color=[COLORS[i % len(COLORS)] for i in at])
        for place, mean, error in zip(at, means, errors, strict=True):
            if not math.isnan(error):
                style = {"fmt": "none", "ecolor": "black", "elinewidth": 1, "capsize": 2.5}
                panel.errorbar(mean, place, xerr=error, **style)
        panel.set_yticks(at, methods if panel.get_subplotspec().is_first_col() else [])
        panel.set_ylim(len(methods) - 0.5, -0.5)
        panel.axvline(0, color="black", lw=0.8)
        hint = HINTS[metric_entry(metric).values.get(name, "")]
        panel.set_title(f"{name} ({hint})" if hint else name, fontsize=10)
        if all(map(math.isnan, errors)):
            panel.set_xlabel("one figure for all images together", fontsize=8)
        panel.locator_params(axis="x", nbins=6)
        panel.grid(axis="x", color="0.88", lw=0.8)
        _tidy(panel)
    rows = [record["values"][name] for record in found.values() for name in names]
    counts = sorted({row["n"] for row in rows if row["n"]} or {0})
    images = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    figure.suptitle(f"{metric}\nmean and standard error over {images} images", fontsize=11)
    return write_figure(figure, path)


def curve_chart(path: Path, metric: str, results: Mapping[str, MetricResult]) -> Path | None:
    """Draw the mean curves of a metric per method, with a band of one standard error.

    Returns
    -------
    Path, or None where the metric has no curves.
    """
    names = list(
        dict.fromkeys(n for r in results.values() for n, c in r.curves.items() if c.ndim == 2)
    )
    if not names:
        return None
    figure, panels = _panels(len(names), 2.9)
    for panel, name in zip(panels, names, strict=False):
        label = ""
        for number, (method, result) in enumerate(results.items()):
            if name not in result.curves:
                continue
            curve = result.curves[name]
            curve = curve[~np.isnan(curve).all(axis=1)]
            if not len(curve):
                continue
            label, x = _abscissa(result, curve.shape[1])
            mean, error = _band(curve)
            color = COLORS[number % len(COLORS)]
            style = STYLES[number // len(COLORS) % len(STYLES)]
            panel.plot(x, mean, color=color, ls=style, lw=1.6, label=method)
            panel.fill_between(x, mean - error, mean + error, color=color, alpha=0.18, lw=0)
        panel.set_xlabel(label, fontsize=9)
        panel.set_title(name, fontsize=10)
        panel.margins(x=0)
        panel.grid(color="0.9", lw=0.8)
        _tidy(panel)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=9, frameon=False)
    figure.suptitle(f"{metric}\nmean over the images and standard error", fontsize=11)
    return write_figure(figure, path)


def _panels(count: int, height: float) -> tuple[Any, Sequence[Any]]:
    """A figure with panels in rows of at most `MAX_COLUMNS`."""
    columns = min(count, MAX_COLUMNS)
    rows = math.ceil(count / columns)
    figure = new_figure(3.1 * columns + 1.9, height * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[count:]:
        panel.set_axis_off()
    return figure, panels


def _drawn(metric: str, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Values that are worth a bar: known, and with a direction where any has one."""
    names = dict.fromkeys(name for record in records for name in record["values"])
    known = [n for n in names if not all(math.isnan(_bar(record, n)[0]) for record in records)]
    return [n for n in known if metric_entry(metric).values.get(n)] or known


def _bar(record: Mapping[str, Any], name: str) -> tuple[float, float]:
    """Mean and standard error of a value; where no image has it, the figure of all together."""
    row = record["values"].get(name, {})
    if row.get("n"):
        return row["mean"], row["standard_error"]
    return record["set"].get(name, math.nan), math.nan


def _abscissa(result: MetricResult, length: int) -> tuple[str, NDArray[np.float64]]:
    """The curve that all images share and that is as long; else the number of the step."""
    for name, curve in result.curves.items():
        if curve.ndim == 1 and len(curve) == length:
            return name, curve
    return "step", np.arange(length, dtype=np.float64)


def _band(curve: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard error of curves (N, T) per point; NaN is left out."""
    known = np.maximum((~np.isnan(curve)).sum(axis=0), 1)
    mean = np.nansum(curve, axis=0) / known
    spread = np.nansum((curve - mean) ** 2, axis=0) / np.maximum(known - 1, 1)
    return mean, np.sqrt(spread / known)


def _tidy(panel: Any) -> None:
    """What all panels have in common."""
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
