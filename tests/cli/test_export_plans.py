"""`pysal export --format tensorrt`, with TensorRT-RTX, for GPUs that are not here."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from command import assert_one_line, run

from pysal.backends.tensorrt_library import MODULES, _load

PLANS = ("--format", "tensorrt")


def test_a_folder_of_plans(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", exc_type=ImportError)
    out = tmp_path / "plans"
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"size": [16, 16]}))
    options = ["--batch", "1:2:4", "--precision", "fp16", "--capability", "8.6,8.9"]
    result = run("export", model, "-o", out, *PLANS, *options, "--preprocess", record)
    assert result.exit_code == 0, result.stderr
    assert "fp16, for 8.6, 8.9: built in" in result.stdout
    assert "warning" not in result.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["batch"] == [1, 2, 4]
    assert manifest["capabilities"] == ["8.6", "8.9"]
    assert json.loads(manifest["metadata"]["pysal.preprocess"])["size"] == [16, 16]
    for name, plan in manifest["plans"].items():
        assert (out / f"{name}.plan").stat().st_size == plan["bytes"]
    facts = json.loads(run("info", out, "--json").stdout)
    assert facts["library"] == "tensorrt_rtx"
    assert facts["plans"].keys() == {"gradient", "forward"}
    assert sorted(os.listdir(tmp_path)) == ["plans", "record.json"]
    again = run("export", model, "-o", out, *PLANS, "--cache", tmp_path / "cache")
    assert again.exit_code == 0, again.stderr
    assert "warning" in again.stderr
    assert json.loads((out / "manifest.json").read_text())["capabilities"] == ["8.6", "8.9", "12.0"]
    assert len(list((tmp_path / "cache").glob("*.plan"))) == 2


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["--precision", "fp8"], "fp32, tf32, fp16, bf16"),
        (["--capability", "9.0"], '"9.0" is none'),
        (["--batch", "8:4:16"], "smallest:best:largest"),
        (["--batch", "many"], "1:8:32"),
        (["--workspace", "0"], "workspace is 0"),
        (["--flavour", "trt"], "tensorrt or tensorrt_rtx"),
        (["--lowering", "ort"], "portable"),
        (["--rules", "gradients"], "gradient"),
        (["--taps", "nope"], "nope"),
        (["--format", "tflite"], "onnx or tensorrt"),
    ],
)
def test_mistakes_are_one_line(model: Path, tmp_path: Path, args: list[str], word: str) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", exc_type=ImportError)
    result = run("export", model, "-o", tmp_path / "plans", *PLANS, *args)
    assert_one_line(result, word)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("option", ["precision", "batch", "capability", "workspace", "flavour"])
def test_options_of_plans_need_the_format(model: Path, tmp_path: Path, option: str) -> None:
    result = run("export", model, "-o", tmp_path / "x.onnx", f"--{option}", "1")
    assert_one_line(result, f"--{option} is given without --format tensorrt")
    assert not (tmp_path / "x.onnx").exists()


def test_places_that_cannot_be_written(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", exc_type=ImportError)
    for out, word in (
        (tmp_path / "no" / "plans", "does not exist"),
        (model, "is a file"),
        (model.parent, "has other files"),
    ):
        assert_one_line(run("export", model, "-o", out, *PLANS), word)
    assert os.listdir(tmp_path) == []


def test_a_missing_package_is_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _load.cache_clear()
    for names in MODULES.values():
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)
    result = run("export", model, "-o", tmp_path / "plans", *PLANS)
    assert_one_line(result, "no TensorRT is installed", "pysal-saliency[tensorrt]")
    assert os.listdir(tmp_path) == []
    assert "is not installed" in json.loads(run("info", "--json").stdout)["engines"]["tensorrt"]
    _load.cache_clear()
