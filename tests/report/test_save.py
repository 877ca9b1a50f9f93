from __future__ import annotations

import dataclasses
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pysal.errors import InputError, ShapeError
from pysal.heatmap import ConstantMapWarning, overlay, upsample
from pysal.preprocess import Preprocess
from pysal.report.save import json_value, save_attribution, write_file
from pysal.types import Attribution, ModelInfo, Passes, Target

MODEL = ModelInfo(
    "net.onnx",
    (3, 16, 12),
    3,
    sha256="ab12",
    engine="ort (CPU)",
    versions={"onnxruntime": "1"},
    labels=("cat", "dog", "owl"),
)


def attribution(**changes) -> Attribution:
    rng = np.random.default_rng(0)
    native = rng.normal(size=(2, 4, 3)).astype(np.float32)
    base = Attribution(
        map=upsample(native, (16, 12)),
        native=native,
        target=Target(np.array([1, 2])),
        score=np.array([0.25, 0.5], np.float32),
        method="igos",
        options={"seed": 7, "size": (4, 3), "preprocess": Preprocess(), "stop": float("inf")},
        passes=Passes(30, 21),
        seconds=1.5,
        images=rng.random((2, 16, 12, 3)).astype(np.float32),
        names=("bird", "dog"),
        model=MODEL,
    )
    return dataclasses.replace(base, **changes)


def strict(path: str | Path) -> dict:
    def fail(text):
        raise AssertionError(text)

    return json.loads(Path(path).read_text(), parse_constant=fail)


def test_three_files_per_image_that_read_back(tmp_path):
    result = attribution()
    paths = result.save(str(tmp_path / "new" / "folder"))
    assert [Path(p).name for p in paths[:3]] == ["bird.overlay.png", "bird.npy", "bird.json"]
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == sorted(Path(p).name for p in paths)
    native = np.load(paths[4], allow_pickle=False)
    assert native.dtype == np.float32
    np.testing.assert_array_equal(native, result.native[1])
    expected = overlay(result.images, result.map)[0]
    np.testing.assert_array_equal(np.asarray(Image.open(paths[0])), expected)


def test_the_manifest_says_what_was_done(tmp_path):
    record = strict(save_attribution(attribution(), tmp_path)[2])
    assert record["name"] == "bird"
    assert record["method"] == "igos"
    assert record["target"] == {"index": 1, "label": "dog", "kind": "probability"}
    assert record["score"] == 0.25
    assert record["options"]["seed"] == 7
    assert record["options"]["preprocess"]["mean"] == [0.485, 0.456, 0.406]
    assert record["options"]["stop"] == "inf"
    assert record["passes"]["per_image"] == {"forward": 15, "backward": 10.5}
    assert record["passes"]["total"] == {"forward": 30, "backward": 21, "images": 2}
    assert record["seconds"] == 1.5
    assert record["model"] == {"name": "net.onnx", "sha256": "ab12", "engine": "ort (CPU)"}
    assert record["versions"]["numpy"] == np.__version__
    assert {"pysal", "onnxruntime"} <= record["versions"].keys()
    assert record["map"]["native_shape"] == [4, 3]
    assert record["map"]["constant"] is False


def test_the_manifest_says_how_precisions_compared(tmp_path):
    check = {"precision": "bf16", "used": "fp32", "cosine": 0.8, "relative": None}
    model = dataclasses.replace(MODEL, precision_check=check)
    record = strict(save_attribution(attribution(model=model), tmp_path)[2])
    assert record["model"]["precision_check"] == check


def test_without_model_images_and_names(tmp_path):
    result = attribution(model=None, images=None, names=())
    paths = save_attribution(result, tmp_path)
    assert Path(paths[2]).name == "image_0.json"
    assert strict(paths[2])["model"] is None
    picture = np.asarray(Image.open(paths[0]))
    np.testing.assert_array_equal(picture, overlay(np.ones((2, 16, 12, 3)), result.map, alpha=1)[0])


def test_names_become_safe_and_unique(tmp_path):
    for names in (("a/b", "a/B"), ("../x", ".."), ("same", "same"), ("", "x" * 400)):
        paths = save_attribution(attribution(names=names), tmp_path / str(len(names[1])))
        assert len({p.casefold() for p in paths}) == 6
        assert {Path(p).parent for p in paths} == {tmp_path / str(len(names[1]))}


def test_constant_maps_are_flagged_and_warned_of(tmp_path):
    result = attribution()
    native, full = result.native.copy(), result.map.copy()
    native[1], full[1] = 0.5, 0.5
    with pytest.warns(ConstantMapWarning):
        paths = save_attribution(attribution(native=native, map=full), tmp_path)
    assert strict(paths[5])["map"]["constant"] is True
    assert strict(paths[2])["map"]["constant"] is False


def test_maps_with_nan_leave_nothing_behind(tmp_path):
    native = attribution().native.copy()
    native[1, 0, 0] = np.nan
    with pytest.raises(ShapeError, match="nothing saved"):
        save_attribution(attribution(native=native), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_scores_that_are_no_numbers_still_give_strict_json(tmp_path):
    paths = save_attribution(attribution(score=np.array([np.nan, -np.inf], np.float32)), tmp_path)
    assert strict(paths[2])["score"] == "nan"
    assert strict(paths[5])["score"] == "-inf"


def test_a_file_in_the_way_is_one_line(tmp_path):
    (tmp_path / "file").write_text("here")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="is a file") as caught:
            save_attribution(attribution(), folder)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "here"


def test_a_failing_write_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch):
    paths = save_attribution(attribution(), tmp_path)
    before = Path(paths[0]).read_bytes()

    def full(source, destination):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        save_attribution(attribution(method="rise"), tmp_path)
    assert Path(paths[0]).read_bytes() == before
    assert len(os.listdir(tmp_path)) == 6


def test_saving_again_replaces(tmp_path):
    save_attribution(attribution(), tmp_path)
    paths = save_attribution(attribution(method="rise"), tmp_path)
    assert strict(paths[2])["method"] == "rise"
    assert len(os.listdir(tmp_path)) == 6


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_files_have_ordinary_permissions(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    write_file(tmp_path / "ours", b"x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_values_of_any_kind_become_json():
    value = json_value(
        {
            "n": np.int64(3),
            "f": np.float32(0.5),
            "b": np.bool_(True),
            "a": np.arange(3),
            "big": np.zeros((20, 20)),
            "t": Target(np.array([1])),
            "p": Path("x"),
            "fn": len,
            3: {1.0},
            "nan": float("nan"),
            "none": None,
        }
    )
    text = json.dumps(value, allow_nan=False)
    assert json.loads(text) == {
        "n": 3,
        "f": 0.5,
        "b": True,
        "a": [0, 1, 2],
        "big": {"shape": [20, 20], "dtype": "float64"},
        "t": {"index": [1], "kind": "probability"},
        "p": "x",
        "fn": "len",
        "3": [1.0],
        "nan": "nan",
        "none": None,
    }
