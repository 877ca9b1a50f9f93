"""The judge of rule tables: a signal of the package against that of the naive replica."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checker import CLASSES, Case, gradient, prepare
from naive_rules import TABLES, naive

from pysal.export.lowerings import LOWERINGS

RULES = sorted(set(TABLES) - {"gradient"})
EXCITATION = [name for name in RULES if name.startswith("excitation")]
LOWERING = pytest.mark.parametrize("lowering", sorted(LOWERINGS))


def seeds(rules: str, count: int, classes: int = CLASSES) -> np.ndarray:
    """Random cotangents of the logits; excitation starts from positive ones."""
    seed = np.random.default_rng(count).normal(size=(count, classes)).astype(np.float32)
    return np.abs(seed) if rules in EXCITATION else seed


def assert_same(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-4) -> None:
    """Fail where two signals differ by more than a part of their norm."""
    assert found.shape == expected.shape
    error = np.linalg.norm(found - expected) / (np.linalg.norm(expected) + 1e-30)
    assert error < tolerance, f"relative difference {error:.1e}"


def agree(case: Case, rules: str, lowering: str, replica: Any = None) -> None:
    """The signal at the image is that of the replica."""
    seed = seeds(rules, len(case.x))
    expected = naive(case.model, replica or rules, case.x, seed)
    found = gradient(prepare(case.model), case.x, seed, rules=rules, lowering=lowering)
    assert_same(found["pysal/input_gradient"], expected)
