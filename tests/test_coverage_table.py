"""The table of the coverage record."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "coverage_table.py"


@pytest.fixture(scope="module")
def write_table():
    spec = importlib.util.spec_from_file_location("coverage_table", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_table


def test_every_cell_has_a_row_and_failures_their_reason(write_table) -> None:
    gradient = {"error": 1e-6, "portable": 2e-6, "openvino": 3e-6, "finite": True}
    gradient["tensorrt"] = {"parse": "ok", "sm89": "no engine was built"}
    refused = {"gradient": {"refused": "no rule for LSTM | x"}}
    cells = {
        "timm/a dynamo:18": {
            "export": "ok",
            "torch_float32": 1e-6,
            "rules": {"gradient": gradient},
        },
        "timm/b dynamo:18": {"export": "ok", "torch_float32": 1e-6, "rules": refused},
        "timm/b dynamo:20": {"failed": "not done after 900 s"},
        "timm/c dynamo:18": {"export": "RuntimeError: no such operator"},
    }
    cells["timm/a dynamo:18"]["rules"]["deconvnet"] = {"finite": True}
    text = write_table({"cells": cells})
    rows = [line for line in text.splitlines() if line.startswith("| timm")]
    assert len(rows) == 4
    assert {row.count("|") for row in rows} == {9}
    assert "4 exports of 3 networks; 1 exports have a gradient" in text
    assert (
        "| 1.0e-06 | 2.0e-06 | 3.0e-06 | parse, sm89: no engine was built | deconvnet: built"
        in rows[0]
    )
    assert "LSTM / x" in rows[1]
    assert "not done" in rows[2]
    assert "no such operator" in rows[3]
