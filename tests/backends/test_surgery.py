"""Changed networks: channels multiplied, weights drawn anew; on each engine against numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from pooled import BATCH, CLASSES, INDEX, X

from pysal.backends.ort import OrtClassifier
from pysal.backends.ort_batched import OrtBatchedClassifier
from pysal.classifier import Classifier
from pysal.errors import CapabilityError, OptionError, ShapeError
from pysal.redraw import redraw
from pysal.types import Target

WEIGHTED = ("c1", "c2", "z")
RNG = np.random.default_rng(5)
FACTORS = {
    "r1": RNG.uniform(size=(BATCH, 8)).astype(np.float32),
    "f": RNG.integers(0, 2, (BATCH, 8)).astype(np.float32),
}


def pooled_by_hand(path: Path, factors: dict[str, np.ndarray]) -> np.ndarray:
    """Probabilities of the file with factors put behind r1 and f, piece by piece."""
    model = onnx.load(path)
    pieces = {"x": ("x", "r1"), "r1": ("r1", "f"), "f": ("f", "p")}
    value = X
    for start, (inp, out) in pieces.items():
        if start in factors:
            rows = factors[start]
            value = value * rows.reshape(*rows.shape, *[1] * (value.ndim - 2))
        names = [o for n in model.graph.node for o in n.output]
        first = names.index(inp) + 1 if inp in names else 0
        part = onnx.GraphProto()
        part.name = "part"
        part.node.extend(model.graph.node[first : names.index(out) + 1])
        part.initializer.extend(model.graph.initializer)
        shape = ["N", *value.shape[1:]]
        info = onnx.helper.make_tensor_value_info
        part.input.append(info(inp, onnx.TensorProto.FLOAT, shape))
        part.output.append(info(out, onnx.TensorProto.FLOAT, None))
        piece = onnx.helper.make_model(part, opset_imports=model.opset_import)
        (value,) = ReferenceEvaluator(piece).run(None, {inp: value})
    return value


def test_channels_are_multiplied(engine, net: Classifier, path: Path) -> None:
    expected = pooled_by_hand(path, FACTORS)
    found = net.score_scaled(X, FACTORS)
    logits = net.score_scaled(X, FACTORS, "logit")
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    e = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(e / e.sum(1, keepdims=True), found, rtol=1e-4)


def test_ones_change_nothing_and_rows_stand_for_themselves(engine, net: Classifier) -> None:
    ones = {"r1": np.ones(8, np.float32)}
    np.testing.assert_allclose(net.score_scaled(X, ones), net.score(X), rtol=1e-5)
    whole = net.score_scaled(X, FACTORS)
    for row in (0, BATCH - 1):
        alone = {name: rows[row] for name, rows in FACTORS.items()}
        engine.same(net.score_scaled(X[row : row + 1], alone), whole[row : row + 1])
    assert net.score_scaled(X[:0], ones).shape == (0, CLASSES)


def test_a_channel_that_is_zero_is_as_if_its_weights_were(net: Classifier, path: Path) -> None:
    keep = np.array([1, 0, 1, 1, 0, 1, 1, 1], np.float32)
    model = onnx.load(path)
    weight = next(t for t in model.graph.initializer if t.name == "w1")
    without = numpy_helper.to_array(weight) * keep[:, None, None, None]
    weight.CopyFrom(numpy_helper.from_array(without, "w1"))
    changed = path.with_name("changed.onnx")
    onnx.save(model, changed)
    expected = OrtClassifier(changed, threads=1).score(X)
    np.testing.assert_allclose(net.score_scaled(X, {"c1": keep}), expected, rtol=1e-4)


def test_wrong_factors(net: Classifier) -> None:
    with pytest.raises(OptionError, match="did you mean"):
        net.score_scaled(X, {"r11": np.ones(8, np.float32)})
    with pytest.raises(ShapeError, match="for 7 channels; the layer has 8"):
        net.score_scaled(X, {"r1": np.ones(7, np.float32)})
    with pytest.raises(ShapeError, match="expected"):
        net.score_scaled(X, {"r1": np.ones((2, 8), np.float32)})
    with pytest.raises(ShapeError, match="finite"):
        net.score_scaled(X, {"r1": np.full(8, np.nan, np.float32)})


def test_weighted_layers(net: Classifier) -> None:
    assert net.weighted_layers() == WEIGHTED


@pytest.mark.parametrize("how", ["normal", "shuffle"])
def test_weights_of_named_layers_are_drawn_anew(
    engine, net: Classifier, path: Path, how: str
) -> None:
    before = net.score(X)
    other = net.randomized(["z", "c2"], seed=3, how=how)
    names = {"w2": "c2.weight", "fc": "z.weight", "bias": "z.bias"}
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name in ("w2", "fc", "bias"):
            own = names[tensor.name] if "pytorch" in engine.name else tensor.name
            values = redraw(numpy_helper.to_array(tensor), own, seed=3, how=how)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    judge = path.with_name("drawn.onnx")
    onnx.save(model, judge)
    expected = OrtClassifier(judge, threads=1)
    np.testing.assert_allclose(other.score(X), expected.score(X), rtol=1e-4)
    grad = other.value_and_grad(X, Target(INDEX))[1]
    exact = expected.value_and_grad(X, Target(INDEX))[1]
    np.testing.assert_allclose(grad, exact, atol=1e-4 * np.abs(exact).max())
    assert other.info.sha256 == ""
    assert "randomized" in other.info.name
    assert other.info.layers == net.info.layers
    other.close()
    np.testing.assert_array_equal(net.score(X), before)


def test_nothing_drawn_is_the_same_network(engine, net: Classifier) -> None:
    engine.same(net.randomized([]).score(X), net.score(X))


def test_wrong_layers_and_ways(net: Classifier) -> None:
    with pytest.raises(OptionError, match='no layer with weights "r1"'):
        net.randomized(["r1"])
    with pytest.raises(OptionError, match="normal, shuffle"):
        net.randomized(["z"], how="zeros")


def test_an_exported_model_says_that_it_cannot(tmp_path: Path, path: Path) -> None:
    from pysal import export

    model = export.build_gradient(export.prepare(path))
    for cls in (OrtClassifier, OrtBatchedClassifier):
        clf = cls(export.save_model(model, tmp_path / "g.onnx"), threads=1)
        for call in (
            clf.weighted_layers,
            lambda clf=clf: clf.randomized(["z"]),
            lambda clf=clf: clf.score_scaled(X, {"r1": np.ones(8, np.float32)}),
        ):
            with pytest.raises(CapabilityError, match="open the original"):
                call()


def test_redraw_keeps_mean_and_spread_and_names_decide() -> None:
    weight = np.random.default_rng(0).normal(2, 3, (40, 50)).astype(np.float32)
    drawn = redraw(weight, "w", seed=1, how="normal")
    assert abs(drawn.mean() - weight.mean()) < 0.3
    assert abs(drawn.std() / weight.std() - 1) < 0.1
    assert abs(np.corrcoef(drawn.ravel(), weight.ravel())[0, 1]) < 0.1
    np.testing.assert_array_equal(drawn, redraw(weight, "w", seed=1, how="normal"))
    assert (drawn != redraw(weight, "v", seed=1, how="normal")).any()
    assert (drawn != redraw(weight, "w", seed=2, how="normal")).any()
    shuffled = redraw(weight, "w", seed=1, how="shuffle")
    np.testing.assert_array_equal(np.sort(shuffled.ravel()), np.sort(weight.ravel()))
    assert (shuffled != weight).any()
    np.testing.assert_array_equal(redraw(np.full(3, 7.0), "b", seed=0, how="normal"), 7)
