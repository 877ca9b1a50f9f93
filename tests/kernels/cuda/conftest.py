"""Devices for the tests of the CUDA kernels: the kernels emulated on the CPU, and real ones.

The emulated module is built from the same sources as pysal._cuda, with tests/csrc/emulate in place
of CUDA's headers. PYSAL_CUDA_EMULATED names one that has been built before, say with sanitizers.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from placing import CuPy, DLPack, Interface, TorchCpu, TorchCuda

from pysal.kernels import cuda

ROOT = Path(__file__).parents[3]


def pybind11_include() -> str:
    """Headers of pybind11: its own package, or the copy in torch."""
    try:
        import pybind11
    except ImportError:
        return str(Path(torch.__file__).parent / "include")
    return pybind11.get_include()


def build(folder: Path) -> Path:
    """Compile the device code for the CPU, all files at the same time."""
    compiler = os.environ.get("CXX", "c++").split()
    includes = [ROOT / "tests/csrc/emulate", ROOT / "csrc", sysconfig.get_path("include")]
    options = [
        *"-std=c++17 -O1 -fPIC -fvisibility=hidden -ffp-contract=off".split(),
        *"-Wall -Wextra -Werror -Wno-unknown-pragmas".split(),
        '-DPYSAL_VERSION="test"',
        '-DPYSAL_CUDA_ARCHITECTURES="emulated"',
        *(f"-I{include}" for include in includes),
        *("-isystem", pybind11_include()),
    ]
    bindings = sorted((ROOT / "csrc").glob("cuda_bindings*.cpp"))
    sources = [*bindings, *sorted((ROOT / "csrc/cuda").glob("*.c*"))]
    objects = [str(folder / f"{source.stem}.o") for source in sources]
    target = folder / f"_cuda{sysconfig.get_config_var('EXT_SUFFIX')}"
    try:
        run_all(
            [*compiler, *options, "-x", "c++", "-c", str(source), "-o", result]
            for source, result in zip(sources, objects, strict=True)
        )
        run_all([[*compiler, "-shared", *objects, "-o", str(target.with_suffix(".part"))]])
    except FileNotFoundError:
        pytest.skip(f"no C++ compiler ({compiler[0]}) to build the emulated CUDA kernels")
    return target.with_suffix(".part").rename(target)


def run_all(commands: Iterable[list[str]]) -> None:
    """Run commands side by side; a failure of one is the tests' failure."""
    started = [subprocess.Popen(c, stderr=subprocess.PIPE, text=True) for c in commands]
    errors = [process.communicate()[1] for process in started]
    if any(process.returncode for process in started):
        pytest.fail("the emulated CUDA kernels do not compile:\n" + "".join(errors)[-4000:])


def build_once(root: Path) -> Path:
    """Build in one of the test processes, and wait for it in the others."""
    folder = root / "emulated_cuda"
    try:
        folder.mkdir()
    except FileExistsError:
        for _ in range(1200):
            found = list(folder.glob("_cuda*.so"))
            if found:
                return found[0]
            time.sleep(0.1)
        pytest.fail("another test process has not built the emulated CUDA kernels")
    return build(folder)


@pytest.fixture(scope="session")
def emulated(tmp_path_factory):
    """The module of the CUDA kernels, running on the CPU."""
    given = os.environ.get("PYSAL_CUDA_EMULATED")
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    path = Path(given) if given else build_once(root)
    spec = importlib.util.spec_from_file_location("_cuda", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.emulated
    return module


REAL = [] if cuda.available() else [TorchCuda, CuPy]
"""Where there is no GPU, `test_gpu` says why; no other test is skipped for it."""


def open_device(kind, request, monkeypatch):
    """Make `pysal.kernels.cuda` run there."""
    if kind in REAL:
        pytest.importorskip(kind.library)
    else:
        emulated = request.getfixturevalue("emulated")
        monkeypatch.setattr(cuda, "_load", lambda: emulated)
    return kind()


def params(*kinds):
    marks = {kind: [pytest.mark.gpu] if kind in REAL else [] for kind in kinds}
    return [pytest.param(kind, id=kind.name, marks=marks[kind]) for kind in kinds]


@pytest.fixture(params=params(Interface, *REAL))
def device(request, monkeypatch):
    """Where the kernels run, and how arrays get there."""
    return open_device(request.param, request, monkeypatch)


@pytest.fixture(params=params(Interface, DLPack, TorchCpu, *REAL))
def library(request, monkeypatch):
    """The same for every library whose arrays are understood."""
    return open_device(request.param, request, monkeypatch)
