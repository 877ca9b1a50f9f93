"""`pysal export --explainer`: what it writes, says and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

import pysal
from pysal.cli.app import app


def invoke(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_writes_one_file_that_info_knows(model: Path, tmp_path: Path) -> None:
    out, record = tmp_path / "explainer.onnx", tmp_path / "record.json"
    record.write_text(json.dumps(pysal.Preprocess.default((3, 16, 16)).to_dict()))
    options = ("--size", 4, "--preset", "fast", "--option", "iterations=2", "--kind", "logit")
    forms = ("--input", "uint8", "--ask-target", "--compact", "--lowering", "portable")
    arguments = ("--explainer", "igos", "-o", out, "--preprocess", record, *options, *forms)
    code, stdout, stderr = invoke("export", model, *arguments)
    assert (code, stderr) == (0, "")
    assert stdout.startswith(f"{out}: igos, ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["explainer.onnx", "record.json"]
    assert onnx.load(out).graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    code, stdout, _ = invoke("info", out, "--json")
    facts = json.loads(stdout)
    assert code == 0
    assert (facts["explainer"], facts["kind"], facts["input_form"]) == ("igos", "logit", "uint8")
    assert facts["options"]["iterations"] == 2
    assert (facts["inputs"], facts["compact"]) == (["image", "target"], True)
    assert facts["made_from"]["name"] == "tiny.onnx"


def test_says_that_a_record_was_assumed(model: Path, tmp_path: Path) -> None:
    arguments = ("export", model, "--explainer", "gradcam", "-o", tmp_path / "x.onnx")
    code, _, stderr = invoke(*arguments)
    assert code == 0
    assert "warning: tiny.onnx has no preprocessing record, ImageNet's was assumed" in stderr
    _, stdout, _ = invoke("info", tmp_path / "x.onnx", "--json")
    assert json.loads(stdout)["inputs"] == ["image", "target (optional)"]


def test_explaining_with_an_explainer_is_wrong_use(
    model: Path, photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "x.onnx"
    invoke("export", model, "--explainer", "gradcam", "-o", out)
    for command in (("explain", out, photos[0]), ("export", out, "-o", tmp_path / "y.onnx")):
        code, _, stderr = invoke(*command)
        assert code == 2
        assert "x.onnx is an explainer in one file, not a classifier" in stderr
    assert not (tmp_path / "y.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--explainer", "rise"], 'one-file explainer "rise" is unknown'),
        (["--explainer", "igos", "--option", "noise=gaussian"], "the one-file form has 'off' only"),
        (["--explainer", "igos", "--option", "sise=4"], 'has no option "sise"'),
        (["--explainer", "gradcam", "--size", "4"], 'has no option "size"'),
        (["--explainer", "gradcam", "--option", "layer=z"], 'layer "z" has shape'),
        (["--explainer", "gradcam", "--option", "kind"], "expected NAME=VALUE"),
        (["--explainer", "gradcam", "--rules", "deconvnet"], "--rules and --explainer are given"),
        (["--size", "4"], "--size is given without --explainer"),
        (["--option", "size=4"], "--option is given without --explainer"),
        (["--ask-target"], "--ask-target is given without --explainer"),
    ],
)
def test_refuses_in_one_line_and_writes_nothing(
    arguments: list[str], message: str, model: Path, tmp_path: Path
) -> None:
    code, stdout, stderr = invoke("export", model, "-o", tmp_path / "x.onnx", *arguments)
    assert (code, stdout, stderr.count("\n")) == (2, "", 1)
    assert message in stderr
    assert not list(tmp_path.iterdir())
