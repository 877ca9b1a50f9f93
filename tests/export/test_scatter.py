"""What is written by index: what no order settles, or has no rule, is refused."""

from __future__ import annotations

import numpy as np
import pytest
from checker import CLASSES, Net, gradient, prepare

from pysal.errors import UnsupportedOpError

TWICE = {
    "ScatterND": ([[0, 1], [0, -3]], [2, 4, 4], {}),
    "ScatterElements": (np.full((1, 2, 4, 4), -1), [1, 2, 4, 4], {"axis": 1}),
}
"""Indices into (1, 4, 4, 4), where -3 is 1; shape of the updates; attributes."""


@pytest.mark.parametrize(
    ("reduction", "words"),
    [("none", "writes an element twice"), ("mul", 'reduction "mul" has no rule')],
)
@pytest.mark.parametrize("op_type", sorted(TWICE))
def test_refused(op_type: str, reduction: str, words: str) -> None:
    net = Net(np.ones((1, 4, 4, 4)), 18)
    indices, shape, axis = TWICE[op_type]
    updates = net.op("Expand", net.op("ReduceMax", "x", keepdims=0), net.ints(*shape))
    given = net.const(indices, np.int64)
    y = net.op(op_type, "x", given, updates, reduction=reduction, **axis)
    with pytest.raises(UnsupportedOpError, match=rf'{op_type} "[^\n]*{words}[^\n]*$'):
        gradient(prepare(net.case(y).model), net.image, np.ones((1, CLASSES)))
