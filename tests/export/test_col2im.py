"""Col2Im as a ConvTranspose: the same sums, also where windows do not reach the end."""

from __future__ import annotations

import numpy as np
from case_table import drawn
from cases import CASES
from checker import Case, prepare, run
from hypothesis import given
from hypothesis import strategies as st

from pysal.export.build import build_forward
from pysal.prepared import LOGITS


@drawn(40)
@given(case=st.one_of(CASES["Col2Im"]))
def test_the_same_sums(case: Case) -> None:
    prepared = prepare(case.model)
    built = build_forward(prepared)
    kinds = [node.op_type for node in built.graph.node]
    assert "Col2Im" not in kinds
    assert "ConvTranspose" in kinds
    feeds = {prepared.input_name: case.x}
    (expected,) = run(case.model, feeds).values()
    np.testing.assert_allclose(run(built, feeds)[LOGITS], expected, rtol=1e-5, atol=1e-5)
