"""Relevant features: against a naive explanation in torch, its cost, its options."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from toy_network import ToyNetwork

from pysal.errors import CapabilityError, InputError, OptionError, PysalError
from pysal.features import select_features
from pysal.features.feedback import channel_signal, scale_feedback
from pysal.methods import METHODS
from pysal.methods import relevant_features as module
from pysal.methods.relevant_features import relevant_features
from pysal.types import Passes, Target


@pytest.fixture(scope="module")
def clf():
    return ToyNetwork(size=15)


@pytest.fixture(scope="module")
def data(clf):
    rng = np.random.default_rng(0)
    labels = np.arange(32) % 4
    images = 0.5 * rng.normal(size=(32, 3, 15, 15))
    for image, label in zip(images, labels, strict=True):
        image += np.tile(clf.w1[label], (1, 5, 5)) * rng.uniform(0.5, 2)
    return images.astype(np.float32), labels


@pytest.fixture(scope="module")
def chosen(clf, data):
    return select_features(clf, *data, mu=6.0)


@pytest.fixture
def explain(clf, data, chosen):
    images, labels = data

    def run(rows=slice(0, 6), **options):
        options = {"features": chosen, **options}
        return relevant_features(clf, images[rows], Target(labels[rows]), **options)

    return run


class Naive:
    """Section 9.2 and 1.6 for one image of the toy network, in torch and float64."""

    def __init__(self, clf, x):
        self.w1, self.w2, self.fc1 = (torch.from_numpy(w) for w in (clf.w1, clf.w2, clf.fc1))
        x = torch.from_numpy(x).double()[None]
        values = {"conv1": F.conv2d(x, self.w1, stride=2, padding=1)}
        values["relu1"] = values["conv1"].relu()
        values["conv2"] = F.conv2d(values["relu1"], self.w2)
        values["relu2"] = values["conv2"].relu()
        values["mean"] = values["relu2"].mean(dim=(2, 3))
        values["hidden"] = (values["mean"] @ self.fc1.T).relu()
        self.x, self.values = x, values

    def descriptor(self, layers):
        parts = []
        for layer in layers:
            r = self.values[layer][0].reshape(self.values[layer].shape[1], -1).square().sum(1)
            parts.append(r / r.sum())
        joined = torch.cat(parts)
        return (joined / joined.norm()).numpy()

    def heatmap(self, layer, channel):
        v = self.values
        g = torch.zeros_like(v[layer])
        g[0, channel] = v[layer][0, channel]
        order = list(v)
        for name in reversed(order[: order.index(layer) + 1]):
            if name in ("hidden", "relu2", "relu1"):
                g = g * (v[name] > 0) * (g > 0)
            if name == "hidden":
                g = g @ self.fc1
            elif name == "mean":
                g = g[..., None, None].expand(v["relu2"].shape) / v["relu2"][0, 0].numel()
            elif name == "conv2":
                g = F.conv_transpose2d(g, self.w2)
            elif name == "conv1":
                side = self.x.shape[2] + 2 - 3 + 1
                g = F.interpolate(g, size=(side, side), mode="nearest-exact")
                g = F.conv_transpose2d(g, self.w1, padding=1)
        raw = g[0].numpy()
        assert raw.shape == self.x.shape[1:]
        h = np.sqrt((np.maximum(raw, 0) ** 2).sum(axis=0))
        h[raw.sum(axis=0) == 0] = 0
        h = (h - raw.min()) / (raw.max() - raw.min())
        return (h - h.min()) / (h.max() - h.min())


def test_follows_the_naive_explanation(clf, data, chosen, explain):
    found = explain(slice(0, 8), keep_maps=True)
    channels = chosen.channels
    for i, label in enumerate(data[1][:8]):
        naive = Naive(clf, data[0][i])
        e = naive.descriptor(channels.layers) * chosen.vector(label)
        best = sorted(range(len(e)), key=lambda k: -e[k])[:3]
        best = [k for k in best if e[k] > 0]
        assert found.trace["feature"][i].tolist() == best + [-1] * (3 - len(best))
        np.testing.assert_allclose(found.trace["relevance"][i][: len(best)], e[best], rtol=1e-5)
        assert np.isnan(found.trace["relevance"][i][len(best) :]).all()
        maps = [naive.heatmap(*channels.where(k)) for k in best]
        np.testing.assert_allclose(found.trace["maps"][i][: len(best)], maps, atol=1e-5)
        np.testing.assert_allclose(found.native[i], np.max(maps, axis=0), atol=1e-5)


def test_the_planted_filter_explains(clf, data):
    """With conv1 alone, class k is explained by the filter that its images show."""
    chosen = select_features(clf, *data, mu=1.0, layers=["conv1"])
    found = relevant_features(clf, data[0][:8], Target(data[1][:8]), features=chosen, top=1)
    assert found.trace["feature"][:, 0].tolist() == data[1][:8].tolist()


def test_shapes_and_range(explain):
    found = explain(top=2, keep_maps=True)
    assert found.native.shape == found.map.shape == (6, 15, 15)
    assert found.trace["maps"].shape == (6, 2, 15, 15)
    assert found.native.dtype == found.trace["maps"].dtype == np.float32
    assert (found.native >= 0).all()
    np.testing.assert_array_equal(found.native.max(axis=(1, 2)), 1)
    np.testing.assert_array_equal(found.native, found.trace["maps"].max(axis=1))
    assert found.options == {
        "features": "given",
        "top": 2,
        "rules": "stride1_deconv",
        "keep_maps": True,
    }
    assert "maps" not in explain().trace


@pytest.mark.parametrize("group", [1, 3, 100])
def test_batch_is_its_images_and_groups_change_nothing(explain, monkeypatch, group):
    together = explain()
    monkeypatch.setattr(module, "GROUP", group)
    for i in range(6):
        alone = explain(slice(i, i + 1))
        np.testing.assert_array_equal(alone.native[0], together.native[i])
        np.testing.assert_array_equal(alone.trace["feature"][0], together.trace["feature"][i])
    np.testing.assert_array_equal(explain().native, together.native)


def test_passes_are_those_counted(clf, explain):
    clf.passes = Passes()
    calls = []
    found = explain(progress=lambda *c: calls.append(c))
    picked = int((found.trace["feature"] >= 0).sum())
    assert found.passes == clf.passes == Passes(12 + picked, picked)
    assert calls[-1] == (2, 2)
    assert [c[0] for c in calls] == sorted(c[0] for c in calls)


def test_features_from_a_file(chosen, explain, tmp_path):
    path = tmp_path / "features.npz"
    chosen.save(path)
    expected = explain()
    for given in (path, str(path)):
        found = explain(features=given)
        np.testing.assert_array_equal(found.native, expected.native)
        assert found.options["features"] == str(path)
    with pytest.raises(InputError, match="No such file"):
        explain(features=tmp_path / "absent.npz")


def test_other_rules_give_other_maps(explain):
    plain, deconv = explain(rules="gradient"), explain()
    np.testing.assert_array_equal(plain.trace["feature"], deconv.trace["feature"])
    assert not np.array_equal(plain.native, deconv.native)


def test_relevance_is_measured_as_at_the_selection(clf, data):
    """With response="norm" descriptors are roots of sums of squares, here as well."""
    chosen = select_features(clf, *data, mu=6.0, response="norm", layers=["relu1"])
    found = relevant_features(clf, data[0][:4], Target(data[1][:4]), features=chosen, top=1)
    maps = clf.activations(data[0][:4], ["relu1"])["relu1"].astype(float)
    size = np.sqrt((maps**2).sum(axis=(2, 3)))
    size /= np.linalg.norm(size, axis=1, keepdims=True)
    for i, label in enumerate(data[1][:4]):
        expected = size[i] * chosen.vector(label)
        assert found.trace["feature"][i, 0] == expected.argmax()
        np.testing.assert_allclose(found.trace["relevance"][i, 0], expected.max(), rtol=1e-5)


def test_nothing_that_speaks_is_said_aloud(clf, data, chosen):
    """A class without images has no features, and one of negative weights none that speak."""
    mute = dataclasses.replace(
        chosen,
        weights=np.where(chosen.classes == 1, -np.abs(chosen.weights), chosen.weights),
    )
    with pytest.warns(UserWarning, match=r"target of 2 of 6 images \(number 1, 5\)"):
        found = relevant_features(clf, data[0][:6], Target(data[1][:6]), features=mute)
    silent = data[1][:6] == 1
    assert (found.native[silent] == 0).all()
    assert (found.trace["feature"][silent] == -1).all()
    assert (found.native[~silent].max(axis=(1, 2)) == 1).all()


def test_no_images(clf, chosen):
    empty = np.zeros((0, 3, 15, 15), np.float32)
    found = relevant_features(clf, empty, Target(np.zeros(0, int)), features=chosen, keep_maps=True)
    assert found.native.shape == (0, 15, 15)
    assert found.trace["feature"].shape == (0, 3)
    assert found.trace["maps"].shape == (0, 3, 15, 15)
    assert found.passes == Passes()


def test_signals_and_scaling():
    signal = channel_signal([np.ones((2, 2)), np.full((2, 2), 3)], [1, 0], (2, 2, 2))
    np.testing.assert_array_equal(signal[:, :, 0, 0], [[0, 1], [3, 0]])
    assert channel_signal([np.float32(2)], [2], (4,)).tolist() == [[0, 0, 2, 0]]
    raw = np.zeros((3, 2, 1, 3))
    raw[0] = [[[3, -5, 1]], [[4, 5, -2]]]  # the middle sums to 0
    raw[1] = -1.0
    np.testing.assert_allclose(scale_feedback(raw)[0], [[1, 0, 0.2]])
    np.testing.assert_array_equal(scale_feedback(raw)[1:], 0)
    assert scale_feedback(np.zeros((0, 3, 4, 4))).shape == (0, 4, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": None}, "select_features"),
        ({"features": 3}, "features is a int"),
        ({"top": 0}, "top is 0"),
        ({"top": 1.5}, "top is 1.5"),
    ],
)
def test_wrong_options_are_one_line_before_any_work(clf, explain, options, message):
    clf.passes = Passes()
    with pytest.raises(OptionError, match=message) as caught:
        explain(**options)
    assert "\n" not in str(caught.value)
    assert clf.passes == Passes()


def test_features_of_another_model(data, chosen):
    other = ToyNetwork(size=15, classes=5)
    with pytest.raises(InputError, match="4 classes"):
        relevant_features(other, data[0][:2], Target([0, 1]), features=chosen)
    assert other.passes == Passes()


def test_bad_numbers_are_an_error(data, chosen):
    broken = ToyNetwork(size=15)
    back = broken.backward
    broken.backward = lambda *args, **options: back(*args, **options) * np.nan
    with pytest.raises(CapabilityError, match="signal of image"):
        relevant_features(broken, data[0][:2], Target(data[1][:2]), features=chosen)


def test_needs_a_way_back(data, chosen, monkeypatch):
    monkeypatch.delattr(ToyNetwork, "backward")
    with pytest.raises(PysalError, match="no backward pass at a layer"):
        relevant_features(ToyNetwork(size=15), data[0][:1], Target([0]), features=chosen)


def test_registry_line():
    entry = METHODS["relevant_features"]
    assert entry.load() is relevant_features
    assert entry.needs == {"grad", "activations"}
