"""Model parameter randomization, depth by depth, against files whose weights are drawn by hand."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from pooled import CLASSES, INDEX, SIZE, X, write_network
from pooled_torch import pooled_module
from toy import ToyClassifier

from pysal import summarize
from pysal.backends.ort import OrtClassifier
from pysal.backends.pytorch import TorchClassifier
from pysal.errors import CapabilityError, OptionError, ShapeError
from pysal.metrics import METRICS
from pysal.metrics.randomization import randomization
from pysal.redraw import redraw
from pysal.types import Passes, Target

N = 3
ZEROS, PHOTOS, TARGET = np.zeros((N, 4, 4)), X[:N], Target(INDEX[:N])


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def net(path):
    return OrtClassifier(path, threads=1)


def gradient(clf, batch, target):
    return clf.value_and_grad(batch, target)[1].sum(axis=1)


def rank_correlation(a, b):
    ranks = [np.argsort(np.argsort(m.ravel())) for m in (a, b)]
    return np.corrcoef(*ranks)[0, 1]


@pytest.mark.parametrize(
    ("mode", "drawn"),
    [
        ("cascading", [["fc", "bias"], ["fc", "bias", "w2"], ["fc", "bias", "w2", "w1"]]),
        ("independent", [["fc", "bias"], ["w2"], ["w1"]]),
    ],
)
def test_every_depth_is_the_file_with_those_weights_drawn(net, path, mode, drawn):
    result = randomization(
        net, PHOTOS, ZEROS, TARGET, mode=mode, depths=None, seed=3, explain=gradient
    )
    np.testing.assert_allclose(result.curves["fraction"], [1 / 3, 2 / 3, 1])
    own = gradient(net, PHOTOS, TARGET)
    for depth, names in enumerate(drawn):
        model = onnx.load(path)
        for tensor in model.graph.initializer:
            if tensor.name in names:
                values = numpy_helper.to_array(tensor)
                values = redraw(values, tensor.name, seed=3, how="normal")
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        file = path.with_name(f"{depth}.onnx")
        onnx.save(model, file)
        other = gradient(OrtClassifier(file, threads=1), PHOTOS, TARGET)
        for row in range(N):
            found = result.curves["spearman"][row, depth]
            assert found == pytest.approx(rank_correlation(own[row], other[row]), abs=1e-3)
            found = result.curves["spearman_abs"][row, depth]
            expected = rank_correlation(np.abs(own[row]), np.abs(other[row]))
            assert found == pytest.approx(expected, abs=1e-3)
    for name, row in result.values.items():
        np.testing.assert_allclose(row, result.curves[name].mean(axis=1))


def test_a_map_that_ignores_the_network_stays_what_it_is(net):
    def edges(clf, batch, target):
        return np.abs(np.diff(batch.sum(axis=1), axis=1))

    result = randomization(net, PHOTOS, ZEROS, TARGET, explain=edges)
    for row in result.values.values():
        np.testing.assert_allclose(row, 1)
    honest = randomization(net, PHOTOS, ZEROS, TARGET, explain=gradient)
    assert (honest.values["spearman"] < 0.7).all()
    assert summarize(honest)["undefined"] == 0


def test_torch_does_it_too(path):
    clf = TorchClassifier(pooled_module(path), input_shape=(3, SIZE, SIZE), threads=1)
    result = randomization(clf, PHOTOS, ZEROS, TARGET, explain=gradient)
    assert result.options["layers"] == [["z"], ["z", "c2"], ["z", "c2", "c1"]]
    assert (result.values["spearman"] < 0.8).all()


def test_passes_batches_and_memory(path):
    calls, alive = [], []

    class Watched(OrtClassifier):
        def randomized(self, layers, **options):
            alive.append(len(layers))
            return super().randomized(layers, **options)

        def close(self):
            alive.append(-1)
            super().close()

    clf = Watched(path, threads=1)
    whole = randomization(
        clf, PHOTOS, ZEROS, TARGET, explain=gradient, progress=lambda *c: calls.append(c)
    )
    assert whole.passes == Passes(4 * N, 4 * N)
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert alive == [1, -1, 2, -1, 3, -1]  # one copy at a time
    for i in range(N):
        alone = randomization(clf, PHOTOS[i : i + 1], ZEROS[:1], TARGET[[i]], explain=gradient)
        for name, row in alone.values.items():
            assert row[0] == whole.values[name][i]


def test_depths_layers_seeds_and_ways(net):
    one = randomization(net, PHOTOS, ZEROS, TARGET, depths=1, explain=gradient)
    assert one.options["layers"] == [["z", "c2", "c1"]]
    two = randomization(net, PHOTOS, ZEROS, TARGET, depths=2, explain=gradient)
    assert [len(chosen) for chosen in two.options["layers"]] == [2, 3]
    np.testing.assert_array_equal(two.curves["ssim"][:, 1], one.curves["ssim"][:, 0])
    named = randomization(net, PHOTOS, ZEROS, TARGET, layers=["c1"], explain=gradient)
    assert named.options["layers"] == [["c1"]]
    for options in ({"seed": 1}, {"how": "shuffle"}):
        other = randomization(net, PHOTOS, ZEROS, TARGET, depths=1, explain=gradient, **options)
        assert (other.values["spearman"] != one.values["spearman"]).all()


def test_maps_without_pattern_have_no_correlation(net):
    def empty(clf, batch, target):
        maps = gradient(clf, batch, target)
        if "randomized" in clf.info.name:
            maps[0] = 0
        maps[1] = np.nan
        return maps

    result = randomization(net, PHOTOS, ZEROS, TARGET, explain=empty)
    assert np.isnan(result.values["spearman"]).tolist() == [True, True, False]
    assert summarize(result)["undefined"] == pytest.approx(2 / 3)

    def once(clf, batch, target):
        maps = gradient(clf, batch, target)
        if "randomized" in clf.info.name and len(seen) == 1:
            maps[:] = 0
        seen.append(1)
        return maps

    seen = []
    result = randomization(net, PHOTOS, ZEROS, TARGET, explain=once)
    known = result.curves["spearman"][:, 1:]
    assert np.isnan(result.curves["spearman"][:, 0]).all()
    np.testing.assert_allclose(result.values["spearman"], known.mean(axis=1))


def test_warnings_about_networks_without_sense_are_not_shown(net):
    def warned(clf, batch, target):
        if "randomized" in clf.info.name:
            warnings.warn("the probability is low", UserWarning, stacklevel=2)
        return gradient(clf, batch, target)

    randomization(net, PHOTOS, ZEROS, TARGET, explain=warned)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "up"),
        ("depths", 0),
        ("layers", ["r1"]),
        ("layers", []),
        ("how", "zeros"),
        ("scale", "half"),
        ("data_range", -1),
        ("cell", 0),
        ("seed", -1),
        ("seed", [1, 2, 3]),
    ],
)
def test_wrong_options_are_one_line(net, name, value):
    with pytest.raises(OptionError) as error:
        randomization(net, PHOTOS, ZEROS, TARGET, explain=gradient, **{name: value})
    assert "\n" not in str(error.value)


def test_wrong_input(net):
    with pytest.raises(OptionError, match="explain is missing"):
        randomization(net, PHOTOS, ZEROS, TARGET)
    with pytest.raises(ShapeError, match="N = 3"):
        randomization(net, PHOTOS, ZEROS[:1], TARGET, explain=gradient)
    toy = ToyClassifier(classes=CLASSES)
    with pytest.raises(CapabilityError, match="shows no weights"):
        randomization(toy, toy.photos(3), ZEROS, TARGET, explain=gradient)

    def growing(clf, batch, target):
        side = 9 if "randomized" in clf.info.name else 8
        return np.ones((len(batch), side, side))

    with pytest.raises(ShapeError, match="one size for all networks"):
        randomization(net, PHOTOS, ZEROS, TARGET, explain=growing)
    none = randomization(net, X[:0], ZEROS[:0], Target(np.zeros(0, int)), explain=gradient)
    assert none.values["ssim"].shape == (0,)
    assert np.isnan(summarize(none)["undefined"])
    assert METRICS["randomization"].load() is randomization
