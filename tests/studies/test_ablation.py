"""Filter ablation on a network of which every channel can be taken away by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pooled import CLASSES, SIZE, X, write_network
from pooled_torch import pooled_module

from pysal.backends.ort import OrtClassifier
from pysal.backends.pytorch import TorchClassifier
from pysal.errors import CapabilityError, InputError, OptionError
from pysal.features import Channels, FeatureSet
from pysal.studies.ablation import filter_ablation, relevance_order
from pysal.types import Passes

CHANNELS = Channels(("r1", "c2", "f"), (8, 8, 8))
RNG = np.random.default_rng(3)
PHOTOS = RNG.normal(size=(12, 3, SIZE, SIZE)).astype(np.float32)
LABELS = np.array([0, 1, 2, 4] * 3)


def features(entries, channels=CHANNELS):
    """A set with weights {(class, feature): weight}."""
    keys = sorted(entries)
    return FeatureSet(
        channels=channels,
        num_classes=CLASSES,
        classes=np.array([k for k, _ in keys], np.int32),
        features=np.array([f for _, f in keys], np.int32),
        weights=np.array([entries[key] for key in keys], np.float64),
        objective=np.zeros(CLASSES),
        gap=np.zeros(CLASSES),
    )


SET = features({(0, 3): 1.0, (0, 17): -4.0, (1, 3): 2.0, (2, 20): 3.0, (2, 5): 0.5})
ORDER = [17, 20, 3, 5]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def net(path):
    return OrtClassifier(path, threads=1)


def forward(module, x, gone):
    """Classes by torch, with features set to zero piece by piece."""
    import torch

    def cut(value, first):
        value = value.clone()
        for f in gone:
            if first <= f < first + 8:
                value[:, f - first] = 0
        return value

    with torch.no_grad():
        r1 = cut(module.r1(module.c1(torch.from_numpy(x))), 0)
        c2 = cut(module.c2(module.m1(r1)), 8)
        f = cut(module.f(module.a(module.r2(c2))), 16)
        return module.z(f).argmax(dim=1).numpy()


def naive(module, gone):
    hits = forward(module, PHOTOS, gone) == LABELS
    found = [hits[LABELS == c].mean() if (LABELS == c).any() else np.nan for c in range(CLASSES)]
    return np.array(found)


def test_features_in_order_of_relevance():
    assert relevance_order(SET).tolist() == ORDER
    ties = features({(0, 9): -1.0, (1, 2): 1.0, (3, 2): 0.2})
    assert relevance_order(ties).tolist() == [2, 9]


def test_accuracy_is_that_of_the_network_without_the_channels(net, path):
    result = filter_ablation(net, PHOTOS, LABELS, SET, points=None, draws=3, seed=5, batch_size=5)
    module = pooled_module(path)
    assert result.counts["all"].tolist() == [0, 1, 2, 3, 4]
    for count in range(5):
        expected = naive(module, ORDER[:count])
        np.testing.assert_allclose(result.accuracy["all"][count], expected)
        assert result.mca("all")[count] == pytest.approx(np.nanmean(expected))
    assert np.isnan(result.accuracy["all"][:, 3]).all()
    assert result.images.tolist() == [3, 3, 3, 0, 3]
    # Random channels are of the layers in use, r1 and f.
    pool = np.concatenate([np.arange(8), np.arange(16, 24)])
    for draw in range(3):
        key = np.array([5, draw], np.uint64)
        order = np.random.Generator(np.random.Philox(key=key)).permutation(pool)
        for count in range(5):
            found = result.random["all"][draw, count]
            np.testing.assert_allclose(found, naive(module, order[:count]))
    draws = [np.nanmean(result.random["all"][d], axis=1) for d in range(3)]
    np.testing.assert_allclose(result.random_mca("all"), np.mean(draws, axis=0))


def test_torch_and_batches_change_nothing(net, path):
    options = {"points": 2, "draws": 2}
    whole = filter_ablation(net, PHOTOS, LABELS, SET, batch_size=12, **options)
    single = filter_ablation(net, PHOTOS, LABELS, SET, batch_size=1, **options)
    clf = TorchClassifier(pooled_module(path), input_shape=(3, SIZE, SIZE), threads=1)
    torch = filter_ablation(clf, PHOTOS, LABELS, SET, **options)
    for other in (single, torch):
        np.testing.assert_array_equal(whole.accuracy["all"], other.accuracy["all"])
        np.testing.assert_array_equal(whole.random["all"], other.random["all"])


def test_several_sets_passes_and_progress(net):
    calls = []
    conv = features({(0, 1): 1.0, (1, 2): 2.0, (4, 6): 3.0}, Channels(("c2",), (8,)))
    result = filter_ablation(
        net,
        PHOTOS,
        LABELS,
        {"all": SET, "conv": conv},
        points=2,
        draws=1,
        batch_size=8,
        progress=lambda *c: calls.append(c),
    )
    assert result.counts["all"].tolist() == [0, 2, 4]
    assert result.counts["conv"].tolist() == [0, 2, 3]
    assert result.passes == Passes(12 * (1 + 2 * 2 + 2 * 2), 0)
    assert calls == [(8, 12), (12, 12)]
    alone = filter_ablation(net, PHOTOS, LABELS, conv, points=2, draws=0)
    np.testing.assert_array_equal(alone.accuracy["all"], result.accuracy["conv"])
    assert alone.random["all"].shape == (0, 3, CLASSES)
    with pytest.raises(OptionError, match="there are all, conv"):
        result.mca("linear")


def test_an_iterator_is_read_once(net):
    whole = filter_ablation(net, PHOTOS, LABELS, SET, draws=0)
    stream = filter_ablation(net, iter(list(PHOTOS)), LABELS, SET, draws=0)
    np.testing.assert_array_equal(whole.accuracy["all"], stream.accuracy["all"])
    for labels in (LABELS[:-1], np.append(LABELS, 0)):
        with pytest.raises(OptionError, match="give one each"):
            filter_ablation(net, iter(list(PHOTOS)), labels, SET, draws=0)
        with pytest.raises(OptionError, match="give one each"):
            filter_ablation(net, PHOTOS, labels, SET, draws=0)


@pytest.mark.parametrize(
    ("name", "value"), [("points", 0), ("draws", -1), ("seed", -1), ("batch_size", 0)]
)
def test_wrong_options(net, name, value):
    with pytest.raises(OptionError, match=name):
        filter_ablation(net, PHOTOS, LABELS, SET, **{name: value})


def test_wrong_input(net):
    with pytest.raises(OptionError, match="label is 5"):
        filter_ablation(net, PHOTOS, LABELS + 1, SET)
    with pytest.raises(OptionError, match="one class index"):
        filter_ablation(net, PHOTOS, LABELS + 0.5, SET)
    with pytest.raises(OptionError, match='set "all" has 0 features'):
        filter_ablation(net, PHOTOS, LABELS, features({}))
    elsewhere = features({(0, 1): 1.0}, Channels(("conv9",), (8,)))
    with pytest.raises(InputError, match='need layer "conv9"'):
        filter_ablation(net, PHOTOS, LABELS, elsewhere)
    from toy_network import ToyNetwork

    toy = ToyNetwork(classes=CLASSES)
    weights = features({(0, 1): 1.0}, Channels(("relu1",), (6,)))
    with pytest.raises(CapabilityError, match="multiplies no channels"):
        filter_ablation(toy, np.zeros((1, 3, 16, 16), np.float32), [0], weights)
    assert X.shape[1:] == (3, SIZE, SIZE)
