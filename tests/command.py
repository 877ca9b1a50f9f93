"""The console command inside this process and in one of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from typer.testing import CliRunner

from pysal.cli.app import app

FAST = ["--preset", "fast", "--size", "4", "--option", "iterations=2"]


def run(*args: Any) -> Any:
    """Result of a command inside this process."""
    return CliRunner().invoke(app, [str(arg) for arg in args])


def process(*args: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Result of a command in a process of its own."""
    command = [sys.executable, "-m", "pysal", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def assert_one_line(result: Any, *words: str) -> None:
    """Wrong use: exit code 2, nothing on stdout, one line on stderr with these words."""
    code = result.exit_code if hasattr(result, "exit_code") else result.returncode
    assert code == 2, result.stderr
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if "warning:" not in line]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("pysal: error: ")
    for word in words:
        assert word in lines[0]
