"""Quantized files of real tools: a trained network, layers that methods take, TensorRT's parser."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from checker import run
from naive_rules import naive
from onnx import helper
from quantizing import INT8, quantized
from zoo import Member

from pysal.export import PreparedModel, build_gradient, prepare
from pysal.export.rules.tables import TABLES
from pysal.photos import load_photos
from pysal.preprocess import Preprocess

SYMMETRIC = {"ActivationSymmetric": True, "WeightSymmetric": True}
FOR_TENSORRT = {
    "activation_type": INT8,
    "extra_options": {**SYMMETRIC, "QuantizeBias": False, "AddQDQPairToWeight": True},
}


@functools.cache
def photos(data: Path, name: str, first: int, count: int) -> np.ndarray:
    record = Preprocess.from_json(data / "models" / f"{name}.json")
    paths = sorted((data / "photos").glob("*.jpg"))[first : first + count]
    return load_photos(paths, record, (3, 224, 224)).batch


@pytest.fixture(scope="module")
def squeezenet(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Function from options of the quantizer to the quantized SqueezeNet."""
    folder, name = tmp_path_factory.mktemp("squeezenet"), "squeezenet1.1"

    @functools.cache
    def made(per_channel: bool) -> Path:
        out = folder / f"{per_channel}.onnx"
        images = photos(data, name, 20, 4)
        return quantized(data / "models" / f"{name}.onnx", out, images, per_channel=per_channel)

    return made


def with_relus(quantized_model: Path, parent: Path) -> onnx.ModelProto:
    """The quantized model with the ReLUs of its float parent where the quantizer dropped them."""
    model, relus = onnx.load(quantized_model), set()
    for node in onnx.load(parent).graph.node:
        relus.update(node.output if node.op_type == "Relu" else ())
    for place in reversed(range(len(model.graph.node))):
        node = model.graph.node[place]
        if node.op_type == "Conv" and node.output[0] in relus:
            name = node.output[0]
            node.output[0] = f"{name}/linear"
            relu = helper.make_node("Relu", [node.output[0]], [name], name=f"{name}/relu")
            model.graph.node.insert(place + 1, relu)
    del model.graph.value_info[:]
    return model


@pytest.mark.slow
@pytest.mark.parametrize("per_channel", [False, True])
def test_gradient_of_a_quantized_squeezenet(
    per_channel: bool, squeezenet: Callable[..., Path], data: Path
) -> None:
    """Against fake quantization in float64; values in the middle of two steps may round apart."""
    path, x = squeezenet(per_channel), photos(data, "squeezenet1.1", 0, 2)
    prepared = prepare(path)
    reference = with_relus(path, data / "models" / "squeezenet1.1.onnx")
    assert sum(node.op_type == "Relu" for node in reference.graph.node) == 26
    pool = next(n for n in reference.graph.node if n.op_type == "GlobalAveragePool").output[0]
    zero = np.zeros((len(x), 1000), np.float32)
    for lowering in ("ort", "portable"):
        graph = build_gradient(prepared, lowering=lowering)
        feeds = {prepared.input_name: x, "pysal/seed": zero, "pysal/seed_probability": zero}
        if lowering == "ort":
            logits = run(graph, feeds)["pysal/logits"]
            seed = np.eye(1000, dtype=np.float32)[logits.argmax(1)]
            expected = naive(reference, "gradient", x, seed, start=pool)
        found = run(graph, {**feeds, "pysal/seed": seed})["pysal/input_gradient"]
        for mine, wanted in zip(found.astype(np.float64), expected, strict=True):
            cosine = (mine * wanted).sum() / np.linalg.norm(mine) / np.linalg.norm(wanted)
            assert cosine > 0.99
            assert abs(np.linalg.norm(mine) / np.linalg.norm(wanted) - 1) < 0.05


# ---- layers --------------------------------------------------------------------------------------


def source(prepared: PreparedModel, value: str | None) -> str:
    """The value in front of a pair."""
    made = {n.output[0]: n for n in prepared.model.graph.node}
    for kind in ("DequantizeLinear", "QuantizeLinear"):
        assert made[str(value)].op_type == kind
        value = made[str(value)].input[0]
    return str(value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "vgg11", "mobilenet_v2"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_layers_are_those_of_the_parent(
    name: str, symmetric: bool, member: Callable[[str], Member], tmp_path: Path
) -> None:
    """Maps are taken of what the integer layers read: the values behind the pair."""
    net = member(name)
    options: dict[str, Any] = {"extra_options": SYMMETRIC, "activation_type": INT8}
    path = quantized(
        net.path, tmp_path / "q.onnx", net.x[:1].numpy(), **(options if symmetric else {})
    )
    parent, found = prepare(net.path), prepare(path)
    before, after = ((p.last_spatial_layer, p.contrast_layer) for p in (parent, found))
    shapes = [dict(_shapes(p.model)) for p in (parent, found)]
    for old, new in zip(before, after, strict=True):
        source(found, new)
        assert shapes[0][old] == shapes[1][new]
    kinds = [sorted(p.feature_layers.values()) for p in (parent, found)]
    assert kinds[0].count("conv") == kinds[1].count("conv")
    assert kinds[0].count("activation") == kinds[1].count("activation")
    fields = [p.receptive_field(p.last_spatial_layer) for p in (parent, found)]
    assert fields[0] == fields[1]


def _shapes(model: onnx.ModelProto) -> Any:
    for value in (*model.graph.value_info, *model.graph.output):
        yield value.name, [d.dim_value for d in value.type.tensor_type.shape.dim]


# ---- TensorRT ------------------------------------------------------------------------------------


def problems(model: onnx.ModelProto) -> list[str]:
    """What TensorRT's parser says against a model."""
    trt = pytest.importorskip("tensorrt_rtx_bindings", exc_type=ImportError)
    builder = trt.Builder(trt.Logger(trt.Logger.INTERNAL_ERROR))
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, builder.logger)
    parser.parse(model.SerializeToString())
    return [parser.get_error(i).desc() for i in range(parser.num_errors)]


@pytest.mark.parametrize("lowering", ["portable", pytest.param("ort", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "rules",
    ["gradient", *(pytest.param(r, marks=pytest.mark.slow) for r in sorted(set(TABLES)))],
)
def test_tensorrt_reads_symmetric_models(
    rules: str, lowering: str, member: Callable[[str], Member], tmp_path: Path
) -> None:
    """int8 with zero point 0, float biases, weights with a pair of their own."""
    net = member("resnet18")
    path = quantized(net.path, tmp_path / "q.onnx", net.x[:1].numpy(), **FOR_TENSORRT)
    assert not problems(build_gradient(prepare(path), rules=rules, lowering=lowering))


def test_tensorrt_refuses_other_zero_points(
    member: Callable[[str], Member], tmp_path: Path
) -> None:
    """The forward model alone is refused too: a rule of TensorRT, not of the backward pass."""
    net = member("resnet18")
    path = quantized(net.path, tmp_path / "q.onnx", net.x[:1].numpy())
    assert problems(onnx.load(path))
    assert problems(build_gradient(prepare(path), lowering="portable"))
