"""OpenVINO beyond the contract: threads, precisions, cached models, prepared files, refusals."""

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
from onnx_torch import to_torch
from pooled import BATCH, INDEX, X, every_result, write_network

from pysal.backends import engines, open_classifier
from pysal.errors import CapabilityError, OptionError, UnsupportedOpError
from pysal.export import build_forward, build_gradient, prepare, save_model
from pysal.methods.igos import igos
from pysal.prepared import GRADIENT_KEY
from pysal.types import Target

if engines()["openvino"] != "available" and "openvino" not in os.environ.get(
    "PYSAL_TEST_BACKENDS", ""
):
    pytest.skip(engines()["openvino"], allow_module_level=True)

from pysal.backends import openvino as engine
from pysal.backends.openvino import OpenVinoClassifier
from pysal.backends.openvino_session import cpu_precisions

REDUCED = pytest.mark.parametrize(
    "precision",
    [
        pytest.param(name, marks=pytest.mark.skipif(name not in cpu_precisions(), reason="no CPU"))
        for name in ("bf16", "fp16")
    ],
)
ANY = {"score": 1.0, "cosine": -1.0, "relative": 1e9}


def exact_gradient(path: Path, x: np.ndarray, index: np.ndarray, end: str) -> np.ndarray:
    """Input gradient of probabilities by torch, in float64."""
    leaf = torch.from_numpy(x).double().requires_grad_()
    logits = to_torch(path, torch.float64)(leaf)
    scores = logits.sigmoid() if end == "Sigmoid" else logits.softmax(1)
    scores.gather(1, torch.from_numpy(index)[:, None]).sum().backward()
    assert leaf.grad is not None
    return leaf.grad.numpy()


# ---- threads, batches, seeds ---------------------------------------------------------------------


def test_one_and_two_threads_give_the_same_bits(path: Path) -> None:
    nets = [OpenVinoClassifier(path, threads=threads) for threads in (1, 2)]
    for rows in ([0], [1, 4], slice(None)):
        one, two = (every_result(net, rows) for net in nets)
        for name in one:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)


@pytest.mark.parametrize("precision", ["fp32", *cpu_precisions()[1:]])
def test_a_seed_gives_one_map_in_any_batch_and_on_any_number_of_threads(
    path: Path, precision: str
) -> None:
    maps, top = [], OpenVinoClassifier(path, threads=1).score(X[:3]).argmax(1)
    for threads, batches in ((1, [[0, 1, 2]]), (2, [[0, 1, 2]]), (3, [[2], [0, 1]])):
        net = OpenVinoClassifier(path, threads=threads, precision=precision, tolerance=ANY)
        found = np.empty((3, 5, 5), np.float32)
        for rows in batches:
            options = {"size": 5, "iterations": 3, "seed": rows}
            found[rows] = igos(net, X[rows], Target(top[rows]), **options).native
        net.close()
        maps.append(found)
    np.testing.assert_array_equal(maps[1], maps[0])
    np.testing.assert_array_equal(maps[2], maps[0])


# ---- precision -----------------------------------------------------------------------------------


def test_float32_is_float32_where_the_cpu_would_rather_not(path: Path) -> None:
    net = OpenVinoClassifier(path, threads=1)
    _, grad = net.value_and_grad(X, Target(INDEX))
    exact = exact_gradient(path, X, INDEX, "Softmax")
    assert np.abs(grad - exact).max() < 1e-5 * np.abs(exact).max()
    assert net.info.engine == "openvino (CPU, 1 thread)"
    assert net.info.precision_check == {}


@REDUCED
def test_reduced_precision_is_compared_and_used(path: Path, precision: str) -> None:
    exact = OpenVinoClassifier(path, threads=1).value_and_grad(X, Target(INDEX))[1]
    net = open_classifier(path, engine="openvino", precision=precision, threads=2)
    net.prepare({"grad"})
    check = net.info.precision_check
    assert (check["precision"], check["used"], check["images"]) == (precision, precision, 4)
    assert 0 < check["score"] < 0.05
    assert check["cosine"] > 0.9
    assert f"2 threads, {precision})" in net.info.engine
    _, grad = net.value_and_grad(X, Target(INDEX))
    assert grad.dtype == np.float32
    off = np.abs(grad - exact).max() / np.abs(exact).max()
    assert 1e-5 < off < 0.5  # neither float32 in disguise, nor something else


@REDUCED
def test_what_is_too_far_off_runs_in_float32(path: Path, precision: str) -> None:
    strict = {"relative": 1e-6}
    net = OpenVinoClassifier(path, threads=2, precision=precision, tolerance=strict, probe=X)
    with pytest.warns(UserWarning, match=f"net.onnx: {precision} is off from float32") as caught:
        net.prepare({"grad"})
    assert len(caught) == 1
    exact = OpenVinoClassifier(path, threads=2)
    for name, value in every_result(net, slice(None)).items():
        expected = every_result(exact, slice(None))[name]
        np.testing.assert_array_equal(value, expected, err_msg=name)
    assert net.info.engine == exact.info.engine
    assert net.info.precision_check["used"] == "fp32"
    assert net.info.precision_check["images"] == BATCH


@REDUCED
def test_other_weights_are_compared_again(path: Path, precision: str) -> None:
    net = OpenVinoClassifier(path, threads=1, precision=precision, tolerance=ANY)
    net.prepare({"grad"})
    other = net.randomized(["c1", "z"], seed=1)
    assert other.info.precision_check == {}
    other.prepare({"grad"})
    assert other.info.precision_check["relative"] != net.info.precision_check["relative"]


@REDUCED
@pytest.mark.parametrize("end", ["Softmax", "Sigmoid"])
def test_next_to_certainty_nothing_cancels(tmp_path: Path, end: str, precision: str) -> None:
    """At p = 1 - 1e-7 the slope of the probability is a difference that bf16 does not have."""
    path = write_network(tmp_path / "n.onnx", end)
    clf = OpenVinoClassifier(path, threads=1)
    top = clf.score(X, "logit").argmax(1)
    x = X.copy()
    for _ in range(100):
        _, grad = clf.value_and_grad(x, Target(top, "logit"))
        score = clf.score(x)[np.arange(BATCH), top]
        going = (score < 1 - 2e-7)[:, None, None, None]
        if not going.any():
            break
        x = x + going * 0.5 * grad / np.sqrt((grad**2).mean(axis=(1, 2, 3), keepdims=True))
    net = OpenVinoClassifier(path, threads=1, precision=precision, tolerance=ANY)
    _, found = net.value_and_grad(x, Target(top))
    exact = exact_gradient(path, x, top, end).reshape(BATCH, -1)
    found = found.reshape(BATCH, -1).astype(np.float64)
    norms = np.sqrt((exact**2).sum(1) * (found**2).sum(1))
    assert (norms > 0).all()
    assert ((found * exact).sum(1) / norms).min() > 0.9


@pytest.mark.parametrize(
    ("precision", "error", "words"),
    [
        ("tf32", OptionError, "fp32, bf16, fp16"),
        ("int8", OptionError, '"int8"'),
        ("bf16", CapabilityError, "has fp32 on this CPU"),
    ],
)
def test_precisions_that_are_not_there(
    path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, error, words: str
) -> None:
    monkeypatch.setattr(engine, "cpu_precisions", lambda: ("fp32",))
    with pytest.raises(error) as caught:
        open_classifier(path, engine="openvino", precision=precision)
    assert words in str(caught.value)


# ---- files ---------------------------------------------------------------------------------------


def test_compiled_models_are_kept_apart_by_precision(tmp_path: Path, path: Path) -> None:
    folder, results = tmp_path / "cache", {}
    for precision in (*cpu_precisions(), *cpu_precisions()):
        net = OpenVinoClassifier(
            path, threads=1, precision=precision, cache_dir=folder, tolerance=ANY
        )
        grad = net.value_and_grad(X, Target(INDEX))[1]
        np.testing.assert_array_equal(grad, results.setdefault(precision, grad))
    plain = OpenVinoClassifier(path, threads=1).value_and_grad(X, Target(INDEX))[1]
    np.testing.assert_array_equal(results["fp32"], plain)
    assert {p.name for p in folder.iterdir()} == set(cpu_precisions())
    assert all(any(p.iterdir()) for p in folder.iterdir())


def exported(path: Path, folder: Path, lowering: str, *, forward: bool) -> Path:
    prepared = prepare(path)
    graph = build_gradient(prepared, lowering=lowering, wrt=("input", "m1"), taps=("r1", "z"))
    facts = json.dumps({"rules": "gradient", "lowering": lowering})
    graph.metadata_props.add(key=GRADIENT_KEY, value=facts)
    save_model(graph, folder / "net.onnx")
    if forward:
        save_model(build_forward(prepared), folder / "net.forward.onnx")
    return folder / "net.onnx"


@pytest.mark.parametrize("forward", [True, False])
def test_a_prepared_file_answers_as_the_original(tmp_path: Path, path: Path, forward: bool) -> None:
    given = OpenVinoClassifier(exported(path, tmp_path, "portable", forward=forward), threads=2)
    original = OpenVinoClassifier(path, threads=2)
    assert given.info == original.info
    expected = every_result(original, slice(None))
    for name, value in every_result(given, slice(None)).items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5 * scale)


def test_a_file_for_onnx_runtime_is_refused(tmp_path: Path, path: Path) -> None:
    net = OpenVinoClassifier(exported(path, tmp_path, "ort", forward=True))
    assert np.isfinite(net.score(X)).all()
    with pytest.raises(CapabilityError, match="--lowering portable"):
        net.value_and_grad(X, Target(INDEX))


ALONE = """
import sys
for name in ("onnx", "onnxruntime", "torch", "pysal.export"):
    sys.modules[name] = None
import numpy as np
from pysal.backends.openvino import OpenVinoClassifier
from pysal.types import Target
net = OpenVinoClassifier(sys.argv[1], threads=1)
x = np.load(sys.argv[2])
np.save(sys.argv[3], net.value_and_grad(x, Target(np.zeros(len(x), int)))[1])
"""


def test_a_prepared_file_needs_neither_onnx_nor_onnxruntime(tmp_path: Path, path: Path) -> None:
    file = exported(path, tmp_path, "portable", forward=False)
    np.save(tmp_path / "x.npy", X)
    command = [sys.executable, "-c", ALONE, file, tmp_path / "x.npy", tmp_path / "g.npy"]
    subprocess.run(command, check=True)
    expected = OpenVinoClassifier(path, threads=1).value_and_grad(X, Target(np.zeros(BATCH, int)))[
        1
    ]
    found = np.load(tmp_path / "g.npy")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_a_layer_may_be_the_logits(path: Path) -> None:
    """A value with two names is one value: neither is left empty."""
    net = OpenVinoClassifier(path, threads=1)
    found = net.activations(X, ["z", "f"])
    np.testing.assert_array_equal(found["z"], net.score(X, "logit"))
    (value, activation, _), passes = net.layer_grad(X, Target(INDEX, "logit"), "z")
    np.testing.assert_array_equal(activation, found["z"])
    np.testing.assert_array_equal(value, found["z"][np.arange(BATCH), INDEX])
    assert passes.forward == BATCH


def test_layers_in_front_of_an_identity_keep_their_names(tmp_path: Path, path: Path) -> None:
    """OpenVINO drops the identity and calls the value by its other name."""
    model = onnx.load(path)
    for name in ("r1", "r2"):
        place = next(i for i, n in enumerate(model.graph.node) if name in n.input)
        model.graph.node[place].input[0] = f"{name}_same"
        model.graph.node.insert(place, onnx.helper.make_node("Identity", [name], [f"{name}_same"]))
    onnx.save(model, tmp_path / "same.onnx")
    net = OpenVinoClassifier(tmp_path / "same.onnx", threads=1)
    expected = OpenVinoClassifier(path, threads=1)
    layers = ["r2", "r1", "r1_same"]
    found = net.activations(X, layers)
    for name in layers:
        judge = expected.activations(X, [name[:2]])[name[:2]]
        np.testing.assert_array_equal(found[name], judge, err_msg=name)
    (value, activation, grad), _ = net.layer_grad(X, Target(INDEX), "r2")
    judged, _ = expected.layer_grad(X, Target(INDEX), "r2")
    for one, other in zip((value, activation, grad), judged, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-8)


def test_signals_go_back_as_on_onnx_runtime(path: Path) -> None:
    ort = open_classifier(path, engine="ort", device="cpu")
    net = OpenVinoClassifier(path, threads=2)
    shape = net.activations(X, ["r2"])["r2"].shape
    signal = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    for rules in ("gradient", "guided_backprop", "excitation_backprop"):
        found, expected = (n.backward(X, "r2", signal, rules=rules) for n in (net, ort))
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * scale, err_msg=rules)


def test_a_model_without_gradients_still_has_scores(tmp_path: Path) -> None:
    net = OpenVinoClassifier(write_network(tmp_path / "n.onnx", unknown=True), threads=1)
    assert net.score(X).shape[0] == BATCH
    with pytest.raises(UnsupportedOpError, match="Asinh") as caught:
        net.value_and_grad(X, Target(INDEX))
    assert "\n" not in str(caught.value)
