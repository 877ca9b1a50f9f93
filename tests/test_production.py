"""A prepared model runs with numpy, onnxruntime and pysal alone, in a process without the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import write_model
from typer.testing import CliRunner

import pysal
from pysal.cli.app import app

ABSENT = ("onnx", "torch", "torchvision", "skimage", "scipy", "matplotlib", "PIL", "typer", "rich")

SCRIPT = f"""
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import numpy as np
import pysal

batch = np.load("batch.npy")
explainer = pysal.Explainer("prepared.onnx", preset="fast", size=4, iterations=2)
a = explainer(batch)
r = pysal.measure("insertion_deletion", explainer.classifier, batch, a.native, targets=a.target)
np.savez("found.npz", native=a.native, score=a.score, **r.values)
print(json.dumps({{"loaded": sorted(sys.modules), "target": a.target.index.tolist()}}))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A prepared model, without the model it was made from, and a batch."""
    model = write_model(tmp_path / "model.onnx")
    record = pysal.Preprocess.default((3, 16, 16)).to_dict()
    (tmp_path / "model.json").write_text(json.dumps(record))
    done = CliRunner().invoke(app, ["export", str(model), "-o", str(tmp_path / "prepared.onnx")])
    assert done.exit_code == 0, done.stderr
    batch = np.random.default_rng(0).normal(size=(3, 3, 16, 16)).astype(np.float32)
    np.save(tmp_path / "batch.npy", batch)
    return tmp_path


def produce(folder: Path) -> dict[str, list[str]]:
    """Run the script; what it printed."""
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("with_forward", [True, False], ids=["both files", "gradient model only"])
def test_prepared_model_needs_nothing_else(folder: Path, with_forward: bool) -> None:
    batch = np.load(folder / "batch.npy")
    options = {"preset": "fast", "size": 4, "iterations": 2}
    expected = pysal.explain(folder / "model.onnx", batch, **options)
    curves = pysal.measure(
        "insertion_deletion", folder / "model.onnx", batch, expected.native, targets=expected.target
    )
    (folder / "model.onnx").unlink()
    if not with_forward:
        (folder / "prepared.forward.onnx").unlink()
    printed = produce(folder)
    assert not {name.partition(".")[0] for name in printed["loaded"]} & set(ABSENT)
    assert printed["target"] == expected.target.index.tolist()
    found = np.load(folder / "found.npz")
    np.testing.assert_allclose(found["native"], expected.native, atol=1e-4)
    np.testing.assert_allclose(found["score"], expected.score, atol=1e-5)
    np.testing.assert_allclose(found["deletion"], curves.values["deletion"], atol=1e-4)


def test_the_absent_modules_are_absent(folder: Path) -> None:
    code = SCRIPT.replace("import pysal\n", "import onnx\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert "No module named 'onnx'" in done.stderr
