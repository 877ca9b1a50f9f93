"""Every modified rule table against its naive replica, on random small nets and on real designs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from case_table import FAMILY, drawn
from checker import Case, Net, gradient, prepare, run
from hypothesis import given
from naive_rules import TABLES, naive
from random_nets import networks
from table_judge import EXCITATION, LOWERING, RULES, agree, assert_same, seeds
from zoo import CLASSES, Member

from pysal.export import build_gradient
from pysal.export.lowerings import LOWERINGS
from pysal.export.rules.tables import TABLES as OURS


def test_every_table_has_a_replica() -> None:
    assert set(OURS) == set(TABLES)
    assert all(table.name == name for name, table in OURS.items())


@pytest.mark.parametrize("rules", RULES)
def test_table_is_its_replica_on_random_nets(rules: str) -> None:
    @drawn(40)
    @given(case=networks(), lowering=FAMILY)
    def agrees(case: Case, lowering: str) -> None:
        agree(case, rules, lowering)

    agrees()


# ---- what must not leak from the gradient --------------------------------------------------------


@LOWERING
def test_deconvnet_does_not_see_what_was_active(lowering: str) -> None:
    """Windows that are zero behind a ReLU pass the signal on, to their first element."""
    net = Net(-np.ones((1, 3, 4, 4)))
    y = net.op("MaxPool", net.op("Relu", "x"), kernel_shape=[2, 2], strides=[2, 2])
    model = net.model(net.op("Flatten", y), ("N", 12))
    seed = np.arange(-4, 8, dtype=np.float32)[None]
    found = gradient(prepare(model), net.x, seed, rules="deconvnet", lowering=lowering)
    expected = np.zeros((1, 3, 4, 4))
    expected[:, :, ::2, ::2] = seed.reshape(1, 3, 2, 2).clip(min=0)
    np.testing.assert_array_equal(found["pysal/input_gradient"], expected)


@LOWERING
def test_a_wanted_layer_before_a_pool_gets_its_whole_cotangent(lowering: str) -> None:
    """The gradient at a ReLU's output in front of max pooling, zero windows included."""
    rng = np.random.default_rng(7)
    net = Net(rng.normal(size=(2, 3, 6, 6)) - 1.0)
    first = net.op("Relu", "x")
    both = net.op("Concat", first, net.op("Relu", net.op("Neg", "x")), axis=1)
    case = net.case(net.op("MaxPool", both, kernel_shape=[2, 2], strides=[2, 2]))
    seed = seeds("", 2)
    for layer_name in (first, both):
        expected = naive(case.model, "gradient", case.x, seed, wrt=layer_name)
        options = {"wrt": ("input", layer_name), "lowering": lowering}
        found = gradient(prepare(case.model), case.x, seed, **options)
        assert_same(found[f"pysal/gradient/{layer_name}"], expected)
        expected = naive(case.model, "gradient", case.x, seed)
        assert_same(found["pysal/input_gradient"], expected)


# ---- real designs --------------------------------------------------------------------------------

DESIGNS = {
    name: RULES
    if name != "mobilenet_v2"
    else [r for r in RULES if r not in EXCITATION]  # its linear bottlenecks make inputs negative
    for name in ("resnet18", "vgg11", "squeezenet1_1", "mobilenet_v2")
}
PAIRS = [
    pytest.param(rules, name, marks=pytest.mark.slow if name != "resnet18" else ())
    for name, tables in DESIGNS.items()
    for rules in tables
]
IMAGES = 3
FLIPPED = 0.1
"""What units decided by the last digit may change of an image's signal."""


@pytest.mark.parametrize(("rules", "name"), PAIRS)
def test_table_is_its_replica_on_exported_networks(
    rules: str, name: str, member: Callable[[str], Member]
) -> None:
    net = member(name)
    prepared, model = prepare(net.path), onnx.load(net.path)
    x = net.x[:IMAGES].numpy()
    seed = np.eye(CLASSES, dtype=np.float32)[net.target[:IMAGES].numpy()]
    wrt = "input"
    if rules in EXCITATION:
        wrt = next(n.output[0] for n in model.graph.node if n.op_type in ("Relu", "Clip"))
    expected = naive(model, rules, x, seed, wrt=None if wrt == "input" else wrt)
    for lowering in LOWERINGS:
        graph = build_gradient(prepared, rules=rules, lowering=lowering, wrt=(wrt,))
        feeds = {"pysal/seed": seed, "pysal/seed_probability": np.zeros_like(seed)}
        found = list(run(graph, {prepared.input_name: x, **feeds}).values())[-1]
        assert found.shape == expected.shape
        norms = np.linalg.norm(expected.reshape(IMAGES, -1), axis=1)
        errors = np.linalg.norm((found - expected).reshape(IMAGES, -1), axis=1) / (norms + 1e-30)
        assert np.median(errors) < 1e-3
        assert errors.max() < FLIPPED
