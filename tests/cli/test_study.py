"""`pysal study`: table, file, mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import assert_one_line, run
from tiny import write_model, write_photo

import pysal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, photos, and their classes."""
    place = tmp_path_factory.mktemp("study")
    write_model(place / "tiny.onnx")
    record = pysal.Preprocess.default((3, 16, 16)).to_dict()
    (place / "tiny.json").write_text(json.dumps(record))
    (place / "photos").mkdir()
    for number in range(8):
        write_photo(place / "photos" / f"p{number}.png", number)
    lines = [f"p{number}.png,{number % 2}" for number in range(8)]
    (place / "labels.csv").write_text("\n".join(lines) + "\n")
    return place


def arguments(folder: Path) -> list[object]:
    return [
        *("study", "filter_ablation", folder / "tiny.onnx", "--images", folder / "photos"),
        *("--labels", folder / "labels.csv", "--option", "points=2", "--option", "draws=1"),
    ]


def test_table_and_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "study.json"
    result = run(*arguments(folder), "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "4 images" in result.stdout
    assert "random_mca" in result.stdout
    record = json.loads(out.read_text())
    assert record["count"] == 4
    assert record["table"]["all 0"]["mca"] == record["table"]["all 0"]["random_mca"]
    piped = run(*arguments(folder), "--json")
    assert json.loads(piped.stdout)["table"] == record["table"]


def test_mistakes_are_one_line(folder: Path, tmp_path: Path) -> None:
    result = run(*arguments(folder), "--out", tmp_path / "none" / "x.json")
    assert_one_line(result, "lies in a folder that does not exist")
    result = run(*arguments(folder), "--option", "pointz=1")
    assert_one_line(result, 'no option "pointz"')
    assert not (tmp_path / "none").exists()
