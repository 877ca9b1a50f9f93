"""Layers that methods take by default: for maps, for contrast, as features."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checker import Net, prepare
from zoo import FAMILIES, Member

from pysal.export import PreparedModel, build_forward, build_gradient

CAM = {
    **dict.fromkeys(("alexnet", "vgg11", "vgg11_bn"), "MaxPool"),
    **dict.fromkeys(("resnet18", "resnet50", "resnext50", "wide_resnet50"), "Relu"),
    **dict.fromkeys(("densenet121", "shufflenet_v2", "mnasnet0_5"), "Relu"),
    **dict.fromkeys(("regnet_y", "regnet_x"), "Relu"),
    **dict.fromkeys(("inception_v3", "googlenet", "squeezenet1_0", "squeezenet1_1"), "Concat"),
    **{"mobilenet_v2": "Clip", "mobilenet_v3_small": "HardSwish", "efficientnet_b0": "Mul"},
    **{"mobilenet_v3_large": "HardSwish"},
}
"""What writes the layer of class activation maps."""


def node(prepared: PreparedModel, value: str) -> Any:
    return next(n for n in prepared.model.graph.node if value in n.output)


def shape(prepared: PreparedModel, value: str) -> list[int]:
    infos = (*prepared.model.graph.value_info, *prepared.model.graph.output)
    dims = next(v for v in infos if v.name == value).type.tensor_type.shape.dim
    return [d.dim_value for d in dims]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if FAMILIES[n].slow else ()) for n in CAM]
)
def test_families(name: str, member: Callable[[str], Member]) -> None:
    prepared = prepare(member(name).path)
    cam, contrast = prepared.last_spatial_layer, prepared.contrast_layer
    assert node(prepared, cam).op_type == CAM[name]
    assert cam in prepared.spatial_layers
    assert contrast in prepared.layers
    if not name.startswith("squeezenet"):
        assert len(shape(prepared, contrast)) == 2
        users = [n.op_type for n in prepared.model.graph.node if cam in n.input]
        assert len(users) == 1 or name == "inception_v3"  # its images are small: cut at 17 x 17
    features = prepared.feature_layers
    convs = [n for n in prepared.model.graph.node if n.op_type == "Conv"]
    tied = name.startswith("squeezenet")
    assert sum(kind == "conv" for kind in features.values()) == len(convs) - tied
    assert prepared.logits not in features
    assert set(features) <= set(prepared.layers)


def test_the_networks_of_the_data_folder(data: Path) -> None:
    squeezenet = prepare(data / "models" / "squeezenet1.1.onnx")
    assert squeezenet.last_spatial_layer == "fire9/concat_1"
    assert shape(squeezenet, squeezenet.contrast_layer) == [0, 512, 13, 13]
    mobilenet = prepare(data / "models" / "mobilenet_v2.onnx")
    assert node(mobilenet, mobilenet.last_spatial_layer).op_type == "Clip"
    assert shape(mobilenet, mobilenet.last_spatial_layer) == [0, 1280, 7, 7]


def channels_last() -> tuple[Net, str]:
    """A block as in ConvNeXt: depth-wise Conv, then norm and matrix products in (N, H, W, C)."""
    rng = np.random.default_rng(0)
    net = Net(rng.normal(size=(1, 4, 8, 8)))
    y = net.op("Conv", "x", net.const(rng.normal(size=(4, 1, 3, 3))), group=4, pads=[1] * 4)
    y = net.op("Transpose", y, perm=[0, 2, 3, 1])
    y = net.op("LayerNormalization", y, net.const(np.ones(4)), net.const(np.zeros(4)))
    y = net.op("MatMul", y, net.const(rng.normal(size=(4, 6))))
    y = net.op("MatMul", net.op("Gelu", y), net.const(rng.normal(size=(6, 4))))
    y = net.op("Transpose", y, perm=[0, 3, 1, 2])
    return net, net.op("Add", y, "x")


def test_channels_last_values_are_no_spatial_layers() -> None:
    net, block = channels_last()
    net.opset = 20
    logits = net.op("Flatten", net.op("GlobalAveragePool", block))
    prepared = prepare(net.model(net.op("Gemm", logits, net.const(np.ones((4, 3)))), ("N", 3)))
    assert prepared.last_spatial_layer == block
    kinds = [node(prepared, name).op_type for name in prepared.spatial_layers]
    assert kinds == ["Conv", "Transpose", "Add"]
    assert prepared.receptive_field(block)[0].size == 3


def test_features_have_kinds() -> None:
    rng = np.random.default_rng(1)
    net = Net(rng.normal(size=(1, 3, 8, 8)))
    conv = net.op("Conv", "x", net.const(rng.normal(size=(4, 3, 3, 3))))
    stats = [net.const(v) for v in np.ones((4, 4))]
    norm = net.op("BatchNormalization", conv, *stats)
    silu = net.op("Mul", norm, net.op("Sigmoid", norm))
    mean = net.op("GlobalAveragePool", silu)
    gate = net.op("Sigmoid", net.op("Conv", mean, net.const(rng.normal(size=(4, 4, 1, 1)))))
    gated = net.op("Mul", silu, gate)
    both = net.op("Concat", gated, net.op("Add", gated, silu), axis=1)
    pooled = net.op("ReduceMean", both, net.ints(2, 3), keepdims=0)
    hidden = net.op("MatMul", pooled, net.const(rng.normal(size=(8, 5))))
    hidden = net.op("Add", hidden, net.const(rng.normal(size=5)))
    relu = net.op("Relu", net.op("Dropout", hidden))
    net.opset = 18
    logits = net.op("Gemm", relu, net.const(rng.normal(size=(5, 3))))
    prepared = prepare(net.model(net.op("Relu", logits), ("N", 3)))
    found = [(node(prepared, n).op_type, kind) for n, kind in prepared.feature_layers.items()]
    assert found == [
        *(("Conv", "conv"), ("BatchNormalization", "norm"), ("Mul", "activation")),
        *(("GlobalAveragePool", "pool"), ("Conv", "conv"), ("Add", "merge"), ("Concat", "merge")),
        *(("ReduceMean", "pool"), ("Add", "linear"), ("Relu", "activation")),
    ]
    assert prepared.contrast_layer == relu


def test_networks_without_such_layers() -> None:
    net = Net(np.ones((1, 3, 4, 4)))
    flat = net.op("Flatten", "x")
    prepared = prepare(net.model(net.op("Gemm", flat, net.const(np.ones((48, 3)))), ("N", 3)))
    assert prepared.last_spatial_layer is None
    assert prepared.contrast_layer == flat
    assert prepared.feature_layers == {}
    net = Net(np.ones((1, 3, 1, 1)))
    prepared = prepare(net.model(net.op("Conv", "x", net.const(np.ones((4, 3, 1, 1)))), None))
    assert prepared.contrast_layer is None
    assert prepared.spatial_layers == ()


def test_metadata_has_the_layers(member: Callable[[str], Member]) -> None:
    prepared = prepare(member("resnet18").path)
    for model in (build_forward(prepared), build_gradient(prepared)):
        found = {p.key: p.value for p in model.metadata_props}
        facts = json.loads(found["pysal.model"])
        assert facts["cam_layer"] == prepared.last_spatial_layer
        assert facts["contrast_layer"] == prepared.contrast_layer
        assert facts["feature_layers"] == prepared.feature_layers
        assert list(facts["feature_layers"]) == list(prepared.feature_layers)
        assert set(facts["receptive_fields"]) == set(prepared.feature_layers)
        first = next(iter(prepared.feature_layers))
        assert facts["receptive_fields"][first] == [[7, 2, 0.0], [7, 2, 0.0]]
