"""Saliency metric against loops with Pillow, known crops, and counted passes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image
from placed import resized_slowly
from toy import ToyClassifier

import pysal
from pysal.errors import OptionError, ShapeError
from pysal.heatmap import ConstantMapWarning
from pysal.metrics import METRICS
from pysal.metrics.saliency_metric import aggregate_saliency_metric, enlarged, saliency_metric
from pysal.types import MetricResult, Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


def tight(saliency, alpha):
    rows, columns = np.nonzero(saliency >= alpha * saliency.max())
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def naive(clf, photo, box, index):
    """s of one crop: 8-bit picture, crop, Pillow, ImageNet's mean and standard deviation."""
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    rgb = np.clip(photo.transpose(1, 2, 0).astype(float) * std + mean, 0, 1)
    picture = Image.fromarray(np.rint(rgb * 255).astype(np.uint8)).crop(tuple(map(int, box)))
    large = np.asarray(picture.resize(photo.shape[:0:-1], Image.Resampling.BICUBIC)) / 255
    crop = ((large - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
    p = float(clf.score(crop)[0, index])
    area = (box[2] - box[0]) * (box[3] - box[1]) / (photo.shape[1] * photo.shape[2])
    return math.log(max(area, 0.05)) - math.log(max(p, 1e-12))


@pytest.mark.parametrize("channels", [3])
def test_is_the_loop(clf, channels):
    maps, photos = np.random.default_rng(0).normal(size=(3, 6, 5)), clf.photos(3)
    target = Target([0, 1, 2], "logit")
    clf.passes = Passes()
    result = saliency_metric(clf, photos, maps, target, alpha=0.33)
    assert result.passes == clf.passes
    crops = 0
    for i in range(3):
        fine = np.maximum(resized_slowly(maps[i], (16, 16)), 0)
        boxes = [tight(fine, 0.05 * k) for k in range(20)]
        expected = [naive(clf, photos[i], box, i) for box in boxes]
        np.testing.assert_allclose(result.curves["s"][i], expected, atol=1e-5)
        chosen = tight(fine, 0.33)
        assert result.values["s"][i] == pytest.approx(naive(clf, photos[i], chosen, i), abs=1e-5)
        whole = naive(clf, photos[i], (0, 0, 16, 16), i)
        assert result.values["whole_image_s"][i] == pytest.approx(whole, abs=1e-5)
        assert result.values["best_s"][i] == pytest.approx(min(expected), abs=1e-5)
        crops += len({*boxes, chosen, (0, 0, 16, 16)})
    assert result.passes == Passes(crops, 0)
    assert crops < 3 * 22


class Fixed(ToyClassifier):
    """Class 0 has the probability that it is told."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def score(self, batch, kind="probability"):
        self.passes += Passes(len(batch), 0)
        rest = (1 - self.p) / 3
        return np.tile(np.array([self.p, rest, rest, rest], np.float32), (len(batch), 1))


@pytest.mark.parametrize("p", [0.5, 0.0, 1.0])
def test_known_values(p):
    """A quarter of the image, a crop below the least area, and the whole image."""
    clf = Fixed(p)
    maps = np.zeros((3, 16, 16))
    maps[0, 4:12, 4:12] = maps[1, 3, 3] = 1
    maps[2, 0, 0] = maps[2, 15, 15] = 1
    result = saliency_metric(clf, clf.photos(3), maps, Target([0]), alpha=0.5)
    loss = -math.log(max(p, 1e-12))
    expected = [math.log(0.25) + loss, math.log(0.05) + loss, loss]
    np.testing.assert_allclose(result.values["s"], expected, atol=1e-7)
    np.testing.assert_allclose(result.values["whole_image_s"], loss, atol=1e-7)
    assert result.passes == Passes(2 + 2 + 1, 0)


def bicubic(values, length):
    """Enlarge along the first axis: cubic kernel of a = -1/2, cut and rescaled at the border."""
    out = np.zeros((length, *values.shape[1:]))
    for i in range(length):
        at = (i + 0.5) * len(values) / length - 0.5
        total = 0.0
        for j in range(len(values)):
            d = abs(j - at)
            near, far = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * (d**3 - 5 * d**2 + 8 * d - 4)
            weight = near if d < 1 else far if d < 2 else 0.0
            out[i] += weight * values[j]
            total += weight
        out[i] /= total
    return out


def test_crops_are_pillows():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    theirs = Image.fromarray(picture).resize((20, 30), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(enlarged(picture, (30, 20)), np.asarray(theirs, np.float32) / 255)
    exact = enlarged((picture / 255).astype(np.float32), (30, 20))
    assert exact.min() >= 0
    assert exact.max() <= 1
    expected = bicubic(bicubic(picture / 255, 30).swapaxes(0, 1), 20).swapaxes(0, 1)
    np.testing.assert_allclose(exact, np.clip(expected, 0, 1), atol=1e-5)
    same = (picture / 255).astype(np.float32)
    np.testing.assert_allclose(enlarged(same, (5, 7)), same, atol=1e-6)


def test_floating_point_keeps_the_image_itself(clf):
    rgb = np.random.default_rng(0).random((2, 16, 16, 3)).astype(np.float32)
    photos, maps = clf.preprocess.normalize(rgb), np.zeros((2, 16, 16))
    maps[:, 0, 0] = maps[:, 15, 15] = 1
    result = saliency_metric(clf, photos, maps, Target([0]), alpha=0.9, pixels="float")
    p = clf.score(photos)[:, 0].astype(float)
    np.testing.assert_allclose(result.values["s"], -np.log(p), atol=1e-5)


def test_grey_models():
    clf = ToyClassifier(channels=1)
    maps = np.random.default_rng(0).random((2, 4, 4))
    result = saliency_metric(clf, clf.photos(2), maps, Target([0, 1]))
    assert np.isfinite(result.curves["s"]).all()


def test_random_baseline(clf):
    maps, photos = np.random.default_rng(0).normal(size=(4, 6, 5)), clf.photos(4)
    plain = saliency_metric(clf, photos, maps, clf.top(photos))
    clf.passes = Passes()
    both = saliency_metric(clf, photos, maps, clf.top(photos), random=True, seed=[1, 2, 3, 1])
    assert both.passes == clf.passes
    np.testing.assert_array_equal(plain.curves["s"], both.curves["s"])
    draws = [np.random.Generator(np.random.Philox(key=k)) for k in (1, 2, 3, 1)]
    noise = np.array([rng.random((6, 5), np.float32) for rng in draws])
    alone = saliency_metric(clf, photos, noise, clf.top(photos))
    np.testing.assert_array_equal(both.curves["random_s"], alone.curves["s"])
    figures = pysal.summarize(both)
    assert figures["random_s"] == pysal.summarize(alone)["s"]
    assert figures["s"] == pysal.summarize(plain)["s"]


def test_alpha_is_chosen_on_the_other_half():
    s = np.array([[0.6, 0.1], [0.1, 0.7], [0.9, 0.5], [0.2, 0.8]])
    curves = {"alpha": np.array([0.25, 0.75]), "s": s, "random_s": 10 * s}
    result = MetricResult("saliency_metric", {}, curves, {}, Passes(), 0.0)
    # Even images choose 0.75, odd ones 0.25.
    expected = (0.6 + 0.7 + 0.9 + 0.8) / 4
    assert aggregate_saliency_metric(result) == {
        "s": pytest.approx(expected),
        "alpha_even": 0.75,
        "alpha_odd": 0.25,
        "random_s": pytest.approx(10 * expected),
    }
    first = aggregate_saliency_metric(result, first=2)
    assert first["alpha"] == 0.25
    assert first["s"] == pytest.approx(0.55)
    given = MetricResult("saliency_metric", {"s": s[:, 0]}, curves, {}, Passes(), 0.0)
    assert set(aggregate_saliency_metric(given)) == {"random_s"}


@pytest.mark.parametrize("value", [2.0, -1.0, np.nan])
def test_maps_that_show_nothing_take_the_whole_image(clf, value):
    photos = clf.photos(1)
    said = UserWarning if np.isnan(value) else ConstantMapWarning
    with pytest.warns(said, match="1 of 1 maps"):
        result = saliency_metric(clf, photos, np.full((1, 5, 5), value), Target([0]))
    np.testing.assert_array_equal(result.curves["s"][0], result.values["whole_image_s"][0])
    assert result.passes == Passes(1, 0)


def test_negative_values(clf):
    maps = -1 - np.random.default_rng(0).random((1, 5, 5))
    zero = saliency_metric(clf, clf.photos(1), maps, Target([0]))
    keep = saliency_metric(clf, clf.photos(1), maps, Target([0]), negatives="keep", alpha=1.0)
    # As zeros they are all equal; kept, only the largest one reaches itself.
    np.testing.assert_array_equal(zero.curves["s"][0], zero.values["whole_image_s"][0])
    assert keep.values["s"][0] < keep.values["whole_image_s"][0]


def test_batch_is_its_images(clf):
    maps, photos = np.random.default_rng(0).normal(size=(4, 6, 5)), clf.photos(4)
    target, calls, options = clf.top(photos), [], {"random": True}
    whole = saliency_metric(
        clf, photos, maps, target, seed=[4, 5, 6, 7], progress=lambda *c: calls.append(c), **options
    )
    assert calls[-1] == (whole.passes.forward, whole.passes.forward)
    parts = MetricResult.concat(
        [
            saliency_metric(clf, photos[[i]], maps[[i]], target[[i]], seed=4 + i, **options)
            for i in range(4)
        ]
    )
    for name in whole.values:
        np.testing.assert_array_equal(whole.values[name], parts.values[name])
    np.testing.assert_array_equal(whole.curves["random_s"], parts.curves["random_s"])
    assert whole.passes == parts.passes
    none = saliency_metric(clf, photos[:0], maps[:0], target[:0])
    assert none.curves["s"].shape == (0, 20)
    assert none.passes == Passes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", 1.5),
        ("alphas", []),
        ("alphas", [-1.0]),
        ("negatives", "abs"),
        ("pixels", "uint16"),
        ("random", 1),
        ("seed", -1),
    ],
)
def test_wrong_options_are_one_line(clf, name, value):
    with pytest.raises(OptionError, match="saliency_metric: ") as error:
        saliency_metric(clf, clf.photos(1), np.eye(4)[None], Target([0]), **{name: value})
    assert "\n" not in str(error.value)


def test_public_face(clf):
    maps, photos = np.random.default_rng(0).normal(size=(3, 5, 5)), clf.photos(3)
    result = pysal.measure("saliency_metric", clf, photos, maps, batch_size=2, alpha=0.5)
    top = Passes(3, 0)  # what finds the top class
    direct = saliency_metric(clf, photos, maps.astype(np.float32), clf.top(photos), alpha=0.5)
    np.testing.assert_array_equal(result.values["s"], direct.values["s"])
    assert result.passes == direct.passes + top
    assert set(METRICS["saliency_metric"].values) == set(result.values)
    with pytest.raises(ShapeError):
        saliency_metric(clf, photos, maps[:2], clf.top(photos))


def test_crops_are_written_where_the_engine_computes(clf):
    torch = pytest.importorskip("torch")

    class Device(ToyClassifier):
        """Insists on composing into a tensor."""

        def score_composed(self, compose, num_images, count, target):
            def write(image, first, out):
                tensor = torch.empty(out.shape)
                compose(image, first, tensor)
                out[...] = tensor.numpy()

            return super().score_composed(write, num_images, count, target)

    maps, photos = np.random.default_rng(0).random((2, 6, 5)), clf.photos(2)
    host, device = (
        saliency_metric(model, photos, maps, Target([0, 1])) for model in (clf, Device())
    )
    np.testing.assert_array_equal(device.curves["s"], host.curves["s"])
