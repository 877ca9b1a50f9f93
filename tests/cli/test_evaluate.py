"""`pysal evaluate`: files, output, mistakes, and runs that are killed and go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import assert_one_line, process, run
from evaluation_cases import rows
from tiny import write_model, write_photo

import pysal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that states its preprocessing, and a folder of photos."""
    place = tmp_path_factory.mktemp("evaluate")
    write_model(place / "tiny.onnx")
    record = pysal.Preprocess.default((3, 16, 16)).to_dict()
    (place / "tiny.json").write_text(json.dumps(record))
    (place / "photos").mkdir()
    for number in range(6):
        write_photo(place / "photos" / f"p{number}.png", number)
    return place


def command(folder: Path, out: Path, **changes: Any) -> list[Any]:
    """Arguments of a small run."""
    given = {
        "images": folder / "photos",
        "methods": "gradcam,igos",
        "metrics": "insertion_deletion,average_drop",
        "out": out,
        "batch-size": 2,
        "threads": 1,
        **changes,
    }
    options = [part for name, value in given.items() for part in (f"--{name}", value)]
    igos = ["--option", "igos.size=4", "--option", "igos.iterations=2"]
    return ["evaluate", folder / "tiny.onnx", *options, *igos]


def test_files_and_a_table(folder: Path, tmp_path: Path) -> None:
    result = run(*command(folder, tmp_path / "o"))
    assert result.exit_code == 0, result.stderr
    for word in ("gradcam", "igos", "difference", "masked_score", "results.parquet"):
        assert word in result.stdout
    assert result.stderr == ""
    assert len(rows(tmp_path / "o" / "results.parquet")) == 24
    names = {p.name for p in (tmp_path / "o").iterdir()}
    assert names == {
        "results.parquet", "summary.json", "summary.csv", "pairs.csv", "manifest.json", "lock",
        "parts", "figures",
    }  # fmt: skip
    assert len(list((tmp_path / "o" / "figures").iterdir())) == 5


def test_json_is_one_object_per_method_and_metric(folder: Path, tmp_path: Path) -> None:
    result = process(*command(folder, tmp_path / "o", limit=3), "--json", "--no-figures")
    assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(r["method"], r["metric"]) for r in records] == [
        (m, k) for m in ("gradcam", "igos") for k in ("insertion_deletion", "average_drop")
    ]
    assert records[0]["values"]["deletion"].keys() >= {"mean", "standard_error", "n", "skipped"}
    assert records[0]["images"] == 3
    assert (result.stderr, (tmp_path / "o" / "figures").exists()) == ("", False)


def test_console_and_library_agree(folder: Path, tmp_path: Path) -> None:
    options = ["--metric-option", "insertion_deletion.step=3", "--target", "1", "--no-figures"]
    result = run(*command(folder, tmp_path / "a", seed=4), *options)
    assert result.exit_code == 0, result.stderr
    with pytest.warns(UserWarning, match="below 0.01") as caught:
        found = pysal.evaluate(
            folder / "tiny.onnx",
            folder / "photos",
            ["gradcam", "igos"],
            ["insertion_deletion", "average_drop"],
            tmp_path / "b",
            seed=4,
            target=1,
            options={"igos": {"size": 4, "iterations": 2}},
            metric_options={"insertion_deletion": {"step": 3}},
            batch_size=2,
            figures=False,
        )
    assert [f"pysal: warning: {w.message}" for w in caught] == result.stderr.splitlines()
    table = rows(tmp_path / "a" / "results.parquet")
    assert table == rows(found.path)
    assert {row["class"] for row in table} == {1}
    assert json.loads(table[0]["metric_options"])["step"] == 3


def test_a_bad_photo_is_a_row_and_code_2(folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "photos"
    images.mkdir()
    write_photo(images / "a.png", 1)
    (images / "b.png").write_text("no photo")
    result = run(*command(folder, tmp_path / "o", images=images), "--json", "--no-figures")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("pysal: error: 4 of 8 rows have an error")
    assert "the first: b: image: InputError: " in lines[0]
    assert len(result.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("changes", "more", "words"),
    [
        ({"images": "none"}, [], ["none: no such folder"]),
        ({"methods": "gradcm"}, [], ["gradcm", "did you mean", "gradcam"]),
        ({"methods": ","}, [], ["0 methods"]),
        ({"metrics": "pointing_game"}, [], ["pointing_game", "annotations"]),
        ({}, ["--option", "igos.sise=3"], ["did you mean size"]),
        ({}, ["--option", "size=3"], ["METHOD.NAME=VALUE"]),
        ({}, ["--metric-option", "average_drop"], ["METRIC.NAME=VALUE"]),
        ({}, ["--option", "igos.size=99"], ["size is 99"]),
        ({"target": "labels"}, [], ["6 of 6 images have none"]),
        ({"target": "-1"}, [], ["target -1 is outside"]),
        ({"target": "cat"}, [], ['target is "cat"']),
        ({"workers": 2}, [], ["--ray"]),
        ({"limit": 0}, [], ["limit is 0"]),
    ],
)
def test_mistakes_are_one_line(
    folder: Path, tmp_path: Path, changes: dict[str, Any], more: list[str], words: list[str]
) -> None:
    assert_one_line(run(*command(folder, tmp_path / "o", **changes), *more), *words)


def test_another_run_in_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    arguments = [*command(folder, tmp_path, limit=2), "--no-figures"]
    assert run(*arguments).exit_code == 0
    assert_one_line(run(*arguments, "--seed", 1), "seed was 0, is 1", "--fresh")
    assert run(*arguments, "--seed", 1, "--fresh").exit_code == 0


def test_annotations_and_labels(folder: Path, tmp_path: Path) -> None:
    boxes, labels = tmp_path / "boxes.csv", tmp_path / "labels.csv"
    boxes.write_text("".join(f"p{i}.png,{c},0,0,50,40\n" for i in range(6) for c in range(4)))
    labels.write_text("".join(f"p{i}.png,{i % 4}\n" for i in (1, 2, 5)))
    options = ["--annotations", boxes, "--labels", labels, "--target", "labels"]
    arguments = command(folder, tmp_path / "o", methods="gradcam", metrics="pointing_game")
    arguments = arguments[: arguments.index("--option")]
    result = run(*arguments, *options, "--no-figures", "--json")
    assert result.exit_code == 0, result.stderr
    table = rows(tmp_path / "o" / "results.parquet")
    assert [(r["image"], r["class"]) for r in table] == [("p1", 1), ("p2", 2), ("p5", 1)]
    (record,) = map(json.loads, result.stdout.splitlines())
    # The box is the whole photo, so every point hits.
    assert record["values"]["hit"]["mean"] == 1
    assert record["values"]["hit"]["n"] == 3


def start(arguments: list[Any]) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    whole = [sys.executable, "-m", "pysal", *map(str, arguments)]
    return subprocess.Popen(whole, stdout=-1, stderr=-1, text=True)


def wait_for_parts(out: Path, count: int, running: subprocess.Popen[str]) -> None:
    """Wait until a run has written some of its parts."""
    deadline = time.monotonic() + 60
    while len(list((out / "parts").glob("*.parquet"))) < count:
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


SLOW = ["--option", "igos.iterations=40", "--no-figures", "--batch-size", 1]
"""Long enough to be caught in the middle."""


@pytest.mark.slow
def test_a_killed_run_goes_on(folder: Path, tmp_path: Path) -> None:
    whole = run(*command(folder, tmp_path / "whole"), *SLOW)
    assert whole.exit_code == 0, whole.stderr
    arguments = [*command(folder, tmp_path / "part"), *SLOW]
    for parts in (1, 4, 7):
        with start(arguments) as running:
            wait_for_parts(tmp_path / "part", parts, running)
            second = run(*arguments)
            running.send_signal(signal.SIGKILL)
            running.communicate()
        assert_one_line(second, f"is in use by process {running.pid} on")
        assert running.returncode == -signal.SIGKILL
        assert not (tmp_path / "part" / "results.parquet").exists()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "part" / "parts").iterdir()}
    assert 7 <= len(kept) < 12
    again = run(*arguments)
    assert again.exit_code == 0, again.stderr
    for path, when in kept.items():
        assert path.stat().st_mtime_ns == when
    found = rows(tmp_path / "part" / "results.parquet")
    assert found == rows(tmp_path / "whole" / "results.parquet")


@pytest.mark.slow
def test_ctrl_c_is_130_and_keeps_what_is_done(folder: Path, tmp_path: Path) -> None:
    arguments = [*command(folder, tmp_path), *SLOW, "--json"]
    with start(arguments) as running:
        wait_for_parts(tmp_path, 2, running)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert err == "pysal: interrupted; files of finished images are kept\n"
    assert len(list((tmp_path / "parts").iterdir())) >= 2
    assert run(*arguments).exit_code == 0
