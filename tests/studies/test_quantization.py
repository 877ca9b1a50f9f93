"""Two versions of a model compared."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from quantizing import QOPERATOR, quantized
from tiny import CLASSES, SIZE, write_model, write_photo

import pysal
from pysal.backends.ort import OrtClassifier
from pysal.errors import OptionError, ShapeError, UnsupportedOpError
from pysal.explainer import Explainer
from pysal.metrics.insertion_deletion import insertion_deletion
from pysal.similarity.maps import spearman
from pysal.studies import compare_models
from pysal.types import Target

X = np.random.default_rng(5).normal(size=(5, 3, SIZE, SIZE)).astype(np.float32)
METHODS = ["gradcam", "gradient"]
NEUTRAL = {"size": [SIZE, SIZE], "mean": [0.5] * 3, "std": [0.25] * 3, "resize_shorter_side": SIZE}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A float model whose answers are not certain, and its quantized form."""
    folder = tmp_path_factory.mktemp("pair")
    path = write_model(folder / "float.onnx")
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == "fc":
            array = numpy_helper.to_array(tensor) / 16
            tensor.CopyFrom(numpy_helper.from_array(array, "fc"))
    onnx.save(model, path)
    return path, quantized(path, folder / "int8.onnx", X[:3], op_types_to_quantize=["Conv", "Gemm"])


@pytest.fixture(scope="module")
def pair(files: tuple[Path, Path]) -> tuple[OrtClassifier, OrtClassifier]:
    one, two = (OrtClassifier(path, threads=1, preprocess=NEUTRAL) for path in files)
    return one, two


def test_every_figure_is_that_of_its_own_definition(pair) -> None:
    found = compare_models(*pair, X, methods=METHODS, batch_size=2)
    a, b = (clf.score(X) for clf in pair)
    target = b.argmax(1)
    np.testing.assert_array_equal(found.target, target)
    np.testing.assert_array_equal(found.top, [a.argmax(1), target])
    np.testing.assert_array_equal(found.score, [s[range(5), target] for s in (a, b)])
    np.testing.assert_array_equal(found.overlap, 1)  # four classes in all
    assert (len(found), found.models) == (5, ("float.onnx", "int8.onnx"))
    for method in METHODS:
        maps = [Explainer(clf, method)(X, Target(target)).native for clf in pair]
        np.testing.assert_allclose(found.correlation[method], spearman(*maps))
        judged = [insertion_deletion(pair[1], X, m, Target(target)).values for m in maps]
        np.testing.assert_allclose(found.insertion[method], [v["insertion"] for v in judged])
        np.testing.assert_allclose(found.deletion[method], [v["deletion"] for v in judged])
        assert (found.correlation[method] > 0.5).all()
        row = found.summary()[method]
        assert row["correlation"] == pytest.approx(found.correlation[method].mean())
        difference = found.insertion[method] - found.deletion[method]
        assert row["loss"] == pytest.approx((difference[1] - difference[0]).mean())
    answers = found.answers()
    assert answers["top agreement"] == (a.argmax(1) == target).mean()
    assert answers["score change"] == pytest.approx((found.score[1] - found.score[0]).mean())
    assert found.passes.forward > 10
    assert found.passes.backward >= 20


def test_a_model_is_like_itself(pair) -> None:
    second = pair[1].score(X[:2]).argsort(axis=1)[:, -2]
    found = compare_models(pair[1], pair[1], X[:2], methods=METHODS, targets=second)
    np.testing.assert_array_equal(found.target, second)
    for method in METHODS:
        np.testing.assert_allclose(found.correlation[method], 1)
        assert found.summary()[method]["loss"] == 0
    assert found.answers()["absolute score change"] == 0


def test_a_constant_map_has_no_correlation(pair) -> None:
    with pytest.warns(UserWarning, match="map"):
        found = compare_models(*pair, np.zeros_like(X[:1]), methods=["input_x_gradient"])
    assert np.isnan(found.correlation["input_x_gradient"]).all()
    assert np.isnan(found.summary()["input_x_gradient"]["correlation"])
    assert found.summary()["input_x_gradient"]["images"] == 0


def test_the_second_file_takes_the_record_of_the_first(files, tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "p.png")
    record = tmp_path / "float.json"
    copies = [tmp_path / path.name for path in files]
    for path, copy in zip(files, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    first = OrtClassifier(files[0], preprocess=NEUTRAL)
    import json

    record.write_text(json.dumps(first.preprocess.to_dict()))
    found = pysal.compare_models(*copies, photo, methods="gradcam", threads=1)
    given = pysal.compare_models(*files, photo, methods="gradcam", threads=1, preprocess=record)
    np.testing.assert_array_equal(found.score, given.score)


def test_what_cannot_be_compared_is_refused_in_one_line(pair, tmp_path: Path) -> None:
    other = OrtClassifier(write_model(tmp_path / "grey.onnx", channels=1))
    few, sigmoid = pair[0], OrtClassifier(pair[0]._files._prepared.model and _end(tmp_path))
    sigmoid.info = dataclasses.replace(sigmoid.info, output_kind="sigmoid")
    fewer = OrtClassifier(_end(tmp_path))
    fewer.info = dataclasses.replace(fewer.info, num_classes=CLASSES + 6)
    for second, error, words in (
        (other, ShapeError, ("input shape", "(3, 16, 16)", "(1, 16, 16)")),
        (fewer, ShapeError, ("classes 4", "10")),
        (sigmoid, OptionError, ("softmax", "sigmoid")),
    ):
        with pytest.raises(error) as caught:
            compare_models(few, second, X)
        assert "\n" not in str(caught.value)
        for word in words:
            assert word in str(caught.value)


def _end(folder: Path) -> Path:
    return write_model(folder / "again.onnx")


def test_wrong_names_and_models_without_gradients(files, pair, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="gradcam"):
        compare_models(*pair, X, methods=["gradcamm"])
    with pytest.raises(OptionError, match="0 entries"):
        compare_models(*pair, X, methods=[])
    with pytest.raises(OptionError, match='options are given for "rise"'):
        compare_models(*pair, X, methods=["gradcam"], options={"rise": {}})
    with pytest.raises(OptionError, match="target 9"):
        compare_models(*pair, X, targets=9)
    path = quantized(files[0], tmp_path / "q.onnx", X[:2], quant_format=QOPERATOR)
    integers = OrtClassifier(path, threads=1, preprocess=NEUTRAL)
    with pytest.raises(UnsupportedOpError, match="QDQ"):
        compare_models(pair[0], integers, X, methods=["gradcam"])
    options = {"rise": {"samples": 50}}
    found = compare_models(pair[0], integers, X[:2], methods=["rise"], options=options)
    assert (found.correlation["rise"] > 0.3).all()
