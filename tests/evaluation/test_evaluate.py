"""`pysal.evaluate` on the toy classifier: rows, isolation, resuming, refusals."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from evaluation_cases import CALLS, SPOILT, rows
from toy import ToyClassifier

import pysal
from pysal.evaluation.worker import Worker
from pysal.truth import Truth
from pysal.types import Array


@dataclasses.dataclass(frozen=True)
class Sample:
    """An image of a data set, as an array."""

    path: Array
    name: str
    label: int | None

    def truth(self, preprocess: pysal.Preprocess) -> Truth:
        if self.name == "lost":
            raise pysal.InputError("lost: no annotation; add it")
        return Truth(preprocess.size, self.label)


def run(clf: ToyClassifier, images: Any, out: Path, **options: Any) -> Any:
    given: dict[str, Any] = {"methods": ["fake", "other"], "metrics": ["level"], "figures": False}
    return pysal.evaluate(clf, images, out=out, **{**given, **options})


def images(clf: ToyClassifier, count: int) -> list[Array]:
    return list(clf.photos(count))


@pytest.mark.usefixtures("fakes")
def test_rows_say_what_was_done(clf: ToyClassifier, tmp_path: Path) -> None:
    found = run(clf, images(clf, 3), tmp_path, seed=5, options={"fake": {"gain": 2}})
    assert found.table.num_rows == 6
    table = found.table.to_pylist()
    assert [(r["method"], r["index"]) for r in table] == [
        (m, i) for m in ("fake", "other") for i in range(3)
    ]
    row = table[1]
    batch = clf.photos(3)[1:2]
    assert row["image"] == "image_1"
    assert (row["class"], row["kind"]) == (clf.top(batch).index[0], "probability")
    assert row["score"] == pytest.approx(clf.score(batch)[0].max())
    options = json.loads(row["method_options"])
    assert options == {"gain": 2, "seed": row["seed"]}
    assert json.loads(row["metric_options"])["seed"] == row["seed"]
    draw = np.random.default_rng(row["seed"]).random()
    native = (2 * batch.mean(axis=1) + draw).astype(np.float32)[0]
    mean = native.astype(np.float64).mean()
    assert dict(row["values"]) == {
        "mean": pytest.approx(mean), "loss": pytest.approx(-mean), "draw": row["seed"] % 97,
    }  # fmt: skip
    assert dict(row["curves"])["part"] == [0, 0.5, 1]
    assert dict(row["curves"])["rise"] == pytest.approx([0, mean, 2 * mean])
    assert row["shared_curves"] == ["part"]
    # The top class is one forward pass more than the method says.
    assert (row["method_forward"], row["method_backward"]) == (2, 0)
    assert (row["metric_forward"], row["metric_backward"]) == (2, 0)
    assert row["method_seconds"] == pytest.approx(0.1 / 3)
    assert (row["error"], row["model"], row["sha256"]) == (None, "toy", "")
    assert table[3]["kind"] == "logit"
    notes = json.loads(pq.read_schema(found.path).metadata[b"pysal"])
    assert notes["versions"]["pysal"] == pysal.__version__
    assert notes["seed"] == 5


@pytest.mark.usefixtures("fakes")
def test_maps_are_made_once_for_all_metrics(clf: ToyClassifier, tmp_path: Path) -> None:
    metrics = ["level", "insertion_deletion"]
    found = run(clf, images(clf, 4), tmp_path, methods="fake", metrics=metrics)
    assert [call for call in CALLS if call[0] == "fake"] == [("fake", 4)]
    assert [(r["index"], r["metric"]) for r in found.table.to_pylist()][:3] == [
        (0, "level"), (0, "insertion_deletion"), (1, "level"),
    ]  # fmt: skip


@pytest.mark.usefixtures("fakes")
def test_table_does_not_depend_on_the_batch_size(clf: ToyClassifier, tmp_path: Path) -> None:
    photos = images(clf, 7)
    metrics = ["level", "insertion_deletion"]
    tables = [
        rows(run(clf, photos, tmp_path / str(size), batch_size=size, metrics=metrics).path)
        for size in (1, 3, 16)
    ]
    assert tables[0] == tables[1] == tables[2]
    other = run(clf, photos, tmp_path / "seed", seed=1, metrics=metrics)
    assert [r["seed"] for r in rows(other.path)] != [r["seed"] for r in tables[0]]


@pytest.mark.usefixtures("fakes")
def test_values_are_those_of_explain_and_measure(clf: ToyClassifier, tmp_path: Path) -> None:
    batch = clf.photos(3)
    options = {"size": 4, "iterations": 2, "preset": "fast"}
    found = run(
        clf, list(batch), tmp_path, methods="igos", metrics="insertion_deletion",
        options={"igos": options},
    )  # fmt: skip
    table = found.table.to_pylist()
    a = pysal.explain(clf, batch, seed=[r["seed"] for r in table], **options)
    r = pysal.measure("insertion_deletion", clf, batch, a.native, targets=a.target)
    for name, values in r.values.items():
        assert [dict(row["values"])[name] for row in table] == values.tolist()
    assert [dict(row["curves"])["deletion"] for row in table] == r.curves["deletion"].tolist()
    assert sum(row["method_forward"] for row in table) == pytest.approx(a.passes.forward)
    assert sum(row["metric_forward"] for row in table) == pytest.approx(r.passes.forward)


@pytest.mark.usefixtures("fakes")
def test_what_goes_wrong_stays_with_its_image(clf: ToyClassifier, tmp_path: Path) -> None:
    photos: list[Any] = images(clf, 5)
    photos[1] = photos[1].copy()
    photos[1][0, 0, 0] = SPOILT
    photos[3] = tmp_path / "none.jpg"
    good = run(clf, [photos[i] for i in (0, 2, 4)], tmp_path / "good", methods="fake")
    seeds = [r["seed"] for r in rows(good.path)]
    found = run(clf, photos, tmp_path / "all", methods="fake")
    table = rows(found.path)
    assert [r["error"] for r in table] == [
        None,
        "method fake: ValueError: spoilt pixel",
        None,
        f"image: InputError: {photos[3]}: no such file; give the path of a photo",
        None,
    ]
    assert (found.errors, found.first_error[:8]) == (2, "image_1:")
    assert table[3]["class"] is None
    assert table[1]["values"] == table[3]["values"] == []
    # An image's seed is its place's, so the others are what they are alone in their places.
    assert table[0]["values"] == rows(good.path)[0]["values"]
    assert seeds[0] == table[0]["seed"]
    assert found.summary[0]["errors"] == 2
    assert found.summary[0]["values"]["mean"]["n"] == 3
    assert found.summary[0]["values"]["mean"]["skipped"] == 2


@pytest.mark.usefixtures("fakes")
def test_a_metric_that_raises_keeps_what_the_method_said(
    clf: ToyClassifier, tmp_path: Path
) -> None:
    photos = images(clf, 4)
    photos[2] = photos[2] + 100
    with pytest.warns(UserWarning, match=r"4 images, one is bright$"):
        found = run(clf, photos, tmp_path, methods="fake", metric_options={"level": {"limit": 50}})
    table = rows(found.path)
    assert [r["error"] is None for r in table] == [True, True, False, True]
    assert table[2]["error"] == "metric level: ArithmeticError: above the limit"
    assert table[2]["score"] is not None
    assert table[2]["method_forward"] == 2


@pytest.mark.usefixtures("fakes")
def test_warnings_are_said_once_at_the_end(clf: ToyClassifier, tmp_path: Path) -> None:
    photos = [photo + 100 for photo in images(clf, 3)]
    with pytest.warns(UserWarning, match="bright") as caught:
        found = run(clf, photos, tmp_path, batch_size=1)
    assert [str(w.message) for w in caught] == ["1 images, one is bright (6 times)"]
    assert found.warnings == [
        {"category": "UserWarning", "text": "1 images, one is bright", "count": 6}
    ]


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_an_interrupted_run_goes_on(
    clf: ToyClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    photos = images(clf, 5)
    whole = run(clf, photos, tmp_path / "whole", batch_size=2)
    work, left = Worker.run, [stop]

    def interrupt(self: Worker, *arguments: Any) -> bytes:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return work(self, *arguments)

    monkeypatch.setattr(Worker, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(clf, photos, tmp_path / "part", batch_size=2)
    monkeypatch.setattr(Worker, "run", work)
    assert not (tmp_path / "part" / "results.parquet").exists()
    assert len(list((tmp_path / "part" / "parts").iterdir())) == stop
    CALLS.clear()
    seen: list[tuple[float, float]] = []
    again = run(clf, photos, tmp_path / "part", batch_size=2, progress=lambda *p: seen.append(p))
    assert len([c for c in CALLS if c[0] == "fake"]) == 6 - stop
    assert (seen[0][1], seen[-1]) == (10, (10, 10))
    assert seen[0][0] == sum([2, 2, 2, 2, 1, 1][:stop])
    assert rows(again.path) == rows(whole.path)


@pytest.mark.usefixtures("fakes")
def test_a_finished_run_does_nothing_again(clf: ToyClassifier, tmp_path: Path) -> None:
    photos = images(clf, 3)
    first = rows(run(clf, photos, tmp_path).path)
    CALLS.clear()
    assert rows(run(clf, photos, tmp_path, batch_size=1).path) == first
    assert CALLS == []
    run(clf, photos, tmp_path, resume=False)
    assert len(CALLS) == 4


@pytest.mark.usefixtures("fakes")
def test_broken_and_foreign_parts_are_done_again(clf: ToyClassifier, tmp_path: Path) -> None:
    photos = images(clf, 4)
    whole = run(clf, photos, tmp_path / "a", batch_size=2)
    run(clf, photos, tmp_path / "b", batch_size=2, seed=1)
    parts = sorted((tmp_path / "a" / "parts").iterdir())
    parts[0].write_bytes(parts[0].read_bytes()[:100])
    parts[1].write_bytes((tmp_path / "b" / "parts" / parts[1].name).read_bytes())
    before = rows(whole.path)
    CALLS.clear()
    assert rows(run(clf, photos, tmp_path / "a", batch_size=2).path) == before
    assert len([c for c in CALLS if c[0] == "fake"]) == 2


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"seed": 1}, "seed was 0, is 1"),
        ({"options": {"fake": {"gain": 3}}}, "methods.fake.gain was not there, is 3"),
        ({"methods": ["fake"]}, "methods.other was {}, is not there"),
        ({"target": 1}, 'target was "top", is 1'),
        ({"limit": 2}, "images.count was 3, is 2"),
    ],
)
def test_other_settings_are_refused(
    clf: ToyClassifier, tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    run(clf, images(clf, 3), tmp_path)
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(pysal.OptionError) as caught:
        run(clf, images(clf, 3), tmp_path, **change)
    assert line in str(caught.value)
    assert "--fresh" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
    run(clf, images(clf, 3), tmp_path, resume=False, **change)


@pytest.mark.usefixtures("fakes")
def test_a_refused_run_does_not_bar_its_folder(clf: ToyClassifier, tmp_path: Path) -> None:
    with pytest.raises(pysal.OptionError, match="gain is -1"):
        run(clf, images(clf, 3), tmp_path / "a", options={"fake": {"gain": -1}})
    found = run(clf, images(clf, 3), tmp_path / "a", options={"fake": {"gain": 2}})
    fresh = run(clf, images(clf, 3), tmp_path / "b", options={"fake": {"gain": 2}})
    assert rows(found.path) == rows(fresh.path)


@pytest.mark.usefixtures("fakes")
def test_truth_reaches_the_metric(clf: ToyClassifier, tmp_path: Path) -> None:
    samples = [
        Sample(photo, name, label)
        for photo, name, label in zip(images(clf, 3), ("a", "lost", "c"), (2, 1, 0), strict=True)
    ]
    metrics = ["placed", "level"]
    found = run(clf, samples, tmp_path, methods="fake", metrics=metrics, target="labels")
    table = found.table.to_pylist()
    assert [r["class"] for r in table] == [2, 2, 1, 1, 0, 0]
    assert [dict(r["values"]) for r in table[::2]] == [{"label": 2.0}, {}, {"label": 0.0}]
    assert table[2]["error"] == "truth: InputError: lost: no annotation; add it"
    assert table[3]["error"] is None
    assert [r["image"] for r in table[::2]] == ["a", "lost", "c"]


@pytest.mark.usefixtures("fakes")
def test_what_explains_again_draws_the_same(clf: ToyClassifier, tmp_path: Path) -> None:
    found = run(clf, images(clf, 3), tmp_path, methods="fake", metrics="again")
    assert [dict(r["values"]) for r in found.table.to_pylist()] == [{"gap": 0.0}] * 3


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"methods": "fke"}, 'method "fke" is unknown'),
        ({"metrics": ["levle"]}, 'metric "levle" is unknown'),
        ({"methods": []}, "0 methods given"),
        ({"methods": ["fake", "fake"]}, 'method "fake" is given 2 times'),
        ({"options": {"fake": {"gian": 1}}}, "did you mean gain"),
        ({"options": {"igos": {}}}, 'method "igos", which is not evaluated'),
        ({"options": {"fake": {"gain": np.zeros(2)}}}, 'option "gain" of method "fake" is ndarray'),
        ({"metrics": "placed"}, 'metric "placed" compares with what is known'),
        ({"target": "label"}, 'target is "label"'),
        ({"target": "labels"}, "3 of 3 images have none, the first image_0"),
        ({"target": 9}, "target 9 is outside the classes of toy; use 0 to 3"),
        ({"target": [0, 1]}, "2 targets for 3 images"),
        ({"seed": -1}, "seed is -1"),
        ({"limit": 0}, "limit is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"workers": 2}, "give ray=True"),
        ({"options": {"fake": {"gain": -1}}}, "gain is -1; expected 0 or more"),
        ({"metric_options": {"level": {"limit": -1}}}, "limit is -1; expected 0 or more"),
    ],
)
def test_refusals_are_one_line(
    clf: ToyClassifier, tmp_path: Path, arguments: dict[str, Any], line: str
) -> None:
    with pytest.raises(pysal.OptionError) as caught:
        run(clf, images(clf, 3), tmp_path / "o", **arguments)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "o" / "results.parquet").exists()


@pytest.mark.usefixtures("fakes")
def test_a_folder_that_is_a_file_is_refused(clf: ToyClassifier, tmp_path: Path) -> None:
    (tmp_path / "o").write_text("")
    with pytest.raises(pysal.InputError, match="is a file"):
        run(clf, images(clf, 1), tmp_path / "o")


@pytest.mark.usefixtures("fakes")
def test_missing_pyarrow_names_the_extra(
    clf: ToyClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(pysal.MissingDependencyError, match=r"\[evaluate\]"):
        run(clf, images(clf, 1), tmp_path)


@pytest.mark.usefixtures("fakes")
def test_missing_needs_are_refused_before_any_image(clf: ToyClassifier, tmp_path: Path) -> None:
    clf.info = dataclasses.replace(clf.info, supports=frozenset())
    with pytest.raises(pysal.CapabilityError, match='method "igos" needs grad'):
        run(clf, images(clf, 1), tmp_path, methods="igos")
    assert clf.passes == pysal.Passes()
