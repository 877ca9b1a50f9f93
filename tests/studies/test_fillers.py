"""Comparison of fillers: accuracy, MS-SSIM and LPIPS of images with their holes filled."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.errors import CapabilityError, MissingDependencyError, OptionError, ShapeError
from pysal.fillers import open_filler
from pysal.fillers.filler import Filler
from pysal.similarity.lpips import open_lpips
from pysal.similarity.ms_ssim import ms_ssim
from pysal.studies.fillers import compare_fillers
from pysal.types import Passes

N = 6


@pytest.fixture
def clf():
    return ToyClassifier(gain=3)


@pytest.fixture
def data(clf):
    """Photos, labels and masks over what the network looks at; the last mask is empty."""
    photos = clf.photos(N)
    labels = clf.top(photos).index
    strength = np.abs(clf.linear[labels]).sum(axis=1)
    masks = strength > 0.3 * strength.max(axis=(1, 2), keepdims=True)
    masks[-1] = False
    return photos, labels, masks


def test_accuracy_is_that_of_the_filled_images(clf, data):
    photos, labels, masks = data
    clf.passes = Passes()
    result = compare_fillers(
        clf, photos, labels, masks, fillers=["mean", "noise"], measures="accuracy", seed=9
    )
    assert result.passes == clf.passes == Passes(3 * N, 0)
    found = result.values["accuracy"]
    assert list(found) == ["real", "mean", "noise"]
    seeds = np.full(N, 9, np.uint64)
    for name in ("mean", "noise"):
        filler = open_filler(name, clf.preprocess)
        filled = filler.fill(photos, ~masks, seeds)
        expected = (clf.score(filled).argmax(axis=1) == labels).astype(float)
        np.testing.assert_array_equal(found[name][:-1], expected[:-1])
        assert np.isnan(found[name][-1])
    np.testing.assert_array_equal(found["real"][:-1], 1)
    table = result.table()
    assert table["real"] == {"accuracy": 1}
    assert table["mean"]["accuracy"] == found["mean"][:-1].mean() < 1
    assert result.count == N - 1
    assert result.descriptions["mean"] == "mean"
    assert result.names[0] == "image_0"


def test_a_mask_outside_of_what_counts_changes_nothing(clf, data):
    photos, labels, masks = data
    corner = np.zeros_like(masks)
    corner[:, 0, 0] = True
    result = compare_fillers(clf, photos, labels, corner, fillers=["mean"], measures=["accuracy"])
    assert result.table()["mean"]["accuracy"] == 1


def test_similarity_is_measured_on_rgb():
    clf = ToyClassifier(size=176)
    photos = clf.preprocess.normalize(np.random.default_rng(0).random((2, 176, 176, 3)))
    photos = photos.astype(np.float32)
    masks = np.zeros((2, 176, 176), bool)
    masks[:, 20:150, 30:140] = True
    calls = []
    result = compare_fillers(
        clf,
        photos,
        [0, 1],
        masks,
        fillers={"gray": "mean", "hidden": "black"},
        batch_size=1,
        progress=lambda *c: calls.append(c),
    )
    assert calls == [(1, 2), (2, 2)]
    rgb = 255 * clf.preprocess.denormalize(photos)
    for name, colour in (("gray", (0.485, 0.456, 0.406)), ("hidden", (0, 0, 0))):
        filled = np.where(masks[..., None], 255 * np.array(colour), rgb)
        expected = ms_ssim(filled, rgb)
        np.testing.assert_allclose(result.values["ms_ssim"][name], expected, atol=1e-5)
    np.testing.assert_allclose(result.values["ms_ssim"]["real"], 1)
    assert (result.values["ms_ssim"]["gray"] < 0.9).all()


class FakeNetwork:
    """Stands for lpips.LPIPS: mean absolute difference, and what it was given."""

    def __init__(self, net, verbose, **options):
        assert not verbose
        FakeNetwork.net = net

    def eval(self):
        return self

    def __call__(self, a, b):
        assert a.shape[:2] == (1, 3)
        assert float(min(a.min(), b.min())) >= -1
        assert float(max(a.max(), b.max())) <= 1
        return (a - b).abs().mean().reshape(1, 1, 1, 1)


def test_lpips_is_given_planes_from_minus_one_to_one(monkeypatch, clf, data):
    fake = types.ModuleType("lpips")
    fake.LPIPS = FakeNetwork
    monkeypatch.setitem(sys.modules, "lpips", fake)
    images = np.random.default_rng(0).uniform(0, 255, (3, 8, 9, 3))
    other = np.clip(images + 25.5, 0, 255)
    expected = np.abs(images - other).mean(axis=(1, 2, 3)) / 127.5
    np.testing.assert_allclose(open_lpips()(images, other), expected, rtol=1e-4)
    photos, labels, masks = data
    result = compare_fillers(
        clf, photos, labels, masks, fillers=["mean"], measures=["lpips"], net="vgg"
    )
    assert FakeNetwork.net == "vgg"
    assert result.table()["mean"]["lpips"] > result.table()["real"]["lpips"] == 0
    assert result.passes == Passes()
    with pytest.raises(ShapeError, match="same"):
        open_lpips()(images, images[:2])


def test_lpips_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(MissingDependencyError, match="pip install lpips"):
        open_lpips()
    fake = types.ModuleType("lpips")

    def offline(**options):
        raise OSError("no route to host")

    fake.LPIPS = offline
    monkeypatch.setitem(sys.modules, "lpips", fake)
    with pytest.raises(CapabilityError, match="weights of alex cannot be had"):
        open_lpips()
    with pytest.raises(OptionError, match="alex, vgg"):
        open_lpips("resnet")


def test_batches_and_seeds(clf, data):
    photos, labels, masks = data
    options = {"fillers": ["noise"], "measures": ["accuracy"]}
    one = compare_fillers(clf, photos, labels, masks, batch_size=1, **options)
    all_ = compare_fillers(clf, photos, labels, masks, batch_size=16, seed=[0] * N, **options)
    np.testing.assert_array_equal(one.values["accuracy"]["noise"], all_.values["accuracy"]["noise"])
    opened = open_filler("mean", clf.preprocess)
    assert isinstance(opened, Filler)
    single = compare_fillers(clf, photos, labels, masks, fillers=opened, measures="accuracy")
    assert list(single.values["accuracy"]) == ["real", "mean"]


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("fillers", [], "0 entries"),
        ("fillers", ["fog"], "fog"),
        ("fillers", ["mean", "mean"], "there already"),
        ("fillers", {"real": "mean"}, "there already"),
        ("measures", [], "0 entries"),
        ("measures", ["psnr"], "psnr"),
        ("batch_size", 0, "batch_size"),
        ("seed", [1, 2], "2 seeds for 6"),
    ],
)
def test_wrong_options(clf, data, name, value, what):
    options = {"fillers": ["mean"], "measures": ["accuracy"], name: value}
    with pytest.raises(OptionError, match=what):
        compare_fillers(clf, *data, **options)


def test_wrong_input(clf, data):
    photos, labels, masks = data
    with pytest.raises(ShapeError, match=r"expected bool \(6, 16, 16\)"):
        compare_fillers(clf, photos, labels, masks[:, :8])
    with pytest.raises(ShapeError, match="True where the object is"):
        compare_fillers(clf, photos, labels, masks * 0.5)
    with pytest.raises(OptionError, match="give one each"):
        compare_fillers(clf, photos, labels[:3], masks)
    with pytest.raises(ShapeError, match="161"):
        compare_fillers(clf, photos, labels, masks, fillers=["mean"])
