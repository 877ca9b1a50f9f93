"""One run at a time; a lock whose process was killed holds nobody up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pysal
from pysal.evaluation.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from pysal.evaluation.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(pysal.InputError) as caught, locked(path):
                pass
            assert f"is in use by process {holder.pid} on " in str(caught.value)
            assert "\n" not in str(caught.value)
        finally:
            holder.kill()
    assert path.read_text().startswith(f"process {holder.pid}")
    with locked(path):
        pass


def test_in_one_process_too(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        with pytest.raises(pysal.InputError, match="in use"), locked(tmp_path / "lock"):
            pass
    with pytest.raises(RuntimeError), locked(tmp_path / "lock"):
        raise RuntimeError
    with locked(tmp_path / "lock"):
        pass
