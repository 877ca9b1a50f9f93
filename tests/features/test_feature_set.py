"""Feature sets: selection on planted features, their file, and whose they are."""

from __future__ import annotations

import dataclasses
import zipfile

import numpy as np
import pytest
from toy_network import ToyNetwork

from pysal.errors import InputError, OptionError
from pysal.features import Feature, FeatureSet, find_channels, mu_lasso, select_features
from pysal.features.descriptors import iter_descriptors
from pysal.features.moments import Rows
from pysal.types import Passes


@pytest.fixture(scope="module")
def clf():
    return ToyNetwork()


@pytest.fixture(scope="module")
def data(clf):
    """Images that differ by class in one channel of conv1: its own filter, laid everywhere."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 4
    images = 0.3 * rng.normal(size=(48, 3, 16, 16))
    for image, label in zip(images, labels, strict=True):
        image += np.tile(clf.w1[label], (1, 6, 6))[:, 1:17, 1:17] * rng.uniform(1, 2)
    return images.astype(np.float32), labels


@pytest.fixture(scope="module")
def found(clf, data):
    return select_features(clf, *data, mu=2.0)


def test_planted_features_are_found(clf, data):
    """With conv1 alone, the channel whose filter is in the image has the largest weight."""
    chosen = select_features(clf, *data, mu=1.0, layers=["conv1"])
    for label in range(4):
        first = chosen.of(label)[0]
        assert (first.layer, first.channel) == ("conv1", label)
        assert first.weight > 0


def test_weights_are_those_of_the_solver(clf, data, found):
    images, labels = data
    channels = find_channels(clf)
    rows = Rows(len(channels), 4)
    rows.add(np.concatenate(list(iter_descriptors(clf, images, channels))), np.eye(4)[labels])
    expected = mu_lasso(rows.finish(), 2.0)
    for label in range(4):
        np.testing.assert_array_equal(found.vector(label), expected.weights[label])
        assert np.abs(found.vector(label)).sum() <= 2 + 1e-9
    np.testing.assert_array_equal(found.objective, expected.objective)
    assert (found.gap < 1e-4).all()
    assert len(found) == np.count_nonzero(expected.weights)


def test_weights_predict_the_labels(clf, data, found):
    images, labels = data
    x = np.concatenate(list(iter_descriptors(clf, images, found.channels)))
    scores = x @ np.stack([found.vector(label) for label in range(4)], axis=1)
    assert (scores.argmax(axis=1) == labels).mean() > 0.9


def test_features_of_a_class_are_sorted(found):
    for label in range(4):
        features = found.of(label)
        weights = [feature.weight for feature in features]
        assert weights == sorted(weights, reverse=True)
        dense = found.vector(label)
        assert {f.weight for f in features} == set(dense[dense != 0])
        for layer, channel, weight in features:
            assert dense[found.channels.number(layer, channel)] == weight
    for wrong in (-1, 4):
        with pytest.raises(OptionError, match="expected 0 to 3"):
            found.of(wrong)


def test_batches_and_sources_change_nothing(clf, data, found):
    images, labels = data
    calls = []
    sources = [images, list(images), iter(images), lambda: iter([images[:20], images[20:]])]
    for size, source in zip((1, 5, 48, 7), sources, strict=True):
        clf.passes = Passes()
        again = select_features(
            clf, source, labels, mu=2.0, batch_size=size, progress=lambda *c: calls.append(c)
        )
        np.testing.assert_array_equal(again.weights, found.weights)
        np.testing.assert_array_equal(again.features, found.features)
        assert clf.passes == Passes(48 + 1, 0)
    assert calls[-1] == (48, 48)


def test_indicators_are_labels_too(clf, data, found):
    images, labels = data
    again = select_features(clf, images, labels[:, None] == np.arange(4), mu=2.0)
    np.testing.assert_array_equal(again.weights, found.weights)


def test_the_spectral_gradient_fits_as_well(clf, data, found):
    other = select_features(clf, *data, mu=2.0, solver="spectral_gradient")
    np.testing.assert_allclose(other.objective, found.objective, rtol=1e-4)
    assert other.settings["solver"] == "spectral_gradient"


def test_larger_mu_fits_better(clf, data):
    fits = [select_features(clf, *data, mu=mu).objective.sum() for mu in (0.1, 1.0, 5.0)]
    assert fits == sorted(fits, reverse=True)


def test_file_gives_the_same_set(found, tmp_path):
    path = tmp_path / "flowers.features"
    found.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["flowers.features"]
    again = FeatureSet.load(path)
    for field in dataclasses.fields(found):
        one, two = getattr(found, field.name), getattr(again, field.name)
        np.testing.assert_equal(two, one)
        assert not isinstance(one, np.ndarray) or one.dtype == two.dtype
    with zipfile.ZipFile(path) as file:
        assert all(b"pickle" not in file.read(name) for name in file.namelist())


def damaged(found, tmp_path, change):
    path = tmp_path / "x.npz"
    found.save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    change(arrays)
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.pop("weights"),
        lambda a: a.update(weights=a["weights"][:-1]),
        lambda a: a.update(features=a["features"] + 1000),
        lambda a: a.update(classes=a["classes"][::-1]),
        lambda a: a.update(gap=a["gap"][1:]),
        lambda a: a.update(weights=a["weights"].astype(int)),
        lambda a: a.update(about=np.array("no json")),
        lambda a: a.update(about=np.array('{"format": "pysal features 99"}')),
        lambda a: a.update(about=np.array("[]")),
        lambda a: a.update(extra=np.zeros(2)),
    ],
)
def test_damaged_files_are_one_line(found, tmp_path, change):
    path = damaged(found, tmp_path, change)
    with pytest.raises(InputError, match="holds no features of this version") as error:
        FeatureSet.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"hello", b"\x93NUMPY"])
def test_other_files_are_one_line(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="holds no features"):
        FeatureSet.load(path)


def test_missing_files_and_folders(found, tmp_path):
    with pytest.raises(InputError, match="No such file"):
        FeatureSet.load(tmp_path / "absent.npz")
    with pytest.raises(InputError, match="expected a file"):
        FeatureSet.load(tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        found.save(tmp_path / "absent" / "x.npz")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(InputError, match="holds no features"):
        FeatureSet.load(tmp_path / "array.npy")


def test_features_of_another_model_are_refused(clf, found):
    found.check(clf)
    hashed = dataclasses.replace(found, sha256="a" * 64)
    hashed.check(clf)  # a model that is no file has no hash to compare
    other = ToyNetwork()
    other.info = dataclasses.replace(clf.info, sha256="b" * 64)
    with pytest.raises(InputError, match=r"\(aaaaaaaaaaaa\) do not belong to .* \(bbbbbbbbbbbb\)"):
        hashed.check(other)
    other.info = dataclasses.replace(clf.info, layers=("relu2",))
    with pytest.raises(InputError, match='need layer "conv1"'):
        found.check(other)
    other.info = dataclasses.replace(clf.info, num_classes=9)
    with pytest.raises(InputError, match="4 classes and toy network has 9"):
        found.check(other)


def test_a_layer_without_answers_is_said_aloud(clf, data):
    quiet = ToyNetwork()
    quiet.fc1 = -np.abs(quiet.fc1)
    with pytest.warns(UserWarning, match=r'1 of 6 layers \("hidden"\) answer to none'):
        chosen = select_features(quiet, *data)
    assert all(feature.layer != "hidden" for k in range(4) for feature in chosen.of(k))
    assert np.isfinite(chosen.weights).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mu": 0}, "mu is 0"),
        ({"mu": float("inf")}, "mu is inf"),
        ({"tolerance": 0}, "tolerance"),
        ({"max_steps": 0}, "max_steps"),
        ({"batch_size": 0}, "batch_size"),
        ({"response": "max"}, "response"),
        ({"solver": "simplex"}, "solver"),
        ({"layers": "fc"}, "layers"),
        ({"labels": [0, 1]}, "2 labels for 48 images"),
        ({"labels": np.full(48, 4)}, "label is 4; expected 0 to 3"),
        ({"labels": np.full(48, -1)}, "label is -1"),
        ({"labels": np.zeros(48)}, "labels have dtype float64"),
        ({"labels": np.zeros((48, 3), int)}, r"\(N, 4\) of 0 and 1"),
        ({"labels": np.full((48, 4), 0.5)}, r"\(N, 4\) of 0 and 1"),
    ],
)
def test_wrong_options_are_one_line_before_any_work(clf, data, options, message):
    images, labels = data
    clf.passes = Passes()
    with pytest.raises(OptionError, match=message) as error:
        select_features(clf, images, **{"labels": labels, **options})
    assert "\n" not in str(error.value)
    assert clf.passes == Passes()


def test_iterators_of_another_length(clf, data):
    images, labels = data
    with pytest.raises(OptionError, match="48 labels for 40 images"):
        select_features(clf, iter(images[:40]), labels)
    with pytest.raises(OptionError, match="40 labels for 48 or more images"):
        select_features(clf, iter([images]), labels[:40], batch_size=48)


def test_feature_is_a_tuple():
    assert Feature("conv1", 3, 0.5) == ("conv1", 3, 0.5)
