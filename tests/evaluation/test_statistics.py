"""Summaries and differences against plain sums over the rows."""

from __future__ import annotations

import csv
import json
import math
import statistics as python_statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_cases import SPOILT
from toy import ToyClassifier

import pysal
from pysal.evaluation.statistics import best_and_worst

METHODS = ["fake", "other", "gradient"]


@pytest.fixture
def found(clf: ToyClassifier, fakes: None, tmp_path: Path) -> Any:
    """Images that do not count, have errors, or are the same for two methods."""
    photos = list(clf.photos(9))
    photos[2] = photos[2] - 30
    photos[4] = photos[4].copy()
    photos[4][0, 0, 0] = SPOILT
    return pysal.evaluate(
        clf, photos, METHODS, "level", tmp_path, options={"other": {"gain": 3}}, figures=False
    )


def values(found: Any, method: str, name: str) -> dict[int, float]:
    """Values that count, by image."""
    return {
        row["index"]: dict(row["values"])[name]
        for row in found.table.to_pylist()
        if row["method"] == method and row["error"] is None
        and not math.isnan(dict(row["values"])[name])
    }  # fmt: skip


def test_means_and_errors(found: Any) -> None:
    assert [(r["method"], r["metric"]) for r in found.summary] == [(m, "level") for m in METHODS]
    for record in found.summary:
        assert list(record["values"]) == ["mean", "loss", "draw"]
        for name, better in (("mean", "higher"), ("loss", "lower"), ("draw", "")):
            known = list(values(found, record["method"], name).values())
            figures = record["values"][name]
            assert figures["better"] == better
            assert figures["n"] == len(known)
            assert figures["skipped"] == 9 - len(known)
            assert figures["mean"] == pytest.approx(python_statistics.mean(known))
            error = python_statistics.stdev(known) / math.sqrt(len(known))
            assert figures["standard_error"] == pytest.approx(error)
    assert found.summary[0]["values"]["mean"]["skipped"] == 2
    assert found.summary[0]["values"]["draw"]["skipped"] == 1
    assert found.summary[0]["errors"] == 1
    assert found.summary[2]["errors"] == 0


def test_figures_of_the_whole_set(found: Any) -> None:
    record = found.summary[0]
    known = sorted(values(found, "fake", "mean").values())
    assert record["set"] == {"median": pytest.approx(python_statistics.median(known)), "images": 8}
    assert record["passes"]["method"] == {"forward": 2.0, "backward": 0.0}
    assert record["seconds"]["metric"] > 0


def test_paired_differences(found: Any) -> None:
    pairs = {(p["value"], p["a"], p["b"]): p for p in found.pairs}
    assert len(pairs) == 9
    for (name, a, b), pair in pairs.items():
        first, second = values(found, a, name), values(found, b, name)
        gaps = [first[i] - second[i] for i in first.keys() & second.keys()]
        assert pair["n"] == len(gaps)
        assert pair["difference"] == pytest.approx(python_statistics.mean(gaps))
        error = python_statistics.stdev(gaps) / math.sqrt(len(gaps))
        assert pair["standard_error"] == pytest.approx(error)
        assert pair["ties"] == pytest.approx(sum(g == 0 for g in gaps) / len(gaps))
        wins = {
            "mean": sum(g > 0 for g in gaps) / len(gaps),
            "loss": sum(g < 0 for g in gaps) / len(gaps),
            "draw": None,
        }
        assert pair["a_better"] == wins[name]
    assert pairs["draw", "fake", "other"]["ties"] == 1


def test_best_and_worst(found: Any) -> None:
    table = found.table
    tables = {m: table.filter(np.array(table["method"].to_pylist()) == m) for m in METHODS}
    best, worst = best_and_worst(tables, "level", 2)
    rows = [values(found, method, "mean") for method in METHODS]
    means = {i: python_statistics.mean(r[i] for r in rows if i in r) for i in range(9)}
    order = sorted(means, key=lambda i: means[i])
    assert worst == order[:2]
    assert best == order[::-1][:2]
    best, worst = best_and_worst(tables, "level", 99)
    assert len(best) == len(worst) == len(order) // 2
    assert not set(best) & set(worst)


def test_files(found: Any) -> None:
    folder = found.path.parent
    with (folder / "summary.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    assert [r["value"] for r in records[:5]] == [
        "mean", "loss", "draw", "median (set)", "images (set)",
    ]  # fmt: skip
    assert float(records[0]["mean"]) == found.summary[0]["values"]["mean"]["mean"]
    assert records[3]["standard_error"] == ""
    with (folder / "pairs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 9
    record = json.loads((folder / "summary.json").read_text())
    assert record["summary"][1]["method"] == "other"
    assert len(record["pairs"]) == 9


@pytest.mark.usefixtures("fakes")
def test_all_wrong_and_one_image(clf: ToyClassifier, tmp_path: Path) -> None:
    one = clf.photos(1)
    found = pysal.evaluate(clf, one, "fake", "level", tmp_path / "one")
    figures = found.summary[0]["values"]["mean"]
    assert figures["n"] == 1
    assert math.isnan(figures["standard_error"])
    one[0, 0, 0, 0] = SPOILT
    found = pysal.evaluate(clf, one, ["fake", "other"], "level", tmp_path / "none")
    assert (found.errors, found.summary[0]["set"]) == (2, {})
    assert math.isnan(found.summary[0]["values"]["mean"]["mean"])
    text = (tmp_path / "none" / "summary.json").read_text()
    assert json.loads(text)["summary"][0]["values"]["mean"]["mean"] is None
    assert "NaN" not in text
    assert found.pairs[0]["n"] == 0
