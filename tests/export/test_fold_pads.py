"""Zero paddings move into the Convs that read them, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import FAMILY, choice, drawn, flag, image, integer, normal, opset, with_axes
from checker import Net, check
from hypothesis import given
from hypothesis import strategies as st

from pysal.export import prepare
from pysal.export.passes.fold_pads import fold_pads

ZEROS = (0, 0, 1, 2, 0, 0, 3, 0)
WEIGHT = np.random.default_rng(0).normal(size=(2, 3, 3, 3))
IMAGE = np.random.default_rng(1).normal(size=(2, 3, 5, 4))


def pads_left(net: Net, value: str) -> int:
    """Pad nodes after preparation; numbers and gradient must stay."""
    case = net.case(value)
    check(case)
    return sum(n.op_type == "Pad" for n in prepare(case.model).model.graph.node)


@drawn(40)
@given(draws=st.data(), lowering=FAMILY)
def test_folding_changes_no_number(draws: st.DataObject, lowering: str) -> None:
    draw = draws.draw
    x = image(draw, low=3)
    net = Net(x, opset(draw, 11))
    counts = [0, integer(draw, 0, 1), *(integer(draw, -1, 2) for _ in range(2))]
    counts += [0, 0, *(integer(draw, 0, 3) for _ in range(2))]
    value = [net.const(choice(draw, 0.0, 0.0, 1.0))] if flag(draw) else []
    padded = net.op("Pad", "x", net.ints(*counts), *value)
    channels = x.shape[1] + counts[1]
    attrs = {"auto_pad": choice(draw, "VALID", "SAME_UPPER")} if flag(draw) else {}
    if not attrs and flag(draw):
        attrs = {"pads": [1, 0, 1, 1]}
    weight = net.const(normal(draw, 2, channels, 2, 2))
    y = net.op("Conv", padded, weight, strides=[integer(draw, 1, 2), 1], **attrs)
    if flag(draw):
        y = net.op("Mul", y, with_axes(net, "ReduceMax", padded, [1, 2, 3], 18))
    check(net.case(y), lowering)


@pytest.mark.parametrize("version", [9, 13, 18])
def test_zeros_before_convs_are_folded(version: int) -> None:
    net = Net(IMAGE, version)
    padded = net.op("Pad", "x", net.ints(*ZEROS)) if version > 9 else net.op("Pad", "x", pads=ZEROS)
    a = net.op("Conv", padded, net.const(WEIGHT), pads=[0, 1, 1, 0])
    b = net.op("Conv", padded, net.const(-WEIGHT), pads=[0, 1, 1, 0])
    assert pads_left(net, net.op("Mul", a, b)) == 0


def test_a_pad_that_something_else_reads_stays() -> None:
    net = Net(IMAGE)
    padded = net.op("Pad", "x", net.ints(*ZEROS))
    conv = net.op("Conv", padded, net.const(WEIGHT))
    peak = net.op("GlobalMaxPool", padded)
    assert pads_left(net, net.op("Mul", conv, net.op("ReduceMean", peak, net.ints(1)))) == 1


def test_a_pad_that_is_an_output_stays() -> None:
    net = Net(IMAGE)
    padded = net.op("Pad", "x", net.ints(*ZEROS))
    net.op("Conv", padded, net.const(WEIGHT))
    assert fold_pads(net.model(padded, ("N", 3, 9, 6))) == 0


@pytest.mark.parametrize(
    ("counts", "extra"),
    [
        ((0, 1, 1, 1, 0, 0, 1, 1), ()),
        ((0, 0, -1, 1, 0, 0, 1, 1), ()),
        (ZEROS, (2.0,)),
    ],
    ids=["channels", "crop", "other value"],
)
def test_other_pads_stay(counts: tuple, extra: tuple) -> None:
    net = Net(IMAGE)
    padded = net.op("Pad", "x", net.ints(*counts), *map(net.const, extra))
    weight = np.random.default_rng(0).normal(size=(2, 3 + counts[1], 3, 3))
    assert pads_left(net, net.op("Conv", padded, net.const(weight))) == 1
