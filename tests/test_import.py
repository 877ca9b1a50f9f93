"""`import pysal` is quick and loads nothing that the caller did not ask for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pysal

HEAVY = ("numpy", "onnx", "onnxruntime", "torch", "skimage", "PIL", "typer", "rich", "matplotlib")


def run(code: str) -> str:
    """Output of a fresh interpreter."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_import_takes_less_than_150_ms() -> None:
    code = "import time; t = time.perf_counter(); import pysal; print(time.perf_counter() - t)"
    assert min(float(run(code)) for _ in range(5)) < 0.15


def test_import_loads_no_heavy_module() -> None:
    loaded = run("import pysal, sys; print(*sys.modules)").split()
    assert not set(HEAVY) & {name.partition(".")[0] for name in loaded}


def test_api_loads_no_optional_module() -> None:
    loaded = run("import sys; from pysal import explain; print(*sys.modules)").split()
    optional = set(HEAVY) - {"numpy", "PIL"}
    assert not optional & {name.partition(".")[0] for name in loaded}


@pytest.mark.parametrize("name", pysal.__all__)
def test_public_names_resolve(name: str) -> None:
    assert getattr(pysal, name) is not None
    assert name in dir(pysal)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="explian"):
        _ = pysal.explian


@pytest.mark.parametrize("first", ["", "import pysal.methods.igos", "from pysal import explain"])
def test_registries_are_callable_whatever_was_imported_before(first: str) -> None:
    code = f"{first}\nimport pysal; print('igos' in pysal.methods(), 'iou' in pysal.metrics())"
    assert run(code).split() == ["True", "True"]
