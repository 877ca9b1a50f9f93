"""Relevant features of the demo's network: they are found, and they are on the flowers."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pysal.demo import MODEL, load_pictures
from pysal.features import average_images, select_features
from pysal.methods.relevant_features import relevant_features
from pysal.photos import load_photos
from pysal.types import Target

CLASSES = 6


@pytest.fixture(scope="module")
def clf():
    backend = pytest.importorskip("pysal.backends.ort")
    return backend.OrtClassifier(MODEL)


@pytest.fixture(scope="module")
def data():
    """The six pictures in eight orientations each: photos, classes."""
    pictures = [np.asarray(Image.open(p.path).convert("RGB")) for p in load_pictures()]
    turned = [np.rot90(x, k)[:, ::flip] for x in pictures for k in range(4) for flip in (1, -1)]
    return [np.ascontiguousarray(x) for x in turned], np.repeat(np.arange(CLASSES), 8)


@pytest.fixture(scope="module")
def chosen(clf, data):
    return select_features(clf, *data, mu=2.0, layers="conv")


def test_few_features_predict_the_class(clf, data, chosen):
    assert chosen.sha256 == clf.info.sha256
    kinds = clf.info.layer_kinds
    assert [kinds[layer] for layer in chosen.channels.layers] == ["conv"] * 5
    assert (chosen.gap < 1e-6).all()
    for label in range(CLASSES):
        assert 1 <= len(chosen.of(label)) < 20


def test_explanations_are_on_the_flower(clf, chosen):
    pictures = load_pictures()
    batch = load_photos([p.path for p in pictures], clf.preprocess).batch
    target = Target(np.array([p.label for p in pictures]))
    found = relevant_features(clf, batch, target, features=chosen)
    for picture, saliency in zip(pictures, found.map, strict=True):
        resized = Image.fromarray(picture.mask).resize((112, 112), Image.Resampling.NEAREST)
        flower = np.asarray(resized)
        assert saliency[flower].mean() > 3 * saliency[~flower].mean()


def test_average_images_have_the_colours_of_their_classes(clf, data):
    """Red, yellow, blue: the strongest feature of a ReLU, in the windows that the model gives."""
    kinds = clf.info.layer_kinds
    layers = [layer for layer in clf.info.receptive_fields if kinds[layer] == "activation"]
    chosen = select_features(clf, *data, mu=5.0, layers=layers)
    labels = {p.name: p.label for p in load_pictures()}
    found = {
        name: average_images(clf, data[0], chosen, target=labels[name], most=1, count=8)
        for name in ("red", "yellow", "blue")
    }
    for name, average in found.items():
        red, green, blue = average.images[0].mean(axis=(0, 1))
        assert (red > 2 * blue, green > 2 * blue) == {
            "red": (True, False),
            "yellow": (True, True),
            "blue": (False, False),
        }[name]
        assert (average.chosen[0] // 8 == labels[name]).all()
