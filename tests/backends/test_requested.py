"""PYSAL_TEST_BACKENDS: an engine that is named and cannot run fails the contract tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pysal.backends import devices

ROOT = Path(__file__).parents[2]


def contract(requested: str) -> subprocess.CompletedProcess[str]:
    """One test of the contract in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["tests/backends/test_contract.py", "-k", "no_image_gives_no_result and cuda"]
    environment = {**os.environ, "PYSAL_TEST_BACKENDS": requested}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_a_named_engine_that_cannot_run_is_a_failure() -> None:
    if devices()["ort cuda"] == "available":
        pytest.skip("it can run here")
    done = contract("ort,ort_cuda")
    assert done.returncode == 1
    assert "error" in done.stdout
    assert devices()["ort cuda"] in done.stdout
    assert contract("ort").returncode == 0  # not named: skipped


@pytest.mark.slow
def test_an_engine_that_does_not_exist_is_refused() -> None:
    done = contract("ort,tensorflow")
    assert done.returncode == 4
    assert "tensorflow" in done.stdout + done.stderr
