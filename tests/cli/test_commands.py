"""`pysal export`, `info`, `methods` and `metrics`."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from command import FAST, assert_one_line, run
from tiny import write_model

import pysal


def test_export_writes_a_model_that_explains(
    model: Path, photos: list[Path], tmp_path: Path
) -> None:
    prepared = tmp_path / "prepared.onnx"
    record = tmp_path / "record.json"
    record.write_text(json.dumps(pysal.Preprocess(size=(16, 16)).to_dict()))
    result = run("export", model, "-o", prepared, "--preprocess", record)
    assert result.exit_code == 0, result.stderr
    assert str(prepared) in result.stdout
    onnx.checker.check_model(onnx.load(prepared))
    args = [*FAST, "--json", "-o", tmp_path / "o"]
    again = run("explain", prepared, photos[0], *args)
    assert again.exit_code == 0, again.stderr
    assert "assumed" not in again.stderr
    first = run("explain", model, photos[0], *args, "--preprocess", record)
    for key in ("target", "score"):
        assert json.loads(again.stdout)[key] == pytest.approx(json.loads(first.stdout)[key])


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["--rules", "gradients"], "gradient"),
        (["--lowering", "orr"], "ort"),
        (["--taps", "nope"], "nope"),
        (["--out", "no/such/folder/x.onnx"], "no/such/folder"),
    ],
)
def test_export_mistakes(model: Path, tmp_path: Path, args: list[str], word: str) -> None:
    out = [] if "--out" in args else ["--out", tmp_path / "x.onnx"]
    assert_one_line(run("export", model, *out, *args), word)
    assert not (tmp_path / "x.onnx").exists()


def test_info_of_the_installation() -> None:
    facts = json.loads(run("info", "--json").stdout)
    assert facts["version"] == pysal.__version__
    assert "ort" in facts["engines"]
    assert "not run on a GPU yet" in facts["unproven"]["tensorrt"]
    assert facts["kernels"].startswith(("compiled", "numpy"))
    assert "igos" in run("info").stdout


def test_info_of_a_model(model: Path) -> None:
    facts = json.loads(run("info", model, "--json").stdout)
    assert facts["input_shape"] == [3, 16, 16]
    assert facts["output_kind"] == "softmax"
    assert facts["classes"] == 4
    assert facts["operators"]["Conv"] == 1
    assert facts["no_gradient_rule"] == {}
    assert "assumed" in facts["preprocess_from"]
    assert "softmax" in run("info", model).stdout


def test_info_compares_precisions(model: Path) -> None:
    if "bf16" not in pytest.importorskip("pysal.backends.openvino_session").cpu_precisions():
        pytest.skip("no bf16 on this CPU")
    facts = json.loads(run("info", model, "--precision", "bf16", "--json").stdout)
    assert facts["engine"].startswith("openvino (CPU")
    assert facts["precision_check"]["precision"] == "bf16"
    assert facts["precision_check"]["score"] > 0
    assert "cosine" in run("info", model, "--precision", "bf16").stdout
    assert_one_line(run("info", "--precision", "bf16"), "MODEL")


def test_info_shows_unsupported_operators(tmp_path: Path) -> None:
    odd = write_model(tmp_path / "odd.onnx", activation="Asinh")
    result = run("info", odd, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["no_gradient_rule"] == {"Asinh": ["act"]}


def test_info_of_a_prepared_model(model: Path, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared.onnx"
    run("export", model, "-o", prepared)
    result = run("info", prepared, "--json")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["input_shape"] == [3, 16, 16]
    assert facts["prepared"] is True
    assert facts["operators"]["Conv"] == 2


def test_info_probes_records(model: Path, photos: list[Path]) -> None:
    probes = [arg for photo in photos for arg in ("--probe", photo)]
    result = run("info", model, *probes)
    assert result.exit_code == 0, result.stderr
    assert "rgb_imagenet" in result.stdout
    assert "most plausible" in result.stdout
    lines = run("info", model, *probes, "--json").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert [r["name"] for r in records if r["in_use"]] == ["rgb_imagenet"]
    assert {"record", "plausibility", "probability", "index"} <= records[0].keys()


def test_info_mistakes(tmp_path: Path, photos: list[Path]) -> None:
    assert_one_line(run("info", tmp_path / "none.onnx"), "none.onnx")
    assert_one_line(run("info", "--probe", photos[0]), "MODEL")


@pytest.mark.parametrize(("command", "name"), [("methods", "igos"), ("metrics", "insertion")])
def test_lists(command: str, name: str) -> None:
    assert name in run(command).stdout
    record = json.loads(run(command, "--json").stdout.splitlines()[0])
    assert record.keys() >= {"name", "summary", "needs", "cost", "source"}


def test_version_and_help() -> None:
    assert run("--version").stdout == f"pysal {pysal.__version__}\n"
    for args in (["--help"], ["explain", "--help"]):
        result = run(*args)
        assert result.exit_code == 0
        assert "Usage" in result.stdout
    assert run().exit_code == 2
    assert_one_line(run("explian"), "explain")
