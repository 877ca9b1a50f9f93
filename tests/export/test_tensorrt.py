"""TensorRT reads every gradient model; its parser needs no GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from checker import Net
from zoo import Member, families

from pysal.export import build_gradient, prepare
from pysal.export.rules.tables import TABLES

trt = pytest.importorskip("tensorrt_rtx_bindings", exc_type=ImportError)
LARGER = ["vgg11_bn", "mobilenet_v2"]
LOWERINGS = pytest.mark.parametrize("lowering", ["portable", "ort"])


@pytest.fixture(scope="module")
def builder() -> Any:
    return trt.Builder(trt.Logger(trt.Logger.ERROR))


def parse(builder: Any, model: onnx.ModelProto) -> Any:
    """Network that TensorRT makes of a model; fails with the parser's own words."""
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, builder.logger)
    read = parser.parse(model.SerializeToString())
    problems = [parser.get_error(i).desc() for i in range(parser.num_errors)]
    assert read, problems
    inputs = {network.get_input(i).name for i in range(network.num_inputs)}
    outputs = {network.get_output(i).name for i in range(network.num_outputs)}
    assert inputs == {i.name for i in model.graph.input}
    assert outputs == {o.name for o in model.graph.output}
    return network, parser


@LOWERINGS
@pytest.mark.parametrize("name", families())
def test_parser_reads_the_families(
    name: str, lowering: str, builder: Any, member: Callable[[str], Member]
) -> None:
    parse(builder, build_gradient(prepare(member(name).path), lowering=lowering))


@LOWERINGS
@pytest.mark.parametrize("name", ["squeezenet1.1", "mobilenet_v2"])
def test_parser_reads_the_real_networks(name: str, lowering: str, builder: Any, data: Path) -> None:
    prepared = prepare(data / "models" / f"{name}.onnx")
    parse(builder, build_gradient(prepared, lowering=lowering))


@LOWERINGS
@pytest.mark.parametrize("rules", sorted(TABLES))
@pytest.mark.parametrize(
    "name", ["resnet18", *(pytest.param(n, marks=pytest.mark.slow) for n in LARGER)]
)
def test_parser_reads_the_rule_tables(
    name: str, rules: str, lowering: str, builder: Any, member: Callable[[str], Member]
) -> None:
    prepared = prepare(member(name).path)
    options = {"rules": rules, "lowering": lowering}
    parse(builder, build_gradient(prepared, **options))
    early, late = prepared.spatial_layers[1], prepared.last_spatial_layer
    parse(builder, build_gradient(prepared, **options, wrt=(early,), start=late))


@LOWERINGS
@pytest.mark.parametrize("rules", sorted(TABLES))
def test_an_engine_is_built(rules: str, lowering: str, builder: Any) -> None:
    """Overlapping pool, strided convolution, clip: for one GPU, without one."""
    rng = np.random.default_rng(0)
    net = Net(rng.normal(size=(1, 3, 17, 17)))
    y = net.op("Conv", "x", net.const(rng.normal(size=(8, 3, 3, 3))), strides=[2, 2])
    y = net.op("MaxPool", net.op("Relu", y), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    case = net.case(net.op("Clip", y, net.const(0.0), net.const(6.0)))
    network, _parser = parse(
        builder, build_gradient(prepare(case.model), rules=rules, lowering=lowering)
    )
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        sizes = list(tensor.shape)[1:]
        profile.set_shape(tensor.name, (1, *sizes), (4, *sizes), (8, *sizes))
    config.add_optimization_profile(profile)
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    assert builder.build_serialized_network(network, config) is not None
