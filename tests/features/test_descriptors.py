"""Channels and descriptors: which layers count, and what is divided by what."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toy_network import ToyNetwork

from pysal.errors import CapabilityError, InputError, OptionError
from pysal.features import Channels, describe, find_channels
from pysal.features.descriptors import iter_descriptors
from pysal.features.stream import check_rereadable, iter_batches, iter_chosen
from pysal.types import Passes


@pytest.fixture
def clf():
    return ToyNetwork()


@pytest.fixture
def photos():
    return np.random.default_rng(0).normal(size=(7, 3, 16, 16)).astype(np.float32)


def test_channels_stand_in_a_row():
    channels = Channels(("a", "b", "c"), (3, 1, 2))
    assert len(channels) == 6
    places = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("c", 0), ("c", 1)]
    assert [channels.where(k) for k in range(6)] == places
    assert [channels.number(*place) for place in places] == list(range(6))
    for wrong in (-1, 6):
        with pytest.raises(OptionError, match="expected 0 to 5"):
            channels.where(wrong)
    with pytest.raises(OptionError, match="did you mean"):
        channels.number("d", 0)
    with pytest.raises(OptionError, match="use 0 to 1"):
        channels.number("c", 2)


def test_all_layers_but_that_of_the_classes(clf):
    found = find_channels(clf)
    assert found.layers == ("conv1", "relu1", "conv2", "relu2", "mean", "hidden")
    assert found.counts == (6, 6, 5, 5, 5, 7)
    assert clf.passes == Passes(1, 0)


def test_feature_layers_of_the_model_go_first(clf):
    clf.info = dataclasses.replace(clf.info, feature_layers=("relu2", "hidden", "logits"))
    assert find_channels(clf).layers == ("relu2", "hidden", "logits")
    assert find_channels(clf, "conv").layers == ("relu2",)
    kinds = {"conv1": "conv", "relu1": "activation", "conv2": "conv", "hidden": "linear"}
    clf.info = dataclasses.replace(clf.info, feature_layers=tuple(kinds), layer_kinds=kinds)
    assert find_channels(clf, "conv").layers == ("conv1", "conv2")
    assert find_channels(clf).layers == tuple(kinds)


def test_convolutions_only(clf):
    assert find_channels(clf, "conv").layers == ("conv1", "relu1", "conv2", "relu2")
    assert find_channels(clf, ["relu2", "conv1"]).counts == (5, 6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("fc", 'expected "all", "conv"'),
        (["relu3"], "did you mean relu"),
        ([], "gives 0 of 0 layers"),
        (["relu1", "relu1"], "gives 1 of 2 layers"),
    ],
)
def test_wrong_layers(clf, layers, message):
    with pytest.raises(OptionError, match=message):
        find_channels(clf, layers)


def test_a_layer_of_tokens_is_refused(clf):
    shaped = {"relu1": np.zeros((1, 4, 5))}
    clf.activations = lambda batch, layers: shaped
    with pytest.raises(OptionError, match=r"shape \(4, 5\) per image"):
        find_channels(clf, ["relu1"])


@pytest.mark.parametrize("response", ["squared", "norm"])
def test_descriptor_by_the_formula(clf, photos, response):
    """r_pq = sum of squares, divided by the layer's sum; then the whole by its 2-norm."""
    channels = find_channels(clf)
    found = describe(clf.activations(photos, channels.layers), channels, response)
    assert found.shape == (7, len(channels))
    for x, row in zip(photos, found, strict=True):
        parts = []
        for layer in channels.layers:
            a = clf.activations(x[None], [layer])[layer][0].astype(float)
            r = np.array([np.sum(channel**2) for channel in a])
            r = np.sqrt(r) if response == "norm" else r
            parts.append(r / r.sum())
        expected = np.concatenate(parts)
        np.testing.assert_allclose(row, expected / np.linalg.norm(expected), rtol=1e-6)
    assert (found[:, channels.number("relu2", 4)] == 0).all()


def test_silent_layers_and_images_have_zeros(clf):
    channels = Channels(("a", "b"), (2, 3))
    values = {"a": np.zeros((2, 2, 4, 4)), "b": np.array([[1, 0, 0], [0, 0, 0]])}
    found = describe({k: v.astype(np.float32) for k, v in values.items()}, channels)
    np.testing.assert_array_equal(found, [[0, 0, 1, 0, 0], [0, 0, 0, 0, 0]])


def test_large_activations_do_not_overflow():
    values = {"a": np.array([[1e30, 3e30]], np.float32)}
    found = describe(values, Channels(("a",), (2,)))
    np.testing.assert_allclose(found, [[1 / np.sqrt(82), 9 / np.sqrt(82)]], rtol=1e-6)


def test_bad_activations_are_an_error():
    values = {"a": np.array([[1, np.nan]], np.float32)}
    with pytest.raises(CapabilityError, match='layer "a" has NaN'):
        describe(values, Channels(("a",), (2,)))


def test_batches_change_nothing(clf, photos):
    channels = find_channels(clf)
    calls = []
    whole = np.concatenate(list(iter_descriptors(clf, photos, channels, batch_size=7)))
    for size in (1, 3):
        parts = iter_descriptors(
            clf, photos, channels, batch_size=size, progress=lambda *c: calls.append(c)
        )
        np.testing.assert_array_equal(np.concatenate(list(parts)), whole)
    assert calls[-1] == (7, 7)


def test_streams(clf, photos):
    """Arrays, lists, iterators and callables give the same images."""
    sources = {
        "array": photos,
        "list": list(photos),
        "iterator": iter([photos[:3], photos[3], photos[4:]]),
        "callable": lambda: iter(photos),
    }
    for name, source in sources.items():
        batches = list(iter_batches(clf, source, 2))
        np.testing.assert_array_equal(np.concatenate([b for b, _ in batches]), photos)
        assert all(len(b) <= 2 for b, _ in batches)
        known = {total for _, total in batches}
        assert known == ({7} if name in ("array", "list") else {None})
    with pytest.raises(InputError):
        list(iter_batches(clf, [], 2))


def test_some_images_by_number(clf, photos):
    rows = np.array([1, 4, 6])
    for source in (photos, list(photos), [photos[:3], photos[3:]], lambda: iter(photos)):
        found = list(iter_chosen(clf, source, rows, 2))
        assert [number for number, _ in found] == [1, 4, 6]
        np.testing.assert_array_equal(np.concatenate([x for _, x in found]), photos[rows])
        assert list(iter_chosen(clf, source, rows[:0], 2)) == []


def test_only_the_chosen_paths_are_read(clf, tmp_path):
    from PIL import Image

    paths = [tmp_path / f"{k}.png" for k in range(3)]
    for k, path in enumerate(paths):
        Image.new("RGB", (20, 20), (80 * k, 0, 0)).save(path)
    paths[1].unlink()
    found = dict(iter_chosen(clf, paths, np.array([0, 2]), 8))
    assert found[0][0, 0, 0, 0] < found[2][0, 0, 0, 0]


def test_an_iterator_can_not_be_read_twice(photos):
    check_rereadable(photos)
    with pytest.raises(OptionError, match="read once"):
        check_rereadable(iter(photos))
