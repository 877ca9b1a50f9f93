"""Box occlusion against loops over patches, areas that are known, and its distribution."""

from __future__ import annotations

import numpy as np
import pytest
from placed import resized_slowly
from toy import ToyClassifier

import pysal
from pysal.baselines import make_baseline
from pysal.errors import OptionError, ShapeError
from pysal.heatmap import ConstantMapWarning
from pysal.metrics import METRICS
from pysal.metrics import box_occlusion as module
from pysal.metrics.box_occlusion import box_occlusion, centre_order, cover_times
from pysal.types import MetricResult, Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


def centres(weight, seed, draw):
    """Centres in the order in which they are drawn, with the documented random numbers."""
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, draw], np.uint64)))
    waits = -np.log1p(-rng.random(weight.shape))
    inside = [p for p in np.ndindex(weight.shape) if weight[p] > 0]
    outside = [p for p in np.ndindex(weight.shape) if weight[p] <= 0]
    return sorted(inside, key=lambda p: waits[p] / weight[p]) + sorted(
        outside, key=lambda p: waits[p]
    )


def naive(clf, photo, fill, saliency, index, *, patch, shares, draws, seed=0, part=1.0):
    """Drops and covered shares at every share, one patch after the other."""
    size = photo.shape[1:]
    weight = np.maximum(saliency, 0)
    top = np.zeros(size, bool)
    order = sorted(np.ndindex(size), key=lambda p: -saliency[p])
    for p in order[: round(part * saliency.size)]:
        top[p] = True
    p_image = float(clf.score(photo[None])[0, index])
    drops, covered = np.zeros(len(shares)), np.zeros(len(shares))
    for draw in range(draws):
        hidden, todo = np.zeros(size, bool), centres(weight, seed, draw)
        for t, share in enumerate(shares):
            while (hidden & top).sum() / top.sum() < share - 1e-9:
                i, j = todo.pop(0)
                i, j = i - patch // 2, j - patch // 2
                hidden[max(i, 0) : max(i + patch, 0), max(j, 0) : max(j + patch, 0)] = True
            shown = np.where(hidden, fill, photo)[None].astype(np.float32)
            drops[t] += (p_image - float(clf.score(shown)[0, index])) / draws
            covered[t] += (hidden & top).sum() / top.sum() / draws
    return drops, covered


@pytest.mark.parametrize(
    ("patch", "part", "native"), [(3, 1.0, (16, 16)), (2, 0.5, (6, 5)), (1, 1.0, (16, 16))]
)
def test_is_the_loop(clf, patch, part, native):
    maps, photos = np.random.default_rng(0).normal(size=(2, *native)), clf.photos(2)
    target, fill = Target([0, 1], "logit"), make_baseline("mean", clf.photos(2), clf.preprocess)
    result = box_occlusion(
        clf, photos, maps, target, patch=patch, part=part, draws=3, steps=4, seed=[7, 9]
    )
    for i in range(2):
        drops, covered = naive(
            clf,
            photos[i],
            fill[i],
            resized_slowly(maps[i], (16, 16)),
            i,
            patch=patch,
            part=part,
            draws=3,
            seed=(7, 9)[i],
            shares=[0.075, 0.15, 0.225, 0.3],
        )
        np.testing.assert_allclose(result.curves["drop"][i, 1:], drops, atol=1e-6)
        np.testing.assert_allclose(result.curves["covered"][i, 1:], covered)
        assert result.values["drop"][i] == pytest.approx(drops.mean(), abs=1e-6)
        assert result.values["last_drop"][i] == pytest.approx(drops[-1], abs=1e-6)
    assert not result.curves["drop"][:, 0].any()
    np.testing.assert_allclose(result.curves["share"], [0, 0.075, 0.15, 0.225, 0.3])


class Shown(ToyClassifier):
    """Probability of class 0 = mean of the first channel: drops are shares."""

    def score(self, batch, kind="probability"):
        self.passes += Passes(len(batch), 0)
        mean = batch[:, 0].mean(axis=(1, 2))
        return np.stack([mean, 1 - mean, 0 * mean, 0 * mean], axis=1)


def test_drop_is_the_covered_share_where_all_pixels_count_alike():
    clf = Shown()
    photos = np.ones((3, 3, 16, 16), np.float32)
    maps = np.random.default_rng(0).random((3, 8, 8))
    result = box_occlusion(clf, photos, maps, Target([0]), baseline="zero", draws=4)
    covered = result.curves["covered"]
    np.testing.assert_allclose(result.curves["drop"], covered, atol=1e-6)
    assert (covered >= result.curves["share"] - 1e-9).all()
    assert (covered < result.curves["share"] + 1 / 256 + 1e-9).all()  # patches of one pixel
    assert result.options["patch"] == 1
    assert clf.passes == result.passes == Passes(3 * (1 + 4 * 10), 0)


def test_a_map_of_the_evidence_costs_more_than_its_opposite(clf):
    photos = clf.photos(4)
    maps = np.abs(clf.linear).sum(axis=1)
    good = box_occlusion(clf, photos, maps, Target(np.arange(4)), draws=5)
    bad = box_occlusion(clf, photos, maps.max() - maps, Target(np.arange(4)), draws=5)
    assert (good.values["drop"] > bad.values["drop"]).all()


def test_cover_times_are_those_of_the_first_patch():
    ranks = np.random.default_rng(0).permutation(63).reshape(7, 9)
    for side in (1, 2, 3, 4, 8, 20):
        expected = np.full((7, 9), 63)
        for (i, j), rank in np.ndenumerate(ranks):
            top, left = i - side // 2, j - side // 2
            window = (
                slice(max(top, 0), max(top + side, 0)), slice(max(left, 0), max(left + side, 0))
            )  # fmt: skip
            expected[window] = np.minimum(expected[window], rank)
        np.testing.assert_array_equal(cover_times(ranks, side), expected)


def test_first_centres_follow_the_map():
    weight = np.array([[1.0, 0, 3], [4, 2, 0]])
    first = np.zeros((2, 3))
    for draw in range(4000):
        order = centre_order(weight, 5, draw)
        assert sorted(order.ravel()) == list(range(6))
        assert min(order[0, 1], order[1, 2]) == 4  # zeros come last
        first += order == 0
    np.testing.assert_allclose(first / 4000, weight / 10, atol=0.03)


def test_draws_are_shared_between_maps(clf):
    """Equal maps up to a factor and two equal methods meet the same patches."""
    maps, photos = np.random.default_rng(0).random((1, 16, 16)), clf.photos(1)
    a, b = (box_occlusion(clf, photos, k * maps, Target([0]), draws=2) for k in (1, 64))
    np.testing.assert_array_equal(a.curves["drop"], b.curves["drop"])
    other = box_occlusion(clf, photos, maps, Target([0]), draws=2, seed=1)
    assert (a.curves["drop"][0, 1:] != other.curves["drop"][0, 1:]).any()


@pytest.mark.parametrize("value", [3.0, 0.0, -2.0, np.nan])
def test_maps_that_show_nothing_are_uniform(clf, value):
    photos = clf.photos(1)
    said = UserWarning if np.isnan(value) else ConstantMapWarning
    with pytest.warns(said, match="1 of 1 maps"):
        result = box_occlusion(clf, photos, np.full((1, 4, 4), value), Target([0]), draws=2)
    with pytest.warns(ConstantMapWarning):
        flat = box_occlusion(clf, photos, np.ones((1, 16, 16)), Target([0]), draws=2)
    np.testing.assert_array_equal(result.curves["drop"], flat.curves["drop"])


def test_everything_can_be_covered(clf):
    maps, photos = np.zeros((1, 16, 16)), clf.photos(1)
    maps[0, 3, 3] = 1
    result = box_occlusion(clf, photos, maps, Target([0]), stop=1.0, draws=2, patch=40)
    fill = make_baseline("mean", photos, clf.preprocess)
    drop = clf.score(photos)[0, 0] - clf.score(fill)[0, 0]
    np.testing.assert_allclose(result.curves["drop"][0, 1:], drop, atol=1e-6)
    np.testing.assert_allclose(result.curves["covered"][0, 1:], 1)


def test_batch_and_groups_are_the_images(clf, monkeypatch):
    maps, photos = np.random.default_rng(0).normal(size=(4, 6, 5)), clf.photos(4)
    target, calls, seeds = clf.top(photos), [], [4, 5, 6, 7]
    options = {"draws": 2, "baseline": "noise"}
    whole = box_occlusion(clf, photos, maps, target, seed=seeds, **options)
    monkeypatch.setattr(module, "GROUP", 3)
    parts = box_occlusion(
        clf, photos, maps, target, seed=seeds, progress=lambda *c: calls.append(c), **options
    )
    assert calls == [(3, 4), (4, 4)]
    alone = MetricResult.concat(
        [
            box_occlusion(clf, photos[[i]], maps[[i]], target[[i]], seed=seeds[i], **options)
            for i in range(4)
        ]
    )
    for result in (parts, alone):
        np.testing.assert_array_equal(whole.curves["drop"], result.curves["drop"])
        assert whole.passes == result.passes
    none = box_occlusion(clf, photos[:0], maps[:0], target[:0])
    assert none.curves["drop"].shape == (0, 11)
    assert none.passes == Passes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patch", 0),
        ("draws", 0),
        ("steps", 1.5),
        ("stop", 0),
        ("part", 1.2),
        ("seed", -1),
        ("baseline", "fog"),
    ],
)
def test_wrong_options_are_one_line(clf, name, value):
    with pytest.raises(OptionError) as error:
        box_occlusion(clf, clf.photos(1), np.eye(4)[None], Target([0]), **{name: value})
    assert "\n" not in str(error.value)


def test_public_face(clf):
    maps, photos = np.random.default_rng(0).normal(size=(3, 5, 5)), clf.photos(3)
    options = {"draws": 2, "seed": [1, 2, 3]}
    result = pysal.measure("box_occlusion", clf, photos, maps, batch_size=2, **options)
    direct = box_occlusion(clf, photos, maps.astype(np.float32), clf.top(photos), **options)
    np.testing.assert_array_equal(result.values["drop"], direct.values["drop"])
    assert set(METRICS["box_occlusion"].values) == set(result.values)
    with pytest.raises(ShapeError):
        box_occlusion(clf, photos, maps[:2], clf.top(photos))


def test_device_arrays_give_the_hosts_drops(clf):
    torch = pytest.importorskip("torch")

    class Device(ToyClassifier):
        """Holds float32 tensors, as engines do, and insists on composing into one."""

        def to_device(self, array):
            return torch.from_numpy(np.array(array, np.float32))

        def score_composed(self, compose, num_images, count, target):
            def write(image, first, out):
                tensor = torch.empty(out.shape)
                compose(image, first, tensor)
                out[...] = tensor.numpy()

            return super().score_composed(write, num_images, count, target)

    maps, photos = np.random.default_rng(0).random((2, 6, 5)), clf.photos(2)
    host, device = (
        box_occlusion(model, photos, maps, Target([0, 1]), draws=2, patch=2)
        for model in (clf, Device())
    )
    np.testing.assert_allclose(device.curves["drop"], host.curves["drop"], atol=1e-6)
