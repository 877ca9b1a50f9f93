"""Folders of plans: what is written, opened and refused; with stand-ins for TensorRT and CuPy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pooled import INDEX, X
from trt_host import OnHost, use

from pysal.backends.ort import OrtClassifier
from pysal.backends.tensorrt_build import BuiltPlan
from pysal.backends.tensorrt_folder import check_target, is_plan_folder, write_folder
from pysal.backends.tensorrt_library import Library, _make_logger
from pysal.backends.tensorrt_options import PlanOptions
from pysal.backends.tensorrt_plans import OnnxPlans, PlanMaker
from pysal.backends.whole import write_whole
from pysal.errors import CapabilityError, InputError, ModelFormatError, OptionError
from pysal.prepared import INPUT
from pysal.types import Target


def write(
    module: Any, path: Path, out: Path, taps: tuple[str, ...] = ("r1",), **options: Any
) -> Path:
    """A folder of plans as the console writes it."""
    library = Library(module, module.__name__, module.__version__, _make_logger(module))
    chosen = PlanOptions(**{"batch": (2, 4, 6), **options})
    plans = OnnxPlans(path, None, PlanMaker(library, chosen, "Stand-in (8.9)"))
    built = {"gradient": plans.gradient("gradient", INPUT), "forward": plans.forward(taps)}
    gpu = "" if chosen.capabilities else "Stand-in (8.9)"
    write_folder(out, built, library=library, options=chosen, gpu=gpu, metadata=plans.metadata)
    return out


@pytest.fixture
def rtx(monkeypatch: pytest.MonkeyPatch) -> Any:
    return use(monkeypatch, "tensorrt_rtx")


@pytest.fixture
def folder(rtx: Any, path: Path, tmp_path: Path) -> Path:
    return write(rtx, path, tmp_path / "plans", capabilities=("8.6", "8.9"))


def test_a_folder_runs_without_building(rtx: Any, folder: Path, path: Path) -> None:
    assert is_plan_folder(folder)
    assert sorted(f.name for f in folder.iterdir()) == [
        "forward.plan",
        "gradient.plan",
        "manifest.json",
    ]
    built = len(rtx.built)
    assert [c.name for c in rtx.built[0].capabilities] == ["SM86", "SM89"]
    ort = OrtClassifier(path, threads=1)
    for rows in (None, 2, 6):
        net = OnHost(folder, rows=rows)
        assert f"batches of {rows or 4})" in net.info.engine
        np.testing.assert_allclose(net.score(X), ort.score(X), rtol=1e-4)
        target = Target(INDEX)
        for found, exact in zip(
            net.value_and_grad(X, target), ort.value_and_grad(X, target), strict=True
        ):
            np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(
            net.activations(X, ["r1"])["r1"], ort.activations(X, ["r1"])["r1"], rtol=1e-4
        )
    assert len(rtx.built) == built
    assert (net.info.sha256, net.info.layers) == (ort.info.sha256, ort.info.layers)


def test_what_a_folder_does_not_have_is_said(folder: Path) -> None:
    net = OnHost(folder)
    target = Target(INDEX)
    with pytest.raises(CapabilityError, match='rules "gradient", not "deconvnet"'):
        net.value_and_grad(X, target, rules="deconvnet")
    with pytest.raises(OptionError, match=r'output "pysal/gradient/m1".*--taps'):
        net.value_and_grad(X, target, wrt="m1")
    with pytest.raises(OptionError, match='output "c2"'):
        net.activations(X, ["c2"])
    for call in (net.weighted_layers, lambda: net.score_scaled(X, {"r1": np.ones(8, np.float32)})):
        with pytest.raises(CapabilityError, match="open the original ONNX file"):
            call()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "fp16"}, 'are fp32, and precision "fp16" was given'),
        ({"rows": 7}, "runs of 2 to 6 images, and rows is 7"),
        ({"rows": 1}, "runs of 2 to 6 images, and rows is 1"),
    ],
)
def test_options_that_a_folder_cannot_meet(folder: Path, options: dict, words: str) -> None:
    with pytest.raises(CapabilityError, match=words):
        OnHost(folder, **options)


def test_plans_for_something_else_are_refused(
    rtx: Any, path: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write(rtx, path, tmp_path / "other", capabilities=("12.0",))
    with pytest.raises(CapabilityError, match=r"capability 12.0, and this GPU has 8.9"):
        OnHost(other)
    use(monkeypatch, "tensorrt_rtx", "100.0")
    with pytest.raises(CapabilityError, match=r"of TensorRT-RTX 99.1, and TensorRT-RTX 100.0 is"):
        OnHost(folder)
    datacenter = use(monkeypatch, "tensorrt")
    with pytest.raises(CapabilityError, match=r"and TensorRT 99.1 is here"):
        OnHost(folder)
    here = write(datacenter, path, tmp_path / "here")
    OnHost(here)
    text = (here / "manifest.json").read_text().replace("Stand-in", "Another")
    (here / "manifest.json").write_text(text)
    with pytest.raises(CapabilityError, match=r"for Another \(8.9\), and this GPU is Stand-in"):
        OnHost(here)


@pytest.mark.parametrize("harm", ["format", "incomplete", "plan", "lost"])
def test_damaged_folders_are_one_line(folder: Path, harm: str) -> None:
    manifest = folder / "manifest.json"
    record = json.loads(manifest.read_text())
    if harm == "format":
        record["format"] = 2
    elif harm == "incomplete":
        del record["batch"]
    manifest.write_text(json.dumps(record))
    if harm == "plan":
        (folder / "forward.plan").write_bytes(b"half")
    elif harm == "lost":
        (folder / "forward.plan").unlink()
    with pytest.raises((ModelFormatError, InputError), match="export the model again") as caught:
        OnHost(folder).score(X)
    assert "\n" not in str(caught.value)


def test_a_folder_is_replaced_whole_or_not_at_all(
    rtx: Any, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {f.name: f.read_bytes() for f in folder.iterdir()}

    def fail(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("pysal.backends.tensorrt_folder.json.dumps", fail)
        with pytest.raises(KeyboardInterrupt):
            write_folder(folder, {}, **nothing(rtx))
    with monkeypatch.context() as context:
        context.setattr(Path, "write_bytes", fail)
        with pytest.raises(KeyboardInterrupt):
            write_folder(folder, {"forward": BuiltPlan(b"1", {}, {})}, **nothing(rtx))
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == before
    assert [f.name for f in folder.parent.iterdir()] == [folder.name]
    write(rtx, path, folder, (), batch=(1, 1, 1), capabilities=("8.9",))
    assert OnHost(folder).score(X[:1]).shape == (1, 5)
    assert [f.name for f in folder.parent.iterdir()] == [folder.name]


def nothing(module: Any) -> dict[str, Any]:
    library = Library(module, "tensorrt_rtx", "1", None)
    return {"library": library, "options": PlanOptions(), "gpu": "", "metadata": {}}


def test_other_files_are_not_replaced(tmp_path: Path, folder: Path) -> None:
    file, full = tmp_path / "file", tmp_path / "full"
    file.write_text("x")
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    for path, words in ((file, "is a file"), (full, "has other files")):
        with pytest.raises(OptionError, match=words):
            check_target(path)
    with pytest.raises(InputError, match="does not exist"):
        check_target(tmp_path / "no" / "such")
    check_target(folder)
    check_target(tmp_path / "new")


def test_folders_that_cannot_be_written_are_one_line(
    rtx: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as context:
        context.setattr("pysal.backends.whole.tempfile.mkdtemp", refuse)
        with pytest.raises(InputError, match=r"cannot write to .*: Permission denied"):
            write_folder(tmp_path / "plans", {}, **nothing(rtx))
    with monkeypatch.context() as context:
        context.setattr("pysal.backends.tensorrt_folder.os.access", lambda *_: False)
        with pytest.raises(InputError, match=r"cannot write to .*: permission denied"):
            check_target(tmp_path / "plans")
    with monkeypatch.context() as context:
        context.setattr("pysal.backends.whole.tempfile.mkstemp", refuse)
        with pytest.raises(InputError, match=r"cannot write to .*: Permission denied"):
            write_whole(tmp_path / "cache" / "a.plan", b"1")
    with monkeypatch.context() as context:
        context.setattr("pysal.backends.whole.os.replace", refuse)
        with pytest.raises(InputError, match=r"cannot write .*plan: Permission denied"):
            write_whole(tmp_path / "cache" / "a.plan", b"1")
    assert not list(tmp_path.rglob("*.*"))


WITHOUT_ONNX = """
import sys
sys.modules["onnx"] = None
sys.path.insert(0, sys.argv[2])
from pysal.backends.tensorrt_folder import FolderPlans
from pysal.backends.tensorrt_library import Library
library = Library(None, "tensorrt_rtx", "99.1", None)
from pathlib import Path
plans = FolderPlans(Path(sys.argv[1]), library, "GPU (8.9)", "8.9")
print(len(plans.forward(()).data) > 1000, len(plans.gradient("gradient", "input").outputs))
"""


def test_a_folder_is_opened_without_onnx(folder: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_ONNX, str(folder), ""]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "3"]
