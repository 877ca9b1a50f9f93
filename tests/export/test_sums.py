"""Sums of cotangents: stretches that do not overlap are laid side by side, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import onnx
import pytest
from case_table import FAMILY, choice, drawn, flag, integer, normal
from checker import Net, check, run
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from pysal.export import build_gradient, prepare
from pysal.export.graph import Graph
from pysal.export.sums import Stretch, add_up, lanes, stretch_of

SIZE = 12


def empty() -> Graph:
    """A graph without nodes."""
    graph = helper.make_graph([], "sums", [], [])
    return Graph(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]))


def entry(g: Graph, array: np.ndarray, feeds: dict[str, np.ndarray]) -> str:
    """An input of the graph, of open batch."""
    name = f"term{len(feeds)}"
    info = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *array.shape[1:]])
    g.model.graph.input.append(info)
    feeds[name] = array.astype(np.float32)
    return name


def finish(g: Graph, total: str) -> onnx.ModelProto:
    del g.model.graph.output[:]
    named = g.op("Identity", total, name="total")
    g.model.graph.output.append(helper.make_tensor_value_info(named, TensorProto.FLOAT, None))
    return g.model


def ops(model: onnx.ModelProto) -> Counter[str]:
    """Operators of the nodes that the outputs depend on."""
    wanted, found = {o.name for o in model.graph.output}, Counter[str]()
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted.update(node.input)
            found[node.op_type] += 1
    return found


@drawn(60)
@given(
    st.lists(
        st.tuples(st.integers(0, SIZE - 1), st.integers(1, SIZE)).map(
            lambda pair: (pair[0], min(pair[0] + pair[1], SIZE))
        ),
        max_size=9,
    )
)
def test_lanes_hold_every_stretch_once_and_do_not_overlap(bounds: list[tuple[int, int]]) -> None:
    stretches = [Stretch(i, f"part{i}", a, b) for i, (a, b) in enumerate(bounds)]
    dealt = lanes(stretches)
    assert sorted(s.place for lane in dealt for s in lane) == list(range(len(bounds)))
    for lane in dealt:
        assert all(a.end <= b.begin for a, b in pairwise(lane))
    deepest = max((sum(a <= i < b for a, b in bounds) for i in range(SIZE)), default=0)
    assert len(dealt) == deepest


@drawn(60)
@given(draws=st.data())
def test_the_sum_is_that_of_the_terms(draws: st.DataObject) -> None:
    draw = draws.draw
    g, feeds, terms = empty(), {}, []
    shape = (2, integer(draw, 1, 5), integer(draw, 1, 5))
    expected = np.zeros(shape)
    for number in range(integer(draw, 1, 6)):
        axis = integer(draw, 1, 2)
        begin = integer(draw, 0, shape[axis] - 1)
        end = integer(draw, begin + 1, shape[axis])
        before, after = [0, 0, 0], [0, 0, 0]
        before[axis], after[axis] = begin, shape[axis] - end
        sizes = [end - begin if i == axis else size for i, size in enumerate(shape)]
        part = np.round(100 * normal(draw, *sizes, salt=number))  # exact sums, whatever the order
        name = entry(g, part, feeds)
        terms.append(g.pad(name, before, after) if end - begin < shape[axis] else name)
        padded = np.pad(part, list(zip(before, after, strict=True)))
        expected += padded
        if flag(draw):  # a node that reads a value twice
            terms.append(terms[-1])
            expected += padded
    total = add_up(g, terms, (None, *shape[1:]))
    np.testing.assert_array_equal(run(finish(g, total), feeds)["total"], expected)


@pytest.mark.parametrize(
    ("bounds", "count"),
    [
        ([(0, 3), (3, 8), (8, 12)], {"Concat": 1}),
        ([(8, 12), (0, 3), (3, 8)], {"Concat": 1}),
        ([(0, 3), (5, 12)], {"Concat": 1, "Pad": 1}),
        ([(1, 3), (3, 5)], {"Concat": 1, "Pad": 2}),
        ([(0, 6), (6, 12), (0, 6), (6, 12)], {"Concat": 2, "Add": 1}),
        ([(0, 7), (5, 12)], {"Pad": 2, "Add": 1}),
        ([(2, 12)], {"Pad": 1}),
    ],
)
def test_what_is_written(bounds: list[tuple[int, int]], count: dict[str, int]) -> None:
    g, feeds, terms = empty(), {}, []
    expected = np.zeros((2, SIZE, 3))
    for i, (begin, end) in enumerate(bounds):
        part = np.full((2, end - begin, 3), i + 1)
        terms.append(g.pad(entry(g, part, feeds), [0, begin, 0], [0, SIZE - end, 0]))
        expected[:, begin:end] += part
    model = finish(g, add_up(g, terms, (None, SIZE, 3)))
    assert ops(model) == {"Identity": 1, **count}
    np.testing.assert_array_equal(run(model, feeds)["total"], expected)


def test_only_pads_by_zeros_are_stretches() -> None:
    g, feeds = empty(), {}
    x = entry(g, np.ones((2, 3, 4)), feeds)
    pads = g.ints([0, 1, 0, 0, 2, 0])
    assert stretch_of(g, g.op("Pad", x, pads, g.scalar(0.0)), 5, 1, 6) == Stretch(5, x, 1, 4)
    others = {
        "of another value": g.op("Pad", x, pads, g.scalar(1.0)),
        "by reflection": g.op("Pad", x, pads, g.scalar(0.0), mode="reflect"),
        "of computed size": g.op("Pad", x, g.op("Identity", pads), g.scalar(0.0)),
        "a crop": g.pad(x, [0, -1, 0], [0, 4, 0]),
        "on two axes": g.pad(x, [0, 1, 1], [0, 2, 0]),
        "on another axis": g.pad(x, [0, 0, 1], [0, 0, 1]),
        "not new": x,
    }
    for what, term in others.items():
        assert stretch_of(g, term, 0, 1, 6) is None, what


@pytest.mark.parametrize("lowering", ["ort", "portable"])
def test_heads_that_are_gathered_need_no_pad(lowering: str) -> None:
    """Queries, keys and values, as exporters take them out of one product."""
    net = Net(np.random.default_rng(0).normal(size=(2, 4, 3, 5)))
    q, k, v = (net.op("Gather", "x", net.const(i, np.int64), axis=1) for i in (1, 2, 0))
    case = net.case(net.op("Mul", q, net.op("Sub", k, net.op("Tanh", v))))
    check(case, lowering)
    found = ops(build_gradient(prepare(case.model), lowering=lowering))
    assert (found["Pad"], found["Concat"]) == (1, 1)  # the fourth gives nothing


@drawn(60)
@given(draws=st.data(), lowering=FAMILY)
def test_windows_that_are_shifted(draws: st.DataObject, lowering: str) -> None:
    """A roll, as exporters write it, and uses of the value beside it."""
    draw = draws.draw
    net = Net(normal(draw, 2, 3, 5, 4))
    axis = integer(draw, 1, 3)
    cut = integer(draw, 1, net.x.shape[axis] - 1)
    bound, far = net.ints(cut), net.ints(choice(draw, net.x.shape[axis], 2**63 - 1))
    head = net.op("Slice", "x", net.ints(0), bound, net.ints(axis))
    tail = net.op("Slice", "x", bound, far, net.ints(axis))
    y = net.op("Concat", tail, head, axis=axis)
    if flag(draw):
        y = net.op("Mul", y, "x")
    case = net.case(y)
    check(case, lowering)
    found = ops(build_gradient(prepare(case.model), lowering=lowering))
    assert found["Pad"] == 0
