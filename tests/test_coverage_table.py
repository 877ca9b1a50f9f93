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


def test_every_cell_has_a_row_and_failures_come_first_with_their_reason(write_table) -> None:
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
    rules = cells["timm/a dynamo:18"]["rules"]
    rules |= {"deconvnet": {"finite": True}, "excitation_backprop": {"finite": False}}
    text = write_table({"cells": cells})
    assert "4 exports of 3 networks; 1 exports of 1 networks have a gradient" in text
    rows = [line for line in text.splitlines() if line.startswith("| timm")]
    assert rows == [
        "| timm/b | dynamo:18 | no rule for LSTM / x |",
        "| timm/b | dynamo:20 | not done after 900 s |",
        "| timm/c | dynamo:18 | no export: RuntimeError: no such operator |",
        "| timm/a | dynamo:18 | 1.0e-06 | 1.0e-06 | 2.0e-06 | 3.0e-06 "
        "| parse, sm89: no engine was built | 1 of 2; excitation_backprop: not finite |",
    ]
