import os
import subprocess
import sys

import pytest

from pysal import kernels


def run_python(code, choice):
    env = os.environ | {"PYSAL_KERNELS": choice}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_says_what_runs(impl):
    expected = "numpy reference" if impl == "reference" else "compiled ("
    assert kernels.implementation().startswith(expected)


def test_environment_forces_the_reference():
    done = run_python("import pysal.kernels as k; print(k.implementation())", "reference")
    assert done.stdout.strip() == "numpy reference"


def test_compiled_but_missing_is_an_error():
    code = "import sys; sys.modules['pysal._kernels'] = None; import pysal.kernels"
    done = run_python(code, "compiled")
    assert "MissingDependencyError: PYSAL_KERNELS=compiled, but" in done.stderr


def test_unknown_choice_is_an_error():
    assert "OptionError" in run_python("import pysal.kernels", "fast").stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_works_in_a_fork_after_a_team_ran(compiled):
    """A forked child has none of its parent's threads; the kernels then run on one."""
    code = (
        "import os, numpy as np\n"
        "from pysal import kernels\n"
        "masks = np.ones((8, 100, 100), np.float32)\n"
        "kernels.tv(masks, threads=2)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    kernels.tv(masks, threads=2)\n"
        "    os._exit(5)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    env = os.environ | {"PYSAL_KERNELS": "compiled"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "5"
