"""Relevant features from a file: opened, forwarded, closed."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import CLASSES, SIZE, write_model
from toy_network import ToyNetwork

import pysal
from pysal import features


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 3, SIZE, SIZE)).astype(np.float32), np.arange(12) % CLASSES


@pytest.fixture
def file(tmp_path):
    path = write_model(tmp_path / "tiny.onnx")
    return path


@pytest.mark.filterwarnings("ignore:tiny.onnx states no preprocessing")
def test_a_file_gives_what_its_open_classifier_gives(file, data):
    found = pysal.select_features(file, *data, mu=2.0, threads=1)
    with pysal.Explainer(file, "gradient", threads=1) as explainer:
        clf = explainer.classifier
        expected = features.select_features(clf, *data, mu=2.0)
        wanted = features.average_images(clf, data[0], expected, target=1, count=3)
    np.testing.assert_array_equal(found.vector(1), expected.vector(1))
    averages = pysal.average_images(file, data[0], found, target=1, count=3, threads=1)
    assert averages.features == wanted.features
    for mine, other in zip(averages.images, wanted.images, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_an_open_classifier_stays_open(data, monkeypatch):
    clf = ToyNetwork()
    monkeypatch.setattr(clf, "close", lambda: pytest.fail("closed"))
    rng = np.random.default_rng(1)
    images = rng.normal(size=(8, *clf.info.input_shape)).astype(np.float32)
    seen = []
    labels = np.arange(8) % clf.info.num_classes
    pysal.select_features(clf, images, labels, progress=lambda done, total: seen.append(done))
    assert seen


def test_an_unknown_option_fails_before_the_model_is_read(data):
    with pytest.raises(pysal.OptionError, match=r'select_features has no option "my".*mu'):
        pysal.select_features("absent.onnx", *data, my=2.0)
    with pytest.raises(
        pysal.OptionError, match=r'average_images has no option "heatmap".*heatmaps'
    ):
        pysal.average_images("absent.onnx", data[0], [("relu", 0)], heatmap=True)
