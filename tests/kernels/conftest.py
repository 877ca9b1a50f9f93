import importlib
import os

import numpy as np
import pytest

from pysal import kernels
from pysal.kernels import reference, selected


def compiled_module():
    if os.environ.get("PYSAL_KERNELS") == "reference":
        pytest.skip("PYSAL_KERNELS=reference")
    try:
        return importlib.import_module("pysal._kernels")
    except ImportError as error:
        pytest.fail(f"the compiled kernels are missing ({error}); set PYSAL_KERNELS=reference")


@pytest.fixture
def compiled():
    """The compiled module; its absence is a failure unless the run asks for the reference."""
    return compiled_module()


@pytest.fixture(params=["compiled", "reference"])
def impl(request, monkeypatch):
    """Run the test on both implementations."""
    module = compiled_module() if request.param == "compiled" else reference
    monkeypatch.setattr(selected, "impl", module)
    return request.param


@pytest.fixture
def both(compiled, monkeypatch):
    """Call a function of pysal.kernels on both: (compiled result, reference result)."""

    def call(name, *args, **options):
        results = []
        for module in (compiled, reference):
            monkeypatch.setattr(selected, "impl", module)
            results.append(getattr(kernels, name)(*args, **options))
        return results

    return call


@pytest.fixture
def draw():
    """Standard normal float32 arrays by shape, from a fixed seed."""
    rng = np.random.default_rng(7)
    return lambda *shape: rng.standard_normal(shape, dtype=np.float32)
