"""Files that ONNX Runtime's classifier opens, prepared or not, and what it refuses in one line."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from pooled import BATCH, CLASSES, INDEX, X, every_result, write_network

from pysal.backends.ort import OrtClassifier
from pysal.backends.ort_batched import OrtBatchedClassifier
from pysal.errors import CapabilityError, InputError, OptionError, PysalError
from pysal.export import build_forward, build_gradient, prepare, save_model
from pysal.types import Target

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
    batched = OrtBatchedClassifier(tmp_path / "net.onnx", rows=4, threads=2)
    expected = every_result(original, slice(None))
    for net in (given, batched):
        for name, value in every_result(net, slice(None)).items():
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
    with pytest.raises(PysalError, match="Asinh"):
        net.value_and_grad(X, Target(INDEX))


def test_a_closed_classifier_has_no_threads_left(path: Path) -> None:
    before = threading.active_count()
    net = OrtClassifier(path, threads=2)
    net.score(X)
    assert threading.active_count() > before
    net.close()
    assert threading.active_count() == before
