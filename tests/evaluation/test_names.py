"""Methods and metrics that are there more than once, each with options of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evaluation_cases import rows
from toy import ToyClassifier

import pysal

LABELLED: dict[str, Any] = {
    "methods": ["fake", "fake:high", "fake:low-1"],
    "metrics": ["level", "level:strict"],
    "options": {"fake:high": {"gain": 3}, "fake:low-1": {"gain": 0}},
    "metric_options": {"level:strict": {"limit": 1e6}},
    "figures": False,
}


@pytest.mark.usefixtures("fakes")
def test_settings_of_one_method_stand_side_by_side(clf: ToyClassifier, tmp_path: Path) -> None:
    photos = list(clf.photos(3))
    found = pysal.evaluate(clf, photos, out=tmp_path / "all", **LABELLED)
    table = rows(found.path)
    assert [row["method"] for row in table[::6]] == LABELLED["methods"]
    assert [row["metric"] for row in table[:4]] == ["level", "level:strict"] * 2
    gains = [json.loads(row["method_options"])["gain"] for row in table[::6]]
    limits = [json.loads(row["metric_options"])["limit"] for row in table[:2]]
    assert (gains, limits) == ([1, 3, 0], [1e9, 1e6])
    assert {(r["method"], r["metric"]) for r in found.summary} == {
        (method, metric) for method in LABELLED["methods"] for metric in LABELLED["metrics"]
    }
    assert {"median", "images"} == set(found.summary[1]["set"])  # what the metric says of a set
    assert ("fake", "fake:high") in {(pair["a"], pair["b"]) for pair in found.pairs}
    for name, options in LABELLED["options"].items():
        alone = pysal.evaluate(
            clf, photos, "fake", "level", tmp_path / name.replace(":", "_"),
            options={"fake": options}, figures=False,
        )  # fmt: skip
        mine = [row for row in table if row["method"] == name and row["metric"] == "level"]
        names = ("method", "metric")
        assert [{**row, **dict.fromkeys(names)} for row in mine] == [
            {**row, **dict.fromkeys(names)} for row in rows(alone.path)
        ]


@pytest.mark.usefixtures("fakes")
def test_a_labelled_run_goes_on_and_draws(clf: ToyClassifier, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    photos = list(clf.photos(4))
    settings = {**LABELLED, "figures": True, "batch_size": 2}
    whole = pysal.evaluate(clf, photos, out=tmp_path / "a", **settings)
    assert "level@strict.bars.png" in {path.name for path in whole.figures}
    again = pysal.evaluate(clf, photos, out=tmp_path / "b", **settings)
    parts = sorted((tmp_path / "b" / "parts").glob("fake@high.*.parquet"))
    assert len(parts) == 2
    parts[1].unlink()
    again = pysal.evaluate(clf, photos, out=tmp_path / "b", **settings)
    assert rows(again.path) == rows(whole.path)


@pytest.mark.usefixtures("fakes")
def test_what_explains_again_knows_the_labelled_options(clf: ToyClassifier, tmp_path: Path) -> None:
    found = pysal.evaluate(
        clf, list(clf.photos(2)), "fake:high", "again", tmp_path,
        options={"fake:high": {"gain": 3}}, figures=False,
    )  # fmt: skip
    assert [dict(row["values"])["gap"] for row in rows(found.path)] == [0, 0]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"methods": "fake:a b"}, 'method "fake:a b" has the label "a b"; expected letters'),
        ({"methods": "fake:"}, 'method "fake:" has the label ""'),
        ({"methods": "fak:x"}, 'method "fak" is unknown; did you mean'),
        ({"metrics": ["level:x", "level:x"]}, 'metric "level:x" is given 2 times'),
        ({"options": {"fake:x": {}}}, 'options are given for method "fake:x", which is not'),
    ],
)
@pytest.mark.usefixtures("fakes")
def test_refusals_are_one_line(
    given: dict[str, Any], line: str, clf: ToyClassifier, tmp_path: Path
) -> None:
    arguments = {"methods": "fake", "metrics": "level", **given}
    with pytest.raises(pysal.OptionError) as caught:
        pysal.evaluate(clf, list(clf.photos(1)), out=tmp_path, **arguments)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
