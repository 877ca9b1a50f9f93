"""Files that ONNX Runtime's classifier opens, prepared or not, and what it refuses in one line."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from pooled import BATCH, CLASSES, INDEX, X, every_result, write_network

from pysal.backends.ort import OrtClassifier
from pysal.errors import CapabilityError, InputError, OptionError, PysalError, ShapeError
from pysal.export import build_forward, build_gradient, prepare, save_model
from pysal.types import Target


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def net(path: Path) -> OrtClassifier:
    return OrtClassifier(path, threads=2)


# ---- prepared files ------------------------------------------------------------------------------


@pytest.mark.parametrize("sibling", [True, False])
@pytest.mark.parametrize("lowering", ["ort", "portable"])
def test_a_prepared_file_answers_as_the_original(
    tmp_path: Path, path: Path, sibling: bool, lowering: str
) -> None:
    prepared = prepare(path)
    graph = build_gradient(prepared, lowering=lowering, wrt=("input", "m1"), taps=("r1", "z"))
    save_model(graph, tmp_path / "net.onnx")
    if sibling:
        save_model(build_forward(prepared), tmp_path / "net.forward.onnx")
    given = OrtClassifier(tmp_path / "net.onnx", threads=2)
    original = OrtClassifier(path, threads=2)
    assert given.info == original.info
    expected = every_result(original, slice(None))
    for name, value in every_result(given, slice(None)).items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-6 * scale)


def test_a_prepared_file_says_what_it_lacks(tmp_path: Path, path: Path) -> None:
    save_model(build_gradient(prepare(path)), tmp_path / "net.onnx")
    net = OrtClassifier(tmp_path / "net.onnx")
    with pytest.raises(OptionError, match=r'net\.onnx has no output "r1"'):
        net.activations(X, ["r1"])
    with pytest.raises(OptionError, match="original model"):
        net.value_and_grad(X, Target(INDEX), wrt="r1")
    with pytest.raises(CapabilityError, match='rules "gradient"'):
        net.value_and_grad(X, Target(INDEX), rules="guided_backprop")


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
        (lambda n: n.value_and_grad(X, Target(INDEX), rules="none"), OptionError, "gradient"),
        (lambda n: n.activations(X, ["c9"]), OptionError, "c9"),
    ],
)
def test_wrong_use_is_one_line(net: OrtClassifier, call, error, words: str) -> None:
    with pytest.raises(error) as caught:
        call(net)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert np.isfinite(net.score(X)).all()  # and the classifier works on


@pytest.mark.parametrize("content", [None, b"", b"text", b"pysal/seed", b"\x08\x07" * 9])
def test_files_that_cannot_be_opened_are_one_line(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "net.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PysalError) as caught:
        OrtClassifier(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="is a folder"):
        OrtClassifier(tmp_path)


def test_a_model_without_gradients_still_has_scores(tmp_path: Path) -> None:
    net = OrtClassifier(write_network(tmp_path / "n.onnx", unknown=True), threads=1)
    assert net.score(X).shape == (BATCH, CLASSES)
    assert net.activations(X, ["c1"])["c1"].shape[0] == BATCH
    with pytest.raises(PysalError, match="Sin"):
        net.value_and_grad(X, Target(INDEX))


def test_a_closed_classifier_has_no_threads_left(path: Path) -> None:
    before = threading.active_count()
    net = OrtClassifier(path, threads=2)
    net.score(X)
    assert threading.active_count() > before
    net.close()
    assert threading.active_count() == before
