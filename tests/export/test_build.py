"""Gradient models as a whole: seeds, layers, taps, metadata, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from checker import CLASSES, Net, prepare, run

from pysal.errors import InputError, ModelFormatError, OptionError
from pysal.export import build_forward, build_gradient, save, save_model

RNG = np.random.default_rng(7)
X = RNG.normal(size=(3, 3, 8, 8)).astype(np.float32)
CONV = RNG.normal(size=(5, 3, 3, 3)).astype(np.float32)
DENSE = RNG.normal(size=(CLASSES, 5)).astype(np.float32)
LOWERINGS = pytest.mark.parametrize("lowering", ["ort", "portable"])
ENDS = pytest.mark.parametrize("end", ["Softmax", "Sigmoid", ""])


def network(end: str = "Softmax", opset: int = 18) -> onnx.ModelProto:
    net = Net(X, opset)
    conv = net.op("Conv", "x", net.const(CONV), strides=[2, 2], pads=[1, 1, 1, 1])
    pooled = net.op("GlobalAveragePool", net.op("Relu", conv))
    zero = net.const(np.zeros(CLASSES))
    logits = net.op("Gemm", net.op("Flatten", pooled), net.const(DENSE), zero, transB=1)
    attrs = {"axis": 1} if end == "Softmax" else {}
    return net.model(net.op(end, logits, **attrs) if end else logits, ("N", CLASSES))


def by_torch(end: str, seed: np.ndarray, seed_probability: np.ndarray) -> dict[str, np.ndarray]:
    """The same network in torch: values, and gradients of <seed, z> + <seed_probability, p>."""
    x = torch.from_numpy(X).double().requires_grad_()
    conv = F.conv2d(x, torch.from_numpy(CONV).double(), stride=2, padding=1)
    relu = torch.relu(conv)
    z = relu.mean((2, 3)) @ torch.from_numpy(DENSE).double().T
    p = torch.sigmoid(z) if end == "Sigmoid" else z.softmax(1)
    total = (z * torch.from_numpy(seed)).sum() + (p * torch.from_numpy(seed_probability)).sum()
    grads = torch.autograd.grad(total, [x, conv, relu])
    found = {"logits": z, "probabilities": p, "conv": conv, "relu": relu}
    found |= dict(zip(("d_x", "d_conv", "d_relu"), grads, strict=True))
    return {name: value.detach().numpy() for name, value in found.items()}


def layer(prepared, op_type: str) -> str:
    return next(n.output[0] for n in prepared.model.graph.node if n.op_type == op_type)


def close(given: np.ndarray, expected: np.ndarray) -> None:
    scale = np.abs(expected).max()
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=2e-6 * scale)


@LOWERINGS
@ENDS
@pytest.mark.parametrize("kind", ["logit", "probability", "both"])
def test_both_seeds_give_the_gradient_of_torch(end: str, kind: str, lowering: str) -> None:
    seed, seed_p = RNG.normal(size=(2, 3, CLASSES)).astype(np.float32)
    seed = seed * (kind != "probability")
    seed_p = seed_p * (kind != "logit")
    model = build_gradient(prepare(network(end)), lowering=lowering)
    found = run(model, {"x": X, "pysal/seed": seed, "pysal/seed_probability": seed_p})
    expected = by_torch(end, seed, seed_p)
    close(found["pysal/logits"], expected["logits"])
    close(found["pysal/probabilities"], expected["probabilities"])
    close(found["pysal/input_gradient"], expected["d_x"])


@LOWERINGS
def test_layers_and_taps_are_those_of_hooks_in_torch(lowering: str) -> None:
    prepared = prepare(network())
    conv, relu = layer(prepared, "Conv"), layer(prepared, "Relu")
    seed, seed_p = RNG.normal(size=(2, 3, CLASSES)).astype(np.float32)
    model = build_gradient(
        prepared, lowering=lowering, wrt=("input", conv, relu), taps=(relu, conv)
    )
    found = run(model, {"x": X, "pysal/seed": seed, "pysal/seed_probability": seed_p})
    expected = by_torch("Softmax", seed, seed_p)
    close(found[conv], expected["conv"])
    close(found[relu], expected["relu"])
    close(found["pysal/input_gradient"], expected["d_x"])
    close(found[f"pysal/gradient/{conv}"], expected["d_conv"])
    close(found[f"pysal/gradient/{relu}"], expected["d_relu"])


def test_a_layer_alone_needs_no_walk_below_it() -> None:
    prepared = prepare(network())
    relu = layer(prepared, "Relu")
    alone = build_gradient(prepared, wrt=(relu,))
    assert [o.name for o in alone.graph.output][-1] == f"pysal/gradient/{relu}"
    assert len(alone.graph.node) < len(build_gradient(prepared).graph.node)


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize("end", ["Softmax", "Sigmoid"])
def test_the_slope_of_a_probability_next_to_1_does_not_cancel(end: str, opset: int) -> None:
    """Seeds of any size; the layer is the logits, so nothing else rounds."""
    net = Net(np.zeros((1, 3, 2, 2)), opset)
    matrix = np.random.default_rng(0).normal(size=(12, CLASSES))
    bias = net.const(np.linspace(15, 0, CLASSES))
    logits = net.op("Gemm", net.op("Flatten", "x"), net.const(matrix), bias)
    model = net.model(net.op(end, logits), ("N", CLASSES))
    built = build_gradient(prepare(model), wrt=(logits,))
    x = np.random.default_rng(1).normal(scale=0.1, size=(3, 3, 2, 2)).astype(np.float32)
    none, one = np.zeros((3, CLASSES), np.float32), np.eye(CLASSES, dtype=np.float32)[[0, 1, 0]]
    for size in (1.0, 1e-6, 1e6):
        seed = np.float32(size) * one
        found = run(built, {"x": x, "pysal/seed": none, "pysal/seed_probability": seed})
        z = torch.from_numpy(found["pysal/logits"]).double().requires_grad_()
        p = z.sigmoid() if end == "Sigmoid" else z.softmax(1)
        (p * torch.from_numpy(seed)).sum().backward()
        np.testing.assert_allclose(found[f"pysal/gradient/{logits}"], z.grad.numpy(), rtol=1e-5)


@LOWERINGS
@ENDS
def test_log_odds_times_their_slope_are_the_gradient_of_the_probability(
    end: str, lowering: str
) -> None:
    model = build_gradient(prepare(network(end)), lowering=lowering, log_odds=True)
    assert [i.name for i in model.graph.input] == ["x", "pysal/seed", "pysal/seed_log_odds"]
    assert [o.name for o in model.graph.output] == ["pysal/logits", "pysal/input_gradient"]
    one, none = np.eye(3, CLASSES, k=1, dtype=np.float32), np.zeros((3, CLASSES), np.float32)
    found = run(model, {"x": X, "pysal/seed": none, "pysal/seed_log_odds": one})
    expected = by_torch(end, none, one)
    p = (expected["probabilities"] * one).sum(1)[:, None, None, None]
    close(found["pysal/input_gradient"] * p * (1 - p), expected["d_x"])
    found = run(model, {"x": X, "pysal/seed": one, "pysal/seed_log_odds": none})
    close(found["pysal/input_gradient"], by_torch(end, one, none)["d_x"])


def test_layers_below_a_dead_branch_are_refused() -> None:
    net = Net(X)
    side = net.op("Sign", net.op("Tanh", "x"))
    prepared = prepare(net.case(net.op("Mul", "x", side)).model)
    with pytest.raises(ModelFormatError, match="do not depend on tanh"):
        build_gradient(prepared, wrt=(layer(prepared, "Tanh"),))


def test_unknown_names_are_refused_with_those_that_exist() -> None:
    prepared = prepare(network())
    for options, word in (
        ({"rules": "gradients"}, '"gradient'),
        ({"lowering": "cuda"}, "portable"),
        ({"wrt": ("conv9",)}, "conv9"),
        ({"taps": ("conv9",)}, "conv9"),
        ({"taps": ("pysal/seed",)}, "pysal/seed"),
    ):
        with pytest.raises(OptionError) as caught:
            build_gradient(prepared, **options)
        assert word in str(caught.value)
    with pytest.raises(OptionError, match="conv9"):
        build_forward(prepared, taps=("conv9",))


def test_the_forward_model_has_scores_and_taps_only() -> None:
    prepared = prepare(network())
    relu = layer(prepared, "Relu")
    model = build_forward(prepared, taps=(relu,))
    assert [i.name for i in model.graph.input] == ["x"]
    found = run(model, {"x": X})
    expected = by_torch("Softmax", *np.zeros((2, 3, CLASSES)))
    assert set(found) == {"pysal/logits", relu}
    close(found["pysal/logits"], expected["logits"])
    close(found[relu], expected["relu"])


@LOWERINGS
@pytest.mark.parametrize("opset", [7, 11, 13, 18, 21])
def test_models_pass_the_checker_with_shapes(opset: int, lowering: str) -> None:
    prepared = prepare(network(opset=opset))
    assert prepared.source_opset == opset
    model = build_gradient(prepared, lowering=lowering)
    onnx.checker.check_model(model, full_check=True)
    onnx.checker.check_model(build_forward(prepared), full_check=True)
    assert all(n.domain in ("", "ai.onnx") for n in model.graph.node)


def test_forward_nodes_stay_as_they_are() -> None:
    model = network()
    built = build_gradient(prepare(model))
    names = [n.name for n in model.graph.node if n.op_type != "Softmax"]
    kept = {n.name: n for n in built.graph.node}
    for node in model.graph.node:
        if node.name in names:
            assert kept[node.name] == node


def test_layers_are_the_values_between_image_and_logits() -> None:
    prepared = prepare(network())
    assert prepared.layers[0] == layer(prepared, "Conv")
    assert prepared.layers[-1] == prepared.logits
    assert layer(prepared, "Softmax") not in prepared.layers


# ---- files ---------------------------------------------------------------------------------------


def test_metadata_says_what_the_model_is(tmp_path: Path) -> None:
    model = network("Sigmoid", opset=13)
    model.metadata_props.add(key="pysal.preprocess", value="{}")
    onnx.save(model, tmp_path / "net.onnx")
    built = build_gradient(prepare(tmp_path / "net.onnx"))
    found = {p.key: p.value for p in built.metadata_props}
    assert found["pysal.preprocess"] == "{}"
    facts = json.loads(found["pysal.model"])
    assert facts["name"] == "net.onnx"
    assert facts["input_shape"] == [3, 8, 8]
    assert (facts["num_classes"], facts["output_kind"], facts["opset"]) == (CLASSES, "sigmoid", 13)
    assert len(facts["sha256"]) == 64
    assert facts["layers"]


def test_saving_is_whole_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    model = build_gradient(prepare(network()))
    path = save_model(model, tmp_path / "g.onnx")
    assert onnx.load(path) == model
    before = path.read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(save.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_model(build_forward(prepare(network())), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["g.onnx"]


def test_what_cannot_be_saved_says_why(tmp_path: Path, monkeypatch) -> None:
    model = build_gradient(prepare(network()))
    with pytest.raises(InputError, match="does not exist"):
        save_model(model, tmp_path / "absent" / "g.onnx")
    monkeypatch.setattr(save, "SIZE_LIMIT", 100)
    with pytest.raises(ModelFormatError, match="protobuf"):
        save_model(model, tmp_path / "g.onnx")


WITHOUT_ONNX = """
import sys
for name in ("onnx", "torch", "pysal.export"):
    sys.modules[name] = None
import numpy as np
from pysal.backends.ort import OrtClassifier
from pysal.types import Target
net = OrtClassifier(sys.argv[1], threads=1)
x = np.load(sys.argv[2])
value, grad = net.value_and_grad(x, Target(np.arange(len(x)), "probability"))
np.savez(sys.argv[3], score=net.score(x), value=value, grad=grad)
"""


@pytest.mark.parametrize("sibling", [True, False])
def test_a_prepared_file_runs_without_onnx(tmp_path: Path, sibling: bool) -> None:
    prepared = prepare(network())
    save_model(build_gradient(prepared), tmp_path / "net.onnx")
    if sibling:
        save_model(build_forward(prepared), tmp_path / "net.forward.onnx")
    np.save(tmp_path / "x.npy", X)
    paths = [str(tmp_path / name) for name in ("net.onnx", "x.npy", "out.npz")]
    subprocess.run([sys.executable, "-c", WITHOUT_ONNX, *paths], check=True)
    found = np.load(paths[-1])
    expected = by_torch("Softmax", np.zeros((3, CLASSES)), np.eye(3, CLASSES))
    close(found["score"], expected["probabilities"])
    close(found["value"], expected["probabilities"][range(3), range(3)])
    close(found["grad"], expected["d_x"])
