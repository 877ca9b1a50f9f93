"""Figures of a set: means over the images that count, and a metric's own."""

from __future__ import annotations

import math
import sys
import types

import numpy as np
import pytest

from pysal import summary
from pysal.registry import Entry
from pysal.summary import summarize
from pysal.types import MetricResult, Passes


def result(values, metric="unknown"):
    rows = {name: np.array(row, np.float64) for name, row in values.items()}
    return MetricResult(metric, rows, {}, {}, Passes(), 0.0)


def test_means_leave_out_images_that_do_not_count():
    found = summarize(result({"a": [1, np.nan, 4], "b": [np.nan] * 3}))
    assert found["a"] == 2.5
    assert math.isnan(found["b"])


def largest(given: MetricResult) -> dict[str, float]:
    return {"largest": float(np.nanmax(given.values["a"]))}


def test_a_metric_adds_its_own_figures(monkeypatch: pytest.MonkeyPatch):
    home = types.ModuleType("home")
    home.largest = largest
    monkeypatch.setitem(sys.modules, "home", home)
    monkeypatch.setattr(summary, "METRICS", {"mine": Entry("", "", aggregate="home:largest")})
    assert summarize(result({"a": [1, 5, np.nan]}, "mine")) == {"a": 3.0, "largest": 5.0}


def test_no_image_at_all_gives_nan():
    assert math.isnan(summarize(result({"a": []}))["a"])
