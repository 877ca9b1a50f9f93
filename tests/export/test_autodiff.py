"""The reverse walk, and the judge of rules: a slightly wrong rule must not pass."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import drawn
from cases import CASES
from checker import CLASSES, Net, check, gradient, planted, prepare
from hypothesis import given
from hypothesis import strategies as st

from pysal.errors import ModelFormatError, UnsupportedOpError
from pysal.export import build_gradient, unsupported_ops
from pysal.export.rules.gradient import GRADIENT
from pysal.export.rules.table import RuleTable

IMAGE = np.random.default_rng(5).normal(size=(2, 3, 5, 4)).astype(np.float32)


# ---- the judge -----------------------------------------------------------------------------------


def scaled(op_type: str, factor: float):
    """The right rule, a little off."""

    def wrong(g, node, dys):
        dxs = GRADIENT.rules[op_type](g, node, dys)
        return [dx and g.mul(dx, g.scalar(factor)) for dx in dxs]

    return wrong


def one_element_off(op_type: str):
    """The right rule, but the first column of the last axis gets nothing."""

    def wrong(g, node, dys):
        dx, *rest = GRADIENT.rules[op_type](g, node, dys)
        mask = np.ones(g.shape(node.inputs[0])[-1], np.float32)
        mask[0] = 0
        return [g.mul(dx, g.const(mask)), *rest]

    return wrong


def first_factor_only(g, node, dys):
    """A product whose second factor is taken for a term of a sum."""
    return g.mul(dys[0], node.inputs[1]), dys[0]


def reversed_permutation(g, node, dys):
    """The permutation itself where its inverse is due."""
    return (g.op("Transpose", dys[0], perm=node.attrs.get("perm", [3, 2, 1, 0])),)


WRONG = {
    "nearly one": ("Conv", scaled("Conv", 1.0003)),
    "sign": ("Sub", scaled("Sub", -1.0)),
    "edge of a window": ("Conv", one_element_off("Conv")),
    "edge of a pool": ("AveragePool", one_element_off("AveragePool")),
    "factor": ("Mul", first_factor_only),
    "inverse": ("Transpose", reversed_permutation),
    "maximum": ("MaxPool", GRADIENT.rules["AveragePool"]),
    "mask": ("Relu", GRADIENT.rules["Neg"]),
    "mean": ("ReduceMean", scaled("ReduceMean", 1.001)),
}


@pytest.mark.parametrize("lowering", ["ort", "portable"])
@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_rule_fails(name: str, lowering: str) -> None:
    op_type, rule = WRONG[name]
    failed = 0

    @drawn(8)
    @given(case=st.one_of(CASES[op_type]))
    def judge(case) -> None:
        nonlocal failed
        with planted(GRADIENT.overlay("planted", **{op_type: rule})) as rules:
            try:
                check(case, lowering, rules)
            except Exception:  # a wrong number, or a shape that the engine refuses
                failed += 1

    judge()
    assert failed >= 2


def test_an_overlay_leaves_the_table_as_it_is() -> None:
    overlay = GRADIENT.overlay("other", Relu=first_factor_only)
    assert overlay.rules["Relu"] is first_factor_only
    assert GRADIENT.rules["Relu"] is not first_factor_only
    assert overlay.rules["Conv"] is GRADIENT.rules["Conv"]
    assert overlay.broadcasting == GRADIENT.broadcasting


# ---- the walk ------------------------------------------------------------------------------------


def test_cotangents_of_all_uses_add_up() -> None:
    net = Net(IMAGE)
    a = net.op("Tanh", "x")
    b = net.op("Mul", a, a)
    c = net.op("Sub", net.op("Add", b, a), net.op("Mul", "x", net.op("ReduceMean", b, net.ints(1))))
    check(net.case(net.op("Sum", c, a, "x", a)))


def test_a_value_used_twice_by_one_node() -> None:
    net = Net(IMAGE)
    check(net.case(net.op("Concat", "x", "x", net.op("Mul", "x", "x"), axis=1)))


def test_nothing_flows_through_constant_operators() -> None:
    net = Net(IMAGE)
    steps = net.op("Floor", "x")
    mask = net.op("Cast", net.op("Greater", "x", net.const(0.0)), to=1)
    check(net.case(net.op("Add", net.op("Mul", "x", mask), net.op("Mul", steps, steps))))


def test_whole_numbers_carry_no_cotangent() -> None:
    net = Net(IMAGE)
    whole = net.op("Cast", "x", to=7)
    back = net.op("Cast", net.op("Add", whole, whole), to=1)
    check(net.case(net.op("Mul", "x", back)))


def test_shape_arithmetic_is_no_obstacle() -> None:
    net = Net(IMAGE)
    batch = net.op("Gather", net.op("Shape", "x"), net.const(0, np.int64), axis=0)
    target = net.op("Concat", net.op("Unsqueeze", batch, net.ints(0)), net.ints(-1), axis=0)
    y = net.op("Reshape", net.op("Tanh", "x"), target)
    model = net.case(net.op("MatMul", y, net.const(np.ones((IMAGE[0].size, 3)))))
    check(model)


def test_all_operators_without_a_rule_are_listed_with_their_nodes() -> None:
    net = Net(IMAGE)
    y = net.op("Tan", net.op("Hardmax", "x", axis=3))
    y = net.op("Add", net.op("Tan", "x"), net.op("Relu", y))
    model = net.case(y).model
    names = {
        n.op_type: [m.name for m in model.graph.node if m.op_type == n.op_type]
        for n in model.graph.node
    }
    prepared = prepare(model)
    found = unsupported_ops(prepared)
    assert {op: sorted(nodes) for op, nodes in found.items()} == {
        op: sorted(names[op]) for op in ("Tan", "Hardmax")
    }
    with pytest.raises(UnsupportedOpError) as caught:
        build_gradient(prepared)
    for text in ('"gradient"', "Tan", "Hardmax", *names["Tan"], *names["Hardmax"]):
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_variants_without_a_rule_are_listed() -> None:
    net = Net(IMAGE)
    weight = net.op("ReduceMean", "x", net.ints(0), keepdims=1)
    first = net.op("Conv", "x", weight)
    y = net.op("Conv", "x", net.op("Neg", weight))
    model = net.case(net.op("Add", first, y)).model
    with pytest.raises(UnsupportedOpError) as caught:
        build_gradient(prepare(model))
    assert str(caught.value).count("its weights are computed") == 2


def test_operators_off_the_path_need_no_rule() -> None:
    net = Net(IMAGE)
    side = net.op("Sin", net.const(1.0))
    case = net.case(net.op("Mul", "x", side))
    assert unsupported_ops(prepare(case.model)) == {}
    check(case)


def test_scores_that_do_not_depend_on_the_image_are_refused() -> None:
    net = Net(IMAGE)
    model = net.case(net.op("Sign", "x")).model
    with pytest.raises(ModelFormatError, match="do not depend on x"):
        build_gradient(prepare(model))


def test_a_rule_with_a_wrong_count_is_a_fault_of_ours() -> None:
    net = Net(IMAGE)
    model = net.case(net.op("Tanh", "x")).model
    table = GRADIENT.overlay("planted", Tanh=lambda g, node, dys: (dys[0], dys[0]))
    with planted(table) as rules, pytest.raises(AssertionError, match="2 of 1"):
        build_gradient(prepare(model), rules=rules)


def test_a_new_table_starts_empty() -> None:
    table = RuleTable("new")
    table.rule("Relu", broadcast=True)(first_factor_only)
    assert table.knows("Relu")
    assert not table.knows("Conv")
    assert table.broadcasting == {"Relu"}


def test_every_image_of_a_batch_has_its_own_gradient() -> None:
    net = Net(np.random.default_rng(0).normal(size=(3, 3, 5, 4)))
    conv = net.op("Conv", "x", net.const(np.random.default_rng(1).normal(size=(4, 3, 2, 2))))
    case = net.case(net.op("Softmax", net.op("Relu", conv), axis=1))
    prepared, seed = prepare(case.model), np.ones((3, CLASSES))
    seed[1] *= -2
    together = gradient(prepared, case.x, seed)["pysal/input_gradient"]
    for i in range(3):
        alone = gradient(prepared, case.x[i : i + 1], seed[i : i + 1])["pysal/input_gradient"]
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-5, atol=1e-6)
