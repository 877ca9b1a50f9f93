"""`pysal compare` on a tiny model and itself with other weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import assert_one_line, run
from tiny import write_model, write_photo


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return write_model(tmp_path / "other.onnx", "Sigmoid")


def test_json_has_an_object_per_image_and_the_summary(
    model: Path, other: Path, photos: list[Path]
) -> None:
    result = run("compare", model, other, *photos, "--methods", "gradcam, gradient", "--json")
    assert result.exit_code == 0, result.stderr
    *images, last = map(json.loads, result.stdout.splitlines())
    assert [record["image"] for record in images] == [str(path) for path in photos]
    for record in images:
        assert set(record["methods"]) == {"gradcam", "gradient"}
        assert -1 <= record["methods"]["gradcam"]["correlation"] <= 1
        assert len(record["top"]) == len(record["score"]) == 2
    assert last["summary"]["models"] == ["tiny.onnx", "other.onnx"]
    mean = sum(r["methods"]["gradient"]["correlation"] for r in images) / 3
    assert last["methods"]["gradient"]["correlation"] == pytest.approx(mean)


def test_a_table_for_people(model: Path, photos: list[Path]) -> None:
    result = run("compare", model, model, photos[0], "--methods", "gradcam", "--target", "2")
    assert result.exit_code == 0, result.stderr
    assert "top agreement 1" in result.stdout
    assert "1.000" in result.stdout


def test_mistakes_are_one_line(model: Path, photos: list[Path], tmp_path: Path) -> None:
    assert_one_line(run("compare", model, photos[0]), "IMAGE")
    grey = write_model(tmp_path / "grey.onnx", channels=1)
    assert_one_line(run("compare", model, grey, photos[0]), "input shape")
    assert_one_line(run("compare", model, model, photos[0], "--methods", "nothing"), "nothing")
    assert_one_line(run("compare", model, model, tmp_path / "none.png"), "none.png")
    result = run("compare", model, model, tmp_path / "none.png", write_photo(tmp_path / "a.png"))
    assert result.exit_code == 2
    assert "none.png" in result.stderr
    assert "a.png" in result.stdout
