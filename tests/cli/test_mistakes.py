"""Whatever is wrong with a command: one line on stderr, exit code 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import assert_one_line, process, run
from tiny import write_model, write_photo

MISTAKES = {
    "none.onnx photo.png": ["none.onnx"],
    ". photo.png": ["."],
    "tiny.onnx none.jpg": ["none.jpg"],
    "cut.onnx photo.png": ["cut.onnx"],
    "text.onnx photo.png": ["text.onnx"],
    "empty.onnx photo.png": ["empty.onnx"],
    "tiny.onnx text.jpg": ["text.jpg"],
    "tiny.onnx folder": ["folder"],
    "tiny.onnx photo.png --target 1000": ["1000", "0 to 3"],
    "tiny.onnx photo.png --target -1": ["-1", "0 to 3"],
    "tiny.onnx photo.png --target cat": ["--target", "integer"],
    "tiny.onnx photo.png --size 0": ["size", "0"],
    "tiny.onnx photo.png --size 99": ["size", "99"],
    "odd.onnx photo.png --size 4": ["Asinh"],
    "tiny.onnx nan.npy": ["nan.npy", "NaN"],
    "tiny.onnx five.npy": ["five.npy", "(3, 16, 16)"],
    "tiny.onnx two.npy": ["two.npy", "2 images"],
    "tiny.onnx text.npy": ["text.npy"],
    "tiny.onnx none.npy": ["none.npy"],
    "tiny.onnx photo.png --method igo": ["igos"],
    "tiny.onnx photo.png --engine otr": ["otr", "ort"],
    "tiny.onnx photo.png --kind prob": ["prob", "probability"],
    "tiny.onnx photo.png --preset fas": ["fas", "fast"],
    "tiny.onnx photo.png --option sizes=3": ["sizes", "size"],
    "tiny.onnx photo.png --option size": ["NAME=VALUE"],
    "tiny.onnx photo.png --size 4 --option iterations=many": ["iterations"],
    "tiny.onnx photo.png --preprocess record.json": ["record.json"],
    "tiny.onnx photo.png --preprocess none.json": ["none.json"],
    "tiny.onnx photo.png --labels none.txt": ["none.txt"],
    "tiny.onnx photo.png --batch-size 0": ["batch_size"],
    "tiny.onnx photo.png --threads -3": ["threads", "-3"],
    "tiny.onnx": ["IMAGE"],
    "tiny.onnx photo.png --sizes 3": ["--sizes"],
    "tiny.onnx photo.png --size 4 --out tiny.onnx": ["tiny.onnx"],
}
"""Arguments of `pysal explain` that cannot work, and words of the line they deserve."""


@pytest.fixture
def mistaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that `MISTAKES` are made in."""
    model = write_model(tmp_path / "tiny.onnx")
    write_photo(tmp_path / "photo.png")
    write_model(tmp_path / "odd.onnx", activation="Asinh")
    (tmp_path / "folder").mkdir()
    (tmp_path / "cut.onnx").write_bytes(model.read_bytes()[:300])
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name in ("text.onnx", "text.jpg", "text.npy", "record.json"):
        (tmp_path / name).write_text("nothing but words")
    np.save(tmp_path / "nan.npy", np.full((3, 16, 16), np.nan, np.float32))
    np.save(tmp_path / "five.npy", np.zeros((5, 16, 16), np.float32))
    np.save(tmp_path / "two.npy", np.zeros((2, 3, 16, 16), np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("arguments", MISTAKES)
def test_every_mistake_is_one_line(arguments: str, mistaken: Path) -> None:
    assert_one_line(run("explain", *arguments.split()), *MISTAKES[arguments])
    assert not (mistaken / "pysal-out").exists()


@pytest.mark.parametrize("arguments", [*MISTAKES][3::10])
def test_mistakes_in_a_process_of_their_own(arguments: str, mistaken: Path) -> None:
    assert_one_line(process("explain", *arguments.split()), *MISTAKES[arguments])
