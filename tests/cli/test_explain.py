"""`pysal explain`: files, lines, JSON, arrays, bad photos."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import FAST, process, run
from tiny import write_photo

import pysal
from pysal.cli import results

KEYS = {"image", "method", "target", "label", "kind", "score", "passes", "seconds", "engine"}


def test_explain_writes_files_and_a_line_per_image(
    model: Path, photos: list[Path], tmp_path: Path
) -> None:
    result = run("explain", model, *photos, *FAST, "--out", tmp_path / "o", "--batch-size", 2)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == list(map(str, photos))
    assert "forward" in lines[0]
    for photo in photos:
        for ending in (".overlay.png", ".npy", ".json"):
            assert (tmp_path / "o" / f"{photo.stem}{ending}").is_file()
    assert "\x1b" not in result.stdout + result.stderr


def test_json_is_one_object_per_image_and_nothing_else(
    model: Path, photos: list[Path], tmp_path: Path
) -> None:
    result = process("explain", model, *photos, *FAST, "--json", "--target", 1, "-o", tmp_path)
    assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [r["image"] for r in records] == list(map(str, photos))
    for record in records:
        assert record.keys() >= KEYS
        assert record["target"] == 1
        assert 0 <= record["score"] <= 1
        assert all(Path(file).is_file() for file in record["files"])
    assert "Traceback" not in result.stderr


def test_console_and_library_agree(model: Path, photos: list[Path], tmp_path: Path) -> None:
    result = run("explain", model, photos[0], *FAST, "--seed", 3, "--json", "-o", tmp_path)
    record = json.loads(result.stdout)
    assert "assumed" in result.stderr
    stated = pysal.Preprocess.default((3, 16, 16)).replace(assumed=False)
    options = {"preset": "fast", "size": 4, "iterations": 2}
    a = pysal.explain(model, photos[0], preprocess=stated, seed=3, **options)
    np.testing.assert_array_equal(np.load(tmp_path / "p0.npy"), a.native[0])
    assert record["target"] == a.target.index[0]
    assert record["score"] == pytest.approx(float(a.score[0]))
    assert record["passes"] == {"forward": a.passes.forward, "backward": a.passes.backward}


def test_arrays_are_images(model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "bytes.npy", rng.integers(0, 256, (20, 30, 3), np.uint8))
    np.save(tmp_path / "one.npy", rng.normal(size=(3, 16, 16)).astype(np.float32))
    np.save(tmp_path / "four.npy", rng.normal(size=(1, 3, 16, 16)))
    paths = [tmp_path / f"{name}.npy" for name in ("bytes", "one", "four")]
    result = run("explain", model, *paths, *FAST, "--json", "-o", tmp_path / "o")
    assert result.exit_code == 0, result.stderr
    assert [Path(json.loads(line)["image"]) for line in result.stdout.splitlines()] == paths


def test_photos_of_the_same_name_keep_their_files(model: Path, tmp_path: Path) -> None:
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(write_photo(tmp_path / folder / "dog.png", len(paths)))
    args = [*FAST, "--json", "-o", tmp_path / "o", "--batch-size", 1]
    result = run("explain", model, *paths, *args)
    files = [json.loads(line)["files"] for line in result.stdout.splitlines()]
    assert not set(files[0]) & set(files[1])
    assert results.unique_names([Path("x/A.png"), Path("a.png"), Path("a_1.png")]) == (
        "A", "a_1", "a_1_1",
    )  # fmt: skip


def test_one_bad_photo_among_many(model: Path, photos: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no photo")
    out = tmp_path / "o"
    result = run("explain", model, photos[0], bad, photos[1], *FAST, "--json", "-o", out)
    assert result.exit_code == 2
    done = [json.loads(line)["image"] for line in result.stdout.splitlines()]
    assert done == [str(photos[0]), str(photos[1])]
    errors = [line for line in result.stderr.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert "bad.jpg" in errors[0]
