"""ONNX Runtime's classifier: the contract of `Classifier`, threads, memory."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from pooled import BASELINE, BATCH, CLASSES, INDEX, X, every_result, masks, noise, write_network

from pysal.backends.ort import OrtClassifier
from pysal.classifier import Classifier
from pysal.prepared import INPUT
from pysal.types import Target

KINDS = pytest.mark.parametrize("kind", ["logit", "probability"])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module", params=[1, 2], ids=["one thread", "two threads"])
def net(request: pytest.FixtureRequest, path: Path) -> OrtClassifier:
    return OrtClassifier(path, threads=request.param)


@pytest.fixture(scope="module")
def pair(path: Path) -> tuple[OrtClassifier, OrtClassifier]:
    return OrtClassifier(path, threads=1), OrtClassifier(path, threads=2)


# ---- the contract --------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("end", ["Softmax", "Sigmoid", ""])
def test_scores_are_those_of_the_file(tmp_path: Path, end: str, kind: str) -> None:
    file = write_network(tmp_path / "n.onnx", end)
    net = OrtClassifier(file, threads=2)
    model = onnx.load(file)
    (out,) = ReferenceEvaluator(model).run(None, {"x": X})
    if kind == "logit" and end:
        del model.graph.node[-1]
        model.graph.output[0].name = "z"
        (out,) = ReferenceEvaluator(model).run(None, {"x": X})
    if kind == "probability" and not end:
        out = np.exp(out) / np.exp(out).sum(1, keepdims=True)
    np.testing.assert_allclose(net.score(X, kind), out, rtol=1e-4, atol=1e-6)
    assert net.info.output_kind == {"Softmax": "softmax", "Sigmoid": "sigmoid"}.get(end, "logits")


@KINDS
def test_the_value_is_the_score_of_the_target(net: OrtClassifier, kind: str) -> None:
    value, _ = net.value_and_grad(X, Target(INDEX, kind))
    np.testing.assert_array_equal(value, net.score(X, kind)[np.arange(BATCH), INDEX])


@KINDS
@pytest.mark.parametrize("end", ["Softmax", "Sigmoid", ""])
def test_the_gradient_is_the_slope_of_the_score(tmp_path: Path, end: str, kind: str) -> None:
    net = OrtClassifier(write_network(tmp_path / "n.onnx", end), threads=2)
    _, grad = net.value_and_grad(X, Target(INDEX, kind))
    step = 1e-2 * grad / np.sqrt((grad**2).sum(axis=(1, 2, 3), keepdims=True))
    rows = np.arange(BATCH)
    up, down = (net.score(X + sign * step, kind)[rows, INDEX] for sign in (1, -1))
    slope = (grad * step).sum(axis=(1, 2, 3))
    np.testing.assert_allclose((up - down) / 2, slope, rtol=0.03, atol=1e-7)


def test_layers_have_activations_and_gradients(net: OrtClassifier) -> None:
    assert net.info.layers == ("c1", "r1", "m1", "c2", "r2", "a", "f", "z")
    found = net.activations(X, ["c1", "r1", "z"])
    np.testing.assert_array_equal(found["r1"], np.maximum(found["c1"], 0))
    np.testing.assert_array_equal(found["z"], net.score(X, "logit"))
    value, grad = net.value_and_grad(X, Target(INDEX, "logit"), wrt="z")
    np.testing.assert_array_equal(value, found["z"][np.arange(BATCH), INDEX])
    np.testing.assert_array_equal(grad, np.eye(CLASSES)[INDEX])
    _, at_relu = net.value_and_grad(X, Target(INDEX), wrt="r1")
    _, at_conv = net.value_and_grad(X, Target(INDEX), wrt="c1")
    np.testing.assert_array_equal(at_conv, at_relu * (found["c1"] > 0))
    assert net.value_and_grad(X, Target(INDEX), wrt=INPUT)[1].shape == X.shape


@KINDS
@pytest.mark.parametrize("with_noise", [False, True])
def test_masked_scores_are_those_of_the_default(net, kind: str, with_noise: bool) -> None:
    arguments = (X, BASELINE, masks(BATCH, 4, 5, 6), Target(INDEX, kind))
    extra = {"noise": noise() if with_noise else None}
    np.testing.assert_array_equal(
        net.score_masked(*arguments, **extra), Classifier.score_masked(net, *arguments, **extra)
    )


@KINDS
@pytest.mark.parametrize("with_noise", [False, True])
def test_path_gradients_are_those_of_the_default(net, kind: str, with_noise: bool) -> None:
    arguments = (X, BASELINE, masks(BATCH, 5, 6), Target(INDEX, kind))
    extra = {
        "nodes": np.array([0.1, 0.5, 0.75, 1.0], np.float32),
        "weights": np.array([0.1, 0.4, 0.3, 0.2], np.float32),
        "noise": noise() if with_noise else None,
    }
    values, grad = net.path_grad(*arguments, **extra)
    expected_values, expected = Classifier.path_grad(net, *arguments, **extra)
    np.testing.assert_array_equal(values, expected_values)
    np.testing.assert_allclose(grad, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_no_image_gives_no_result(net: OrtClassifier) -> None:
    assert net.score(X[:0]).shape == (0, CLASSES)
    value, grad = net.value_and_grad(X[:0], Target(INDEX[:0]))
    assert value.shape == (0,)
    assert grad.shape == (0, *X.shape[1:])


def test_results_belong_to_the_caller(net: OrtClassifier) -> None:
    first = every_result(net, slice(None))
    kept = {name: value.copy() for name, value in first.items()}
    every_result(net, [5, 0])
    for name, value in first.items():
        np.testing.assert_array_equal(value, kept[name])
        value[:] = 0  # and may be written to
    for name, value in every_result(net, slice(None)).items():
        np.testing.assert_array_equal(value, kept[name])


# ---- numbers do not depend on neighbours or threads ----------------------------------------------


def test_an_image_alone_or_in_any_batch_gives_the_same_bits(net: OrtClassifier) -> None:
    together = every_result(net, slice(None))
    turned = every_result(net, list(range(BATCH))[::-1])
    for name in together:
        np.testing.assert_array_equal(turned[name][::-1], together[name], err_msg=name)
    for i in range(BATCH):
        alone = every_result(net, [i])
        for name in together:
            np.testing.assert_array_equal(alone[name][0], together[name][i], err_msg=name)


def test_one_and_two_threads_give_the_same_bits(pair: tuple[OrtClassifier, OrtClassifier]) -> None:
    for rows in ([0], [1, 4], slice(None)):
        one, two = (every_result(net, rows) for net in pair)
        for name in one:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_python_threads_share_a_classifier(path: Path) -> None:
    expected = every_result(OrtClassifier(path, threads=1), slice(None))
    shared, start = OrtClassifier(path, threads=2), threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()  # sessions are built while others ask for them
        for i in range(4):
            rows = [(number + i) % BATCH, (number + 2 * i + 1) % BATCH]
            for name, value in every_result(shared, rows).items():
                np.testing.assert_array_equal(value, expected[name][rows], err_msg=name)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work, i) for i in range(4)]:
            future.result()


MEMORY = """
import sys
import numpy as np
from pysal.backends.ort import OrtClassifier
from pysal.types import Target
net = OrtClassifier(sys.argv[1], threads=2)
x = np.zeros((1, 3, 20, 20), np.float32)
target = Target(np.zeros(1, int), "logit")
def peak(m):
    masks = np.ones((1, m, 4, 4), np.float32)
    nodes = np.linspace(0, 1, m, dtype=np.float32)
    net.score_masked(x, x, masks, target)
    net.path_grad(x, x, masks[:, 0], target, nodes=nodes, weights=nodes)
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
few = peak(4)
peak(8)
few = peak(16)
print(peak(512) - few)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux' own counters")
def test_memory_is_set_by_threads_and_not_by_images(tmp_path: Path) -> None:
    file = write_network(tmp_path / "wide.onnx", width=256)  # 0.4 MB per layer and image
    command = [sys.executable, "-c", MEMORY, str(file)]
    kilobytes = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert kilobytes < 20_000  # all 512 at once would be hundreds of megabytes
