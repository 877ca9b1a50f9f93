"""Test cases of every operator with a gradient rule: {operator: strategies that draw a `Case`}."""

from __future__ import annotations

import cases_elementwise
import cases_indexing
import cases_linear
import cases_normalization
import cases_shape
from case_table import CASES

SOURCES = (
    *(cases_elementwise, cases_linear, cases_shape),
    *(cases_normalization, cases_indexing),
)

__all__ = ["CASES", "SOURCES"]
