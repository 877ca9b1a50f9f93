"""TensorRT-RTX builds plans of every family, for GPUs that are not here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from checker import Net
from onnx import numpy_helper
from zoo import FAMILIES, Member

from pysal.backends.tensorrt_build import build_plan
from pysal.backends.tensorrt_library import Library, find_library
from pysal.backends.tensorrt_options import PlanOptions, known_capabilities
from pysal.errors import CapabilityError, OptionError, UnsupportedOpError
from pysal.export import build_forward, build_gradient, build_scaled, prepare
from pysal.export.passes.half import to_half

pytest.importorskip("tensorrt_rtx_bindings", exc_type=ImportError)
TARGETS = ("8.6", "8.9", "12.0")
FAST = {"squeezenet1_1": "8.6", "resnet18": "12.0"}
"""Families that are built in every run, for one GPU each."""
CASES = [
    pytest.param(
        name, FAST.get(name, TARGETS[i % 3]), marks=() if name in FAST else pytest.mark.slow
    )
    for i, name in enumerate(FAMILIES)
]
"""Every family, for one GPU in turn; in lower precisions each is built for all of them."""
PRECISIONS = [
    (name, precision)
    for i, name in enumerate(FAMILIES)
    for precision in ("fp16", ("tf32", "bf16")[i % 2])
]


@pytest.fixture(scope="module")
def library() -> Library:
    return find_library("tensorrt_rtx")


def build(library: Library, model: onnx.ModelProto, options: PlanOptions) -> int:
    """Bytes of a plan, after a look at its tensors."""
    plan = build_plan(library, model.SerializeToString(), options, "a graph")
    assert set(plan.inputs) == {i.name for i in model.graph.input}
    assert set(plan.outputs) == {o.name for o in model.graph.output}
    for value in (*model.graph.input, *model.graph.output):
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        assert {**plan.inputs, **plan.outputs}[value.name] == (-1, *dims[1:])
    return len(plan.data)


def weight_bytes(model: onnx.ModelProto) -> int:
    """Bytes of the weights; their copies for a backward pass count too."""
    return sum(numpy_helper.to_array(i).nbytes for i in model.graph.initializer)


@pytest.mark.parametrize(("name", "target"), CASES)
def test_every_family_is_built(
    name: str, target: str, library: Library, member: Callable[[str], Member]
) -> None:
    prepared = prepare(member(name).path)
    batch = (1, 4, 8) if target == "8.9" else (20, 20, 20)
    options = PlanOptions(batch=batch, capabilities=(target,))
    forward = build_forward(prepared)
    assert build(library, forward, options) > 0.9 * weight_bytes(forward)
    build(library, build_gradient(prepared, lowering="portable"), options)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision"), PRECISIONS)
def test_every_family_is_built_in_lower_precisions(
    name: str, precision: str, library: Library, member: Callable[[str], Member]
) -> None:
    prepared = prepare(member(name).path)
    options = PlanOptions(precision, (4, 4, 4), TARGETS)  # one plan for all three
    for model in (build_forward(prepared), build_gradient(prepared, lowering="portable")):
        narrow = to_half(model, precision) if precision != "tf32" else model
        build(library, narrow, options)


def small() -> onnx.ModelProto:
    net = Net(1 + 0 * Net([[[[0.0] * 9] * 9] * 3]).x)
    y = net.op("Conv", "x", net.const([[[[1.0] * 3] * 3] * 3] * 8), strides=[2, 2])
    y = net.op("MaxPool", net.op("Relu", y), kernel_shape=[2, 2], strides=[1, 1])
    y = net.op("ConvTranspose", net.op("HardSwish", y), net.const([[[[1.0] * 2] * 2] * 4] * 8))
    return net.case(y).model


@pytest.mark.parametrize("precision", ["tf32", "fp16", "bf16"])
def test_precisions_layers_and_factors_are_built(precision: str, library: Library) -> None:
    prepared = prepare(small())
    layer = next(name for name in prepared.layers if name.startswith("relu"))
    options = PlanOptions(precision, (2, 2, 2), TARGETS, 2**26)
    for model in (
        build_forward(prepared, [layer]),
        build_gradient(prepared, lowering="portable", wrt=("input", layer), taps=[layer]),
        build_gradient(prepared, lowering="portable", start=layer),
        build_scaled(prepared, [layer]),
    ):
        build(library, to_half(model, precision) if precision != "tf32" else model, options)


def test_targets_are_those_of_the_library(library: Library) -> None:
    assert set(TARGETS) <= set(known_capabilities(library))
    with pytest.raises(OptionError, match=r'"9.0" is none that TensorRT-RTX .* use 7\.5, 8\.0'):
        PlanOptions(capabilities=("9.0",)).check(library)
    model = build_forward(prepare(small())).SerializeToString()
    with pytest.raises(CapabilityError, match="cannot build it: ") as caught:
        build_plan(library, model, PlanOptions(), "it")  # for the GPU here: there is none
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rules", ["forward", "gradient"])
def test_operators_that_the_parser_refuses_are_named(rules: str, library: Library) -> None:
    model = build_forward(prepare(small()))
    node = next(n for n in model.graph.node if n.op_type == "Relu")
    node.op_type, node.name = "Bernoulli", "coin"
    data, options = model.SerializeToString(), PlanOptions(capabilities=("8.9",))
    with pytest.raises(UnsupportedOpError, match='Bernoulli "coin"') as caught:
        build_plan(library, data, options, f"the {rules} graph of net.onnx")
    assert f"does not take the {rules} graph of net.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_model_is_one_line(library: Library, tmp_path: Path) -> None:
    with pytest.raises((UnsupportedOpError, CapabilityError)) as caught:
        build_plan(library, b"not a model", PlanOptions(capabilities=("8.9",)), "it")
    assert "\n" not in str(caught.value)
