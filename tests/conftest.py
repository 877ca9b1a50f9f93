"""What all tests share: the folder of photos and networks, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder with `models/` and `photos/`; tests that take it are skipped where it is absent."""
    folder = Path(os.environ.get("PYSAL_DATA", DEFAULT_DATA))
    if not (folder / "models").is_dir():
        pytest.skip(f"no photos and networks in {folder}; set PYSAL_DATA to their folder")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes the folder, so that `-m "not data"` leaves it out."""
    for item in items:
        if "data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.data)
