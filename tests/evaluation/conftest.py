"""What tests of evaluations share."""

from __future__ import annotations

import pytest
from evaluation_cases import register
from toy import ToyClassifier


@pytest.fixture
def clf() -> ToyClassifier:
    return ToyClassifier()


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods "fake" and "other", metrics "level", "placed" and "again"."""
    register(monkeypatch)
