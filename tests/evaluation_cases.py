"""Methods and metrics that tests of evaluations can look through, and the tables they give."""

from __future__ import annotations

import dataclasses
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pysal.errors import OptionError
from pysal.evaluation.table import SECONDS
from pysal.methods import METHODS
from pysal.metrics import METRICS
from pysal.registry import Entry
from pysal.truth import Region, Truth
from pysal.types import Array, Attribution, MetricResult, Passes, Target

SPOILT = 77.0
"""Value of the first pixel of an image that `fake` cannot take."""

CALLS: list[tuple[str, int]] = []
"""(name, images) of every call."""


def fake(
    clf: Any, batch: Array, target: Target, *, gain: float = 1.0, seed: Any = 0
) -> Attribution:
    """Mean over channels plus one draw of the image's seed; warns of bright images."""
    CALLS.append(("fake", len(batch)))
    if gain < 0:
        raise OptionError(f"fake: gain is {gain}; expected 0 or more")
    if (batch[:, 0, 0, 0] == SPOILT).any():
        raise ValueError("spoilt\npixel")
    if batch.max() > 50:
        warnings.warn(f"{len(batch)} images, one is bright", UserWarning, stacklevel=2)
    draws = [np.random.default_rng(int(s)).random() for s in np.broadcast_to(seed, len(batch))]
    native = (gain * batch.mean(axis=1) + np.array(draws)[:, None, None]).astype(np.float32)
    score = clf.score(batch, target.kind)[np.arange(len(batch)), target.index]
    options = {"gain": gain, "seed": seed}
    return Attribution(native, native, target, score, "fake", options, Passes(len(batch), 0), 0.1)


def level(
    clf: Any, batch: Array, maps: Array, target: Target, *, limit: float = 1e9, seed: Any = 0
) -> MetricResult:
    """Mean of each map, its square, a draw; NaN for negative maps; raises above the limit."""
    CALLS.append(("level", len(batch)))
    means = maps.astype(np.float64).mean(axis=(1, 2))
    if limit < 0:
        raise OptionError(f"level: limit is {limit}; expected 0 or more")
    if (means > limit).any():
        raise ArithmeticError("above the limit")
    known = np.where(means < 0, np.nan, means)
    draw = np.array([int(s) % 97 for s in np.broadcast_to(seed, len(batch))], np.float64)
    curves = {"part": np.linspace(0, 1, 3), "rise": known[:, None] * np.arange(3)}
    values = {"mean": known, "loss": -known, "draw": draw}
    options = {"limit": limit, "seed": seed}
    return MetricResult("level", values, curves, options, Passes(2 * len(batch), 0), 0.2)


def placed(clf: Any, batch: Array, maps: Array, target: Target, *, truth: Any) -> MetricResult:
    """Label that the truth has."""
    values = {"label": np.array([float(t.label) for t in truth])}
    return MetricResult("placed", values, {}, {}, Passes(), 0.0)


def again(clf: Any, batch: Array, maps: Array, target: Target, *, explain: Any) -> MetricResult:
    """Distance of a map to the one that is made again."""
    gap = np.abs(explain(clf, batch, target) - maps).max(axis=(1, 2)).astype(np.float64)
    return MetricResult("again", {"gap": gap}, {}, {}, Passes(), 0.0)


@dataclasses.dataclass(frozen=True)
class Deadly:
    """An image of a data set; whoever asks one of them for its truth dies."""

    path: Path
    name: str
    label: int | None = None

    def truth(self, preprocess: Any) -> Truth:
        if self.name == "p2":
            os._exit(1)
        boxes = np.array([[0.0, 0.0, 4.0, 4.0]])
        regions = tuple(Region(str(c), frozenset({c}), boxes) for c in range(4))
        return Truth((16, 16), self.label, regions)


def total(result: MetricResult) -> dict[str, float]:
    """Figure of a whole set: the median, and the number of images."""
    median = float(np.nanmedian(result.values["mean"]))
    return {"median": median, "images": len(result.curves["rise"])}


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add them to the registries for one test."""
    CALLS.clear()
    here = __name__
    values = {"mean": "higher", "loss": "lower", "draw": ""}
    monkeypatch.setitem(METHODS, "fake", Entry(f"{here}:fake", ""))
    monkeypatch.setitem(METHODS, "other", Entry(f"{here}:fake", "", kind="logit"))
    monkeypatch.setitem(
        METRICS, "level", Entry(f"{here}:level", "", values=values, aggregate=f"{here}:total")
    )
    takes = {"placed": "truth", "again": "explain"}
    for name, what in takes.items():
        monkeypatch.setitem(METRICS, name, Entry(f"{here}:{name}", "", takes=frozenset({what})))


def rows(path: Path, *left_out: str) -> list[dict[str, Any]]:
    """Rows of a table without the seconds, NaN as text so that rows can be compared."""
    table = pq.read_table(path).drop_columns([*SECONDS, *left_out])
    found: list[dict[str, Any]] = eval(repr(table.to_pylist()), {"nan": "nan"})
    return found
