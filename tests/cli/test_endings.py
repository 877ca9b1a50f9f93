"""How commands end: faults, Ctrl-C, closed pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import process, run


def test_fault_of_ours_is_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("pysal.cli.info._installation", fail)
    result = run("info")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "surprise" in result.stderr
    assert "--debug" in result.stderr
    for debug in (["--debug", "info"], ["info", "--debug"]):
        assert "Traceback" in run(*debug).stderr


def test_debug_shows_the_traceback_of_a_mistake(tmp_path: Path) -> None:
    environment = {**os.environ, "PYSAL_DEBUG": "1"}
    result = process("info", tmp_path / "none.onnx", env=environment)
    assert result.returncode == 2
    assert "Traceback" in result.stderr


def test_ctrl_c_is_130_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pysal.cli.info._installation", interrupt)
    result = run("info")
    assert result.exit_code == 130
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.slow
def test_ctrl_c_in_a_running_process(model: Path, photos: list[Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pysal", "explain", model, *photos, "-o", tmp_path]
    long = ["--size", "4", "--option", "iterations=100000", "--json"]
    with subprocess.Popen(
        list(map(str, [*command, *long])), stdout=-1, stderr=-1, text=True
    ) as running:
        assert running.stderr is not None
        assert "assumed" in running.stderr.readline()  # the model is open, the work begins
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert err.count("\n") == 1
    assert "interrupted" in err
    assert out == ""


def test_closed_pipe_is_quiet() -> None:
    command = [sys.executable, "-m", "pysal", "methods", "--json"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()  # long before Python is up
        errors = running.stderr.read()
    assert (running.returncode, errors) == (141, "")
