"""The images that an evaluation found best and worst, with the maps of all methods."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pysal.evaluation.figures import new_figure, write_figure
from pysal.evaluation.isolate import Failure
from pysal.evaluation.maps import Explained
from pysal.evaluation.plan import Plan
from pysal.evaluation.statistics import best_and_worst, main_value, value_of
from pysal.evaluation.worker import Worker
from pysal.heatmap import overlay, upsample

if TYPE_CHECKING:
    import pyarrow as pa

    from pysal.types import Array

SHOWN = 3
"""Images of either kind."""

MAX_NAME = 20


class Maps:
    """Maps that are made again, each once for all metrics."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._known: dict[tuple[str, int], Explained | Failure] = {}

    def __call__(self, method: str, indices: Sequence[int]) -> dict[int, Explained | Failure]:
        """Maps of some images, by number."""
        new = [index for index in indices if (method, index) not in self._known]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they warn of was kept when they were made first
            for index, found in self._worker.maps(method, new).items():
                self._known[method, index] = found
        return {index: self._known[method, index] for index in indices}

    def rgb(self, explained: Explained) -> Array:
        """The picture that the network saw, (H, W, 3) in [0, 1]."""
        return self._worker.rgb(explained)


def map_sheet(
    path: Path, metric: str, tables: Mapping[str, pa.Table], plan: Plan, made: Maps
) -> Path | None:
    """Draw the worst and the best images by a metric: the photo, and below it every method's map.

    Returns
    -------
    Path, or None where there are fewer than two images to compare.

    Notes
    -----
    Cost: the maps of these images are made once more, up to 6 per method and metric.
    """
    best, worst = best_and_worst(tables, metric, SHOWN)
    if not best:
        return None
    columns = [*worst, *reversed(best)]
    figure = new_figure(1.45 * len(columns) + 1.2, 1.62 * (1 + len(tables)) + 0.7)
    panels = figure.subplots(1 + len(tables), len(columns), squeeze=False)
    value = main_value(tables, metric)
    for row, (method, table) in enumerate(tables.items(), start=1):
        maps = made(method, columns)
        index = table["index"].to_numpy().tolist()
        values = value_of(table, value)
        for column, number in enumerate(columns):
            _picture(panels[row, column], maps[number], made)
            panels[row, column].set_title(f"{values[index.index(number)]:.3f}", fontsize=8, pad=2)
            if row == 1:
                _photo(panels[0, column], maps[number], made, plan.items[number].name)
        panels[row, 0].set_ylabel(method, fontsize=9)
    panels[0, 0].set_ylabel("photo", fontsize=9)
    figure.suptitle(
        f"{metric}, {value}\n"
        f"the {len(worst)} worst images on the left, the {len(best)} best on the right",
        fontsize=10,
    )
    return write_figure(figure, path)


def _photo(panel: Any, found: Explained | Failure, made: Maps, name: str) -> None:
    """The photo as the network sees it, under its name."""
    if isinstance(found, Explained):
        panel.imshow(np.clip(made.rgb(found), 0, 1))
    short = name if len(name) <= MAX_NAME else "..." + name[3 - MAX_NAME :]
    # A dollar sign would start a formula.
    panel.set_title(short.replace("$", r"\$"), fontsize=7, pad=2)
    _bare(panel)


def _picture(panel: Any, found: Explained | Failure, made: Maps) -> None:
    """The map over the photo."""
    if isinstance(found, Explained):
        rgb = made.rgb(found)
        native = np.nan_to_num(found.native)[None]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of constant maps was warned when they were made
            panel.imshow(overlay(rgb[None], upsample(native, rgb.shape[:2]))[0])
    _bare(panel)


def _bare(panel: Any) -> None:
    """No ticks and frame; the label at the side stays."""
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)
