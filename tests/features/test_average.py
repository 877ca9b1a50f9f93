"""Average images: where channels answer most, the windows they see, crops and their means."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image
from toy_network import FIELDS, ToyNetwork

from pysal.errors import CapabilityError, InputError, OptionError
from pysal.features import FeatureSet, average_images, select_features
from pysal.features.ranking import find_strongest
from pysal.features.windows import crop, find_fields, window_of
from pysal.types import Passes

CHANNELS = [("relu1", 0), ("conv2", 3), ("hidden", 2), ("conv1", 5), ("relu1", 1)]


@pytest.fixture
def clf():
    return ToyNetwork()


@pytest.fixture
def photos():
    return np.random.default_rng(3).normal(size=(9, 3, 16, 16)).astype(np.float32)


def answers(clf, photos, layer, channel):
    """Largest activation of every image, and where."""
    maps = clf.activations(photos, [layer])[layer][:, channel].reshape(len(photos), -1)
    side = int(np.sqrt(maps.shape[1]))
    return maps.max(axis=1), [divmod(int(m.argmax()), side) for m in maps]


@pytest.mark.parametrize("batch_size", [1, 4, 9])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_strongest_images(clf, photos, batch_size, count):
    clf.passes = Passes()
    found = find_strongest(clf, photos, CHANNELS, count, batch_size=batch_size)
    assert clf.passes == Passes(9, 0)
    assert found.num_images == 9
    for row, (layer, channel) in enumerate(CHANNELS):
        response, places = answers(clf, photos, layer, channel)
        ranked = [k for k in np.argsort(-response, kind="stable") if response[k] > 0][:count]
        missing = [-1] * (count - len(ranked))
        assert found.image[row].tolist() == ranked + missing
        np.testing.assert_array_equal(found.response[row, : len(ranked)], response[ranked])
        assert (found.response[row, len(ranked) :] == -np.inf).all()
        where = list(zip(found.row[row], found.column[row], strict=True))[: len(ranked)]
        assert where == [places[k] for k in ranked]


def test_equal_answers_keep_the_order_of_the_images(clf, photos):
    twice = np.concatenate([photos, photos])
    found = find_strongest(clf, twice, CHANNELS[:1], 4, batch_size=5)
    first, second, third, fourth = found.image[0]
    assert (second, fourth) == (first + 9, third + 9)


def test_only_wanted_images(clf, photos):
    wanted = np.arange(9) % 2 == 0
    found = find_strongest(clf, photos, CHANNELS, 9, wanted=wanted)
    assert set(found.image[found.image >= 0].tolist()) <= {0, 2, 4, 6, 8}
    for source in (photos, iter(photos)):
        for size in (8, 10):
            with pytest.raises(OptionError, match=f"{size} labels"):
                find_strongest(clf, source, CHANNELS, 9, wanted=np.ones(size, bool))


def test_wrong_channels_and_bad_numbers(clf, photos):
    with pytest.raises(OptionError, match='channel 6 of layer "relu1" does not exist; use 0 to 5'):
        find_strongest(clf, photos, [("relu1", 6)], 3)
    clf.w1 = clf.w1 * np.nan
    with pytest.raises(CapabilityError, match="NaN"):
        find_strongest(clf, photos, [("relu1", 0)], 3)


def naive(clf, photos, layer, channel, count, border):
    """Average by hand: pad widely, cut, add."""
    response, places = answers(clf, photos, layer, channel)
    ranked = [k for k in np.argsort(-response, kind="stable") if response[k] > 0][:count]
    rgb = clf.preprocess.denormalize(photos)
    mean = np.array([0.485, 0.456, 0.406])
    if FIELDS[layer] is None:
        return rgb[ranked].mean(axis=0)
    size, jump, centre = FIELDS[layer]
    total = 0.0
    for k in ranked:
        y, x = (int(centre + jump * p - (size - 1) / 2) for p in places[k])
        if border == "shift":
            y, x = (min(max(v, 0), 16 - size) for v in (y, x))
        wide = np.empty((64, 64, 3))
        wide[...] = mean
        wide[24:40, 24:40] = rgb[k]
        total = total + wide[24 + y : 24 + y + size, 24 + x : 24 + x + size]
    return total / len(ranked)


@pytest.mark.parametrize("border", ["mean", "shift"])
@pytest.mark.parametrize("count", [1, 4, 100])
def test_average_is_the_naive_one(clf, photos, border, count):
    clf.passes = Passes()
    found = average_images(
        clf, photos, CHANNELS, count=count, receptive_fields=FIELDS, border=border
    )
    assert found.passes == clf.passes == Passes(9, 0)
    assert found.heatmaps is None
    for row, (layer, channel) in enumerate(CHANNELS):
        expected = naive(clf, photos, layer, channel, count, border)
        np.testing.assert_allclose(found.images[row], expected, atol=1e-6)
        assert found.images[row].dtype == np.float32
        assert found.features[row][:2] == (layer, channel)


def test_sources_and_batches_change_nothing(clf, photos):
    options = {"count": 4, "receptive_fields": FIELDS}
    expected = average_images(clf, photos, CHANNELS, **options)
    for size, source in ((1, list(photos)), (4, lambda: iter([photos[:5], photos[5:]]))):
        found = average_images(clf, source, CHANNELS, batch_size=size, **options)
        np.testing.assert_array_equal(found.chosen, expected.chosen)
        for one, two in zip(found.images, expected.images, strict=True):
            np.testing.assert_array_equal(one, two)


def test_heatmaps_are_averaged_in_the_same_windows(clf, photos):
    clf.passes = Passes()
    calls = []
    found = average_images(
        clf,
        photos,
        CHANNELS,
        count=3,
        receptive_fields=FIELDS,
        heatmaps=True,
        progress=lambda *c: calls.append(c),
    )
    assert found.passes == clf.passes
    used = len(np.unique(found.chosen[found.chosen >= 0]))
    pairs = int((found.chosen >= 0).sum())
    assert found.passes == Passes(9 + used + pairs, pairs)
    assert calls[-1] == (18, 18)
    assert [c[0] for c in calls] == sorted(c[0] for c in calls)
    for row, (layer, channel) in enumerate(CHANNELS):
        total = 0.0
        for number in found.chosen[row][found.chosen[row] >= 0]:
            x = photos[number : number + 1]
            a = clf.activations(x, [layer])[layer]
            signal = np.zeros_like(a)
            signal[0, channel] = a[0, channel]
            raw = clf.backward(x, layer, signal, rules="stride1_deconv")[0].astype(float)
            heat = np.sqrt((np.maximum(raw, 0) ** 2).sum(axis=0))
            heat = (heat - heat.min()) / (heat.max() - heat.min())
            place = divmod(int(a[0, channel].argmax()), a.shape[-1]) if a.ndim == 4 else (0, 0)
            window = window_of(find_fields(clf.info, [layer], FIELDS)[layer], *place, (16, 16))
            total = total + crop(heat.astype(np.float32), window, 0.0)
        count = (found.chosen[row] >= 0).sum()
        np.testing.assert_allclose(found.heatmaps[row], total / count, atol=1e-5)


@pytest.mark.parametrize("size", [3, 7, 40])
def test_common_size(clf, photos, size):
    options = {"count": 4, "receptive_fields": FIELDS, "heatmaps": True}
    plain = average_images(clf, photos, CHANNELS, **options)
    found = average_images(clf, photos, CHANNELS, size=size, **options)
    for row in range(len(CHANNELS)):
        assert found.images[row].shape == (size, size, 3)
        assert found.heatmaps[row].shape == (size, size)
        for plane in range(3):
            expected = Image.fromarray(plain.images[row][..., plane].copy())
            expected = expected.resize((size, size), Image.Resampling.BILINEAR)
            np.testing.assert_allclose(found.images[row][..., plane], expected, atol=1e-6)


def test_a_silent_channel_is_said_aloud(clf, photos):
    with pytest.warns(UserWarning, match=r'1 of 2 features \(channel 4 of "relu2"\)'):
        found = average_images(
            clf,
            photos,
            [("relu2", 4), ("relu1", 0)],
            receptive_fields=FIELDS,
            heatmaps=True,
            size=9,
        )
    colour = np.broadcast_to([0.485, 0.456, 0.406], (9, 9, 3))
    np.testing.assert_allclose(found.images[0], colour, atol=1e-6)
    assert (found.heatmaps[0] == 0).all()
    assert (found.chosen[0] == -1).all()
    assert np.isnan(found.response[0]).all()
    assert found.chosen.shape == found.response.shape == (2, 100)


def test_features_of_a_class_on_its_images(clf, photos):
    labels = np.arange(9) % 4
    chosen = select_features(clf, photos, labels, mu=3.0)
    positive = [f for f in chosen.of(1) if f.weight > 0]
    options = {"receptive_fields": FIELDS, "count": 3, "target": 1}
    found = average_images(clf, photos, chosen, labels=labels, **options)
    assert list(found.features) == positive
    assert set(found.chosen[found.chosen >= 0].tolist()) <= {1, 5}
    assert average_images(clf, photos, chosen, most=1, **options).features == tuple(positive[:1])


def test_fields_of_the_model_are_the_default(clf, photos):
    """Feature layers without a field see the whole image; what the caller gives goes first."""
    expected = average_images(clf, photos, CHANNELS, count=2, receptive_fields=FIELDS)
    local = {layer: [list(field)] * 2 for layer, field in FIELDS.items() if field is not None}
    clf.info = dataclasses.replace(
        clf.info, feature_layers=tuple(FIELDS), receptive_fields={**local, "relu1": None}
    )
    found = average_images(
        clf, photos, CHANNELS, count=2, receptive_fields={"relu1": FIELDS["relu1"]}
    )
    for one, two in zip(found.images, expected.images, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"count": 0}, OptionError, "count"),
        ({"batch_size": 0}, OptionError, "batch_size"),
        ({"size": 0}, OptionError, "size"),
        ({"most": 0}, OptionError, "most"),
        ({"border": "wrap"}, OptionError, "border"),
        ({"receptive_fields": None}, OptionError, 'nothing for layer "conv1"'),
        ({"receptive_fields": {**FIELDS, "conv1": 3}}, OptionError, '"conv1" is 3; expected'),
        ({"receptive_fields": {**FIELDS, "conv1": (0, 1, 1)}}, OptionError, "expected"),
        ({"receptive_fields": {**FIELDS, "conv1": (3, 1, np.nan)}}, OptionError, "expected"),
        ({"features": [("relu9", 0)]}, OptionError, 'no layer "relu9"'),
        ({"features": []}, OptionError, "no feature"),
        ({"labels": np.zeros(9, int)}, OptionError, "target None"),
        ({"labels": np.zeros(9), "target": 1}, OptionError, "labels of shape"),
        ({"images": iter([])}, OptionError, "read once"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_wrong_options_are_one_line_before_any_work(clf, photos, options, error, message):
    given = {"images": photos, "features": CHANNELS, "receptive_fields": FIELDS, **options}
    with pytest.raises(error, match=message) as caught:
        average_images(clf, given.pop("images"), given.pop("features"), **given)
    assert "\n" not in str(caught.value)
    assert clf.passes == Passes()


def test_features_of_another_model(clf, photos):
    chosen = select_features(clf, photos, np.arange(9) % 4)
    with pytest.raises(OptionError, match="target is None"):
        average_images(clf, photos, chosen)
    other = ToyNetwork(classes=7)
    with pytest.raises(InputError, match="4 classes"):
        average_images(other, photos, chosen, target=0)
    assert isinstance(chosen, FeatureSet)
