"""What every engine promises as a `Classifier`, tested on each."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from onnx_torch import to_torch
from pooled import BASELINE, BATCH, CLASSES, INDEX, X, every_result, masks, noise, write_network

from pysal.arrays import is_host, root, to_host
from pysal.backends.ort import OrtClassifier
from pysal.classifier import Classifier
from pysal.errors import CapabilityError, OptionError, ShapeError
from pysal.prepared import INPUT
from pysal.types import Noise, Target

KINDS = pytest.mark.parametrize("kind", ["logit", "probability"])
ENDS = pytest.mark.parametrize("end", ["Softmax", "Sigmoid", ""])


# ---- scores, gradients, layers -------------------------------------------------------------------


@KINDS
@ENDS
def test_scores_are_those_of_the_file(engine, tmp_path: Path, end: str, kind: str) -> None:
    file = write_network(tmp_path / "n.onnx", end)
    net = engine.open(file, end)
    model = onnx.load(file)
    if kind == "logit" and end:
        del model.graph.node[-1]
        model.graph.output[0].name = "z"
    (out,) = ReferenceEvaluator(model).run(None, {"x": X})
    if kind == "probability" and not end:
        out = np.exp(out) / np.exp(out).sum(1, keepdims=True)
    found = net.score(X, kind)
    if kind == "logit" and end == "Softmax":  # what a softmax lost of its logits may be anything
        out, found = (z - z.mean(1, keepdims=True) for z in (out, found))
    np.testing.assert_allclose(found, out, rtol=1e-4, atol=1e-5)
    assert net.info.output_kind == {"Softmax": "softmax", "Sigmoid": "sigmoid"}.get(end, "logits")


@KINDS
def test_the_value_is_the_score_of_the_target(engine, net: Classifier, kind: str) -> None:
    value, _ = net.value_and_grad(X, Target(INDEX, kind))
    engine.same(value, net.score(X, kind)[np.arange(BATCH), INDEX])


@KINDS
@ENDS
def test_the_gradient_is_the_slope_of_the_score(
    engine, tmp_path: Path, end: str, kind: str
) -> None:
    net = engine.open(write_network(tmp_path / "n.onnx", end), end)
    _, grad = net.value_and_grad(X, Target(INDEX, kind))
    step = 1e-2 * grad / np.sqrt((grad**2).sum(axis=(1, 2, 3), keepdims=True))
    rows = np.arange(BATCH)
    up, down = (net.score(X + sign * step, kind)[rows, INDEX] for sign in (1, -1))
    slope = (grad * step).sum(axis=(1, 2, 3))
    np.testing.assert_allclose((up - down) / 2, slope, rtol=0.03, atol=1e-7)


@pytest.mark.parametrize("lift", [25.0, -15.0])
def test_gradients_of_probabilities_next_to_1_and_0_keep_their_digits(
    engine, tmp_path: Path, lift: float
) -> None:
    """At p = 1 - 1e-6, 1 - p has no more than four bits in float32."""
    target = np.zeros(BATCH, np.int64)
    # a torch module that ends in a sigmoid or a softmax gives its probabilities and nothing else
    for end in [engine.end] + ["Sigmoid"] * (engine.name != "pytorch"):
        path = write_network(tmp_path / f"{end}.onnx", end, lift=lift)
        leaf = torch.from_numpy(X).double().requires_grad_()
        logits = to_torch(path, torch.float64)(leaf)
        p = (logits.sigmoid() if end == "Sigmoid" else logits.softmax(1))[:, 0]
        p.sum().backward()
        exact = leaf.grad.numpy()
        small = (1 - p if lift > 0 else p).detach().numpy()
        assert small.max() < 1e-4
        assert small.min() < 1e-6
        net = engine.open(path, end)
        for rows in (slice(None), slice(2, 3)):
            _, grad = net.value_and_grad(X[rows], Target(target[rows]))
            size = np.abs(exact[rows]).max(axis=(1, 2, 3), keepdims=True)
            np.testing.assert_allclose(grad / size, exact[rows] / size, atol=2e-5, err_msg=end)


def test_results_are_those_of_onnx_runtime(net: Classifier, path: Path) -> None:
    expected = every_result(OrtClassifier(path, threads=1), slice(None))
    for name, value in every_result(net, slice(None)).items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(
            value, expected[name], rtol=1e-4, atol=1e-5 * scale, err_msg=name
        )


def test_layers_have_activations_and_gradients(engine, net: Classifier) -> None:
    assert net.info.layers == ("c1", "r1", "m1", "c2", "r2", "a", "f", "z")
    found = net.activations(X, ["c1", "r1", "z"])
    np.testing.assert_array_equal(found["r1"], np.maximum(found["c1"], 0))
    engine.same(found["z"], net.score(X, "logit"))
    value, grad = net.value_and_grad(X, Target(INDEX, "logit"), wrt="z")
    engine.same(value, found["z"][np.arange(BATCH), INDEX])
    np.testing.assert_array_equal(grad, np.eye(CLASSES)[INDEX])
    _, at_relu = net.value_and_grad(X, Target(INDEX), wrt="r1")
    _, at_conv = net.value_and_grad(X, Target(INDEX), wrt="c1")
    engine.same(at_conv, at_relu * (found["c1"] > 0))
    assert net.value_and_grad(X, Target(INDEX), wrt=INPUT)[1].shape == X.shape


# ---- fused operations ----------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("with_noise", [False, True])
@pytest.mark.parametrize("count", [1, 3, 4, 11])
def test_masked_scores_are_those_of_the_default(
    engine, net: Classifier, count: int, kind: str, with_noise: bool
) -> None:
    arguments = (X, BASELINE, masks(BATCH, count, 5, 6), Target(INDEX, kind))
    extra = {"noise": noise() if with_noise else None}
    expected = Classifier.score_masked(net, *arguments, **extra)
    engine.same(net.score_masked(*arguments, **extra), expected)


@KINDS
@pytest.mark.parametrize("with_noise", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 4, 9])
def test_path_gradients_are_those_of_the_default(
    engine, net: Classifier, steps: int, kind: str, with_noise: bool
) -> None:
    arguments = (X, BASELINE, masks(BATCH, 5, 6), Target(INDEX, kind))
    extra = {
        "nodes": np.linspace(0.1, 1.0, steps, dtype=np.float32),
        "weights": np.linspace(0.4, 0.1, steps, dtype=np.float32),
        "noise": noise() if with_noise else None,
    }
    values, grad = net.path_grad(*arguments, **extra)
    expected_values, expected = Classifier.path_grad(net, *arguments, **extra)
    engine.same(values, expected_values)
    np.testing.assert_allclose(grad, expected, rtol=1e-4, atol=2e-6 * np.abs(expected).max())


def test_no_image_gives_no_result(net: Classifier) -> None:
    assert net.score(X[:0]).shape == (0, CLASSES)
    assert net.activations(X[:0], ["r1"])["r1"].shape == (0, 8, 20, 20)
    value, grad = net.value_and_grad(X[:0], Target(INDEX[:0]))
    assert value.shape == (0,)
    assert grad.shape == (0, *X.shape[1:])
    target = Target(INDEX[:0])
    assert net.score_masked(X[:0], X[:0], masks(0, 3, 4, 4), target).shape == (0, 3)
    nodes = np.ones(2, np.float32)
    values, grad = net.path_grad(X[:0], X[:0], masks(0, 4, 4), target, nodes=nodes, weights=nodes)
    assert (values.shape, grad.shape) == ((0, 2), (0, 4, 4))


def test_results_belong_to_the_caller(net: Classifier) -> None:
    first = every_result(net, slice(None))
    kept = {name: value.copy() for name, value in first.items()}
    every_result(net, [5, 0])
    for name, value in first.items():
        np.testing.assert_array_equal(value, kept[name])
        value[:] = 0  # and may be written to
    for name, value in every_result(net, slice(None)).items():
        np.testing.assert_array_equal(value, kept[name])


# ---- numbers do not depend on neighbours or threads ----------------------------------------------


def test_an_image_alone_or_in_any_batch_gives_the_same_numbers(engine, net: Classifier) -> None:
    together = every_result(net, slice(None))
    turned = every_result(net, list(range(BATCH))[::-1])
    for name in together:
        engine.same(turned[name][::-1], together[name], name)
    for i in range(BATCH):
        alone = every_result(net, [i])
        for name in together:
            engine.same(alone[name][0], together[name][i], name)


def test_python_threads_share_a_classifier(engine, path: Path) -> None:
    expected = every_result(engine.open(path, engine.end), slice(None))
    shared, start = engine.open(path, engine.end), threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()  # sessions and runs are built while others ask for them
        for i in range(4):
            rows = [(number + i) % BATCH, (number + 2 * i + 1) % BATCH]
            for name, value in every_result(shared, rows).items():
                engine.same(value, expected[name][rows], name)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work, i) for i in range(4)]:
            future.result()


# ---- arrays where the engine computes ------------------------------------------------------------


def test_device_arrays_give_device_arrays_with_the_same_numbers(engine, net: Classifier) -> None:
    def put(array: np.ndarray):
        on_cpu_torch = engine.name == "pytorch"  # where tensors are taken as well
        return torch.from_numpy(array.copy()) if on_cpu_torch else net.to_device(array)

    target, kernel = Target(INDEX), Noise(noise().std, noise().seed, 2)
    nodes = np.array([0.2, 0.6, 0.9], np.float32)
    grid = {"nodes": nodes, "weights": nodes / 3, "noise": kernel}

    def everything(move) -> list:
        x, base, m = move(X), move(BASELINE), move(masks(BATCH, 3, 5, 5))
        found = [net.score(x), net.activations(x, ["r1"])["r1"], *net.value_and_grad(x, target)]
        found.append(net.score_masked(x, base, m, target, noise=kernel))
        return [*found, *net.path_grad(x, base, m[:, 0], target, **grid)]

    for found, expected in zip(everything(put), everything(lambda a: a), strict=True):
        assert is_host(expected)
        assert root(found) == root(put(X))
        engine.same(to_host(found), expected)


# ---- errors --------------------------------------------------------------------------------------


def bad(value: float) -> np.ndarray:
    x = X.copy()
    x[2, 0, 0, 0] = value
    return x


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda n: n.score(X[:, :2]), ShapeError, "(N, 3, 20, 20)"),
        (lambda n: n.score(X[0]), ShapeError, "(3, 20, 20)"),
        (lambda n: n.score(bad(np.nan)), ShapeError, "image 2"),
        (lambda n: n.value_and_grad(bad(np.inf), Target(INDEX)), ShapeError, "image 2"),
        (lambda n: n.value_and_grad(X, Target(INDEX + 1)), OptionError, "0 to 4"),
        (lambda n: n.value_and_grad(X, Target(INDEX - 1)), OptionError, "-1"),
        (lambda n: n.value_and_grad(X, Target(INDEX[:2])), OptionError, "2 targets for 6"),
        (lambda n: n.value_and_grad(X, Target(INDEX), wrt="c9"), OptionError, "c9"),
        (
            lambda n: n.value_and_grad(X, Target(INDEX), rules="none"),
            (OptionError, CapabilityError),
            "gradient",
        ),
        (lambda n: n.activations(X, ["c9"]), OptionError, "c9"),
    ],
)
def test_wrong_use_is_one_line(net: Classifier, call, error, words: str) -> None:
    with pytest.raises(error) as caught:
        call(net)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert np.isfinite(net.score(X)).all()  # and the classifier works on
