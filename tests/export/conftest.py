"""Networks of the zoo, exported once per run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import zoo


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> Iterator[None]:
    """Threads of torch and ONNX Runtime that wait for each other cost far more than they bring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def member(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], zoo.Member]:
    """Function from the name of a family to its network in torch and as ONNX file.

    Workers of one run share the files: an export takes longer than most of the tests.
    """
    base = tmp_path_factory.getbasetemp()
    folder: Path = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "zoo"
    folder.mkdir(exist_ok=True)
    return functools.cache(lambda name: zoo.member(name, folder))
