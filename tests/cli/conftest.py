"""A tiny model and photos that the tests of the console share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import write_model, write_photo


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    return [write_photo(folder / f"p{i}.png", i) for i in range(3)]
