"""Figures: what they show is in them, and a missing matplotlib is a line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from toy import ToyClassifier

import pysal
from pysal.evaluation import figures, pictures
from pysal.types import MetricResult, Passes


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Matplotlib figures by file name, as they are written."""
    found: dict[str, Any] = {}

    def write(figure: Any, path: Path) -> Path:
        found[path.name] = figure
        return figures_write(figure, path)

    figures_write = figures.write_figure
    monkeypatch.setattr(figures, "write_figure", write)
    monkeypatch.setattr(pictures, "write_figure", write)
    return found


@pytest.mark.usefixtures("fakes")
def test_three_figures_per_curve_metric(
    clf: ToyClassifier, tmp_path: Path, drawn: dict[str, Any]
) -> None:
    found = pysal.evaluate(clf, list(clf.photos(8)), ["fake", "gradient"], "level", tmp_path)
    names = ["level.bars.png", "level.curves.png", "level.images.png"]
    assert [path.name for path in found.figures] == names
    for path in found.figures:
        with Image.open(path) as picture:
            assert picture.width > 300
            assert np.ptp(np.asarray(picture.convert("L"))) > 100
    bars = drawn["level.bars.png"].axes
    assert [axis.get_title() for axis in bars] == [
        "mean (higher is better)", "loss (lower is better)",
    ]  # fmt: skip
    widths = [patch.get_width() for patch in bars[0].patches]
    assert widths == [record["values"]["mean"]["mean"] for record in found.summary]
    line = drawn["level.curves.png"].axes[0].get_lines()[0]
    assert line.get_xdata().tolist() == [0, 0.5, 1]
    assert line.get_ydata()[2] == pytest.approx(2 * found.summary[0]["values"]["mean"]["mean"])
    sheet = drawn["level.images.png"].axes
    assert len(sheet) == 3 * 6
    assert all(axis.get_images() for axis in sheet)


@pytest.mark.usefixtures("fakes")
def test_a_metric_without_curves_has_no_chart_of_them(clf: ToyClassifier, tmp_path: Path) -> None:
    found = pysal.evaluate(clf, list(clf.photos(2)), "fake", "average_drop", tmp_path)
    assert [p.name for p in found.figures] == ["average_drop.bars.png", "average_drop.images.png"]


@pytest.mark.usefixtures("fakes")
def test_without_matplotlib_one_line(
    clf: ToyClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    metrics = ["level", "insertion_deletion"]
    found = pysal.evaluate(clf, list(clf.photos(2)), "fake", metrics, tmp_path)
    assert len(found.notes) == 1
    assert "[viz]" in found.notes[0]
    assert found.figures == []
    assert found.path.is_file()


def test_bands_leave_out_what_is_not_known(tmp_path: Path, drawn: dict[str, Any]) -> None:
    curve = np.array([[1.0, 2.0], [3.0, np.nan], [np.nan, np.nan]])
    result = MetricResult("x", {}, {"c": curve, "never": curve * np.nan}, {}, Passes(), 0.0)
    assert figures.curve_chart(tmp_path / "c.png", "level", {"m": result})
    line = drawn["c.png"].axes[0].get_lines()[0]
    assert line.get_xdata().tolist() == [0, 1]
    assert line.get_ydata().tolist() == [2, 2]
    assert drawn["c.png"].axes[0].get_xlabel() == "step"
    assert not drawn["c.png"].axes[1].get_lines()
