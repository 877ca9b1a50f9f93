"""MP in its three variants against a naive torch implementation; cost, batches, options."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from naive_mp import naive_mp, smooth
from one_thread import one_thread  # noqa: F401
from onnx_torch import to_torch
from PIL import Image, ImageFilter
from pooled import SIZE, X, write_network
from toy import ToyClassifier
from toy_torch import ToyLogits, double

from pysal.baselines import make_baseline
from pysal.draws import JITTER, whole
from pysal.errors import OptionError
from pysal.kernels import reference
from pysal.maskopt.perturb_options import DEFAULTS, VARIANTS
from pysal.maskopt.smooth import Smooth, smoothing_matrix
from pysal.maskopt.start import circular_masks, random_masks
from pysal.methods import METHODS
from pysal.methods.mp import mp
from pysal.options import option_defaults
from pysal.types import Passes, Target
from pysal.work import Work

EVERY = pytest.mark.parametrize("variant", VARIANTS)
QUICK = {"size": 8, "iterations": 6}
SCALE = {"gildenblat": {}, "fong": {"smoothing": 1.5}, "agarwal": {}}
"""Smoothing for an image of 16 pixels."""


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def photos(clf):
    return clf.photos(4)


def judged(model, result, photos, fill, image, start, classes=None, **more):
    """The naive run of one image with the options of a result."""
    options = result.options
    names = ("upsampling", "smoothing", "l1", "l2", "exponent", "isotropic", "reduction")
    seed = options["seed"]
    shifts = [
        tuple(whole(seed, JITTER, options["jitter"], 2, step=step)) if options["jitter"] else (0, 0)
        for step in range(options["iterations"])
    ]
    return naive_mp(
        model,
        double(photos[image : image + 1]),
        double(fill[image : image + 1]),
        int(result.target.index[image]) if classes is None else classes,
        start=double(start[image])[None, None],
        shifts=shifts,
        **{name: options[name] for name in (*names, "rate", "iterations", "jitter")},
        **more,
    )


def follow(naive, result, image, atol=2e-3):
    mask, trace = naive
    np.testing.assert_allclose(1 - result.native[image], mask[0, 0], atol=atol)
    np.testing.assert_allclose(result.trace["loss"][image], trace.losses, atol=1e-4)
    np.testing.assert_allclose(result.trace["score"][image], trace.scores, atol=1e-4)


def noise_of(clf, result, image):
    """The package's own noise of one image, for the naive run."""
    std = clf.preprocess.noise_std(result.options["noise_std"])
    shape = clf.info.input_shape[1:]

    def noise(step):
        z = [reference.normal(shape, c, result.options["seed"], 0, step) for c in range(3)]
        z = std[:, None, None] * np.stack(z)
        if result.options["noise"] == "red":
            z[1:] = 0
        return double(z)[None]

    return None if result.options["noise"] == "off" else noise


@EVERY
def test_follows_the_naive_implementation(clf, photos, variant):
    """40 steps with the variant's own jitter and noise, and its options but for the sizes."""
    result = mp(
        clf,
        photos,
        clf.top(photos),
        variant=variant,
        size=8,
        iterations=40,
        seed=5,
        **SCALE[variant],
    )
    fill = make_baseline(VARIANTS[variant]["baseline"], photos, clf.preprocess)
    work = Work(clf, photos, result.target, "mp")
    start = {
        "circular": lambda: circular_masks(work, fill, (8, 8)),
        "uniform": lambda: random_masks(np.full(4, 5, np.uint64), (8, 8)),
        "ones": lambda: np.ones((4, 8, 8), np.float32),
    }[VARIANTS[variant]["init"]]()
    for i in range(3):
        noise = noise_of(clf, result, i)
        follow(judged(ToyLogits(clf), result, photos, fill, i, start, noise=noise), result, i)


@EVERY
def test_follows_the_naive_implementation_on_a_network(tmp_path, variant):
    backend = pytest.importorskip("pysal.backends.ort")
    path = write_network(tmp_path / "n.onnx")
    net = backend.OrtClassifier(path, threads=1)
    target = Target(2 + np.arange(len(X)) % 2)
    fill = make_baseline("blur", X, net.preprocess)
    options = {"size": 5, "iterations": 20, "init": "ones", "noise": "off", "jitter": 0}
    result = mp(net, X, target, variant=variant, baseline=fill, **options, **SCALE[variant])
    judge, start = to_torch(path, torch.float64), np.ones((len(X), 5, 5), np.float32)
    assert SIZE % 5 == 0
    for i in range(2):
        follow(judged(judge, result, X, fill, i, start), result, i)


def test_sum_of_the_top_classes(clf, photos):
    options = {**QUICK, "variant": "agarwal", "top": 3, "l1": 1e-3, "exponent": 2.0}
    result = mp(clf, photos, clf.top(photos), seed=5, **options)
    fill = make_baseline("blur10", photos, clf.preprocess)
    start = random_masks(np.full(4, 5, np.uint64), (8, 8))
    scores = clf.score(photos)
    for i in range(2):
        classes = np.argsort(-scores[i])[:3].tolist()
        follow(judged(ToyLogits(clf), result, photos, fill, i, start, classes), result, i)


def test_smoothing_is_that_of_pillow():
    mask = np.random.default_rng(0).uniform(size=(1, 60, 80)).astype(np.float32)
    mask = mask.repeat(3, 1).repeat(3, 2)[:, :60, :80].copy()
    picture = Image.fromarray(np.rint(mask[0] * 255).astype(np.uint8))
    for radius in (1.5, 5, 10):
        found = Smooth(radius, (60, 80), mask)(mask)[0]
        expected = np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), np.float64) / 255
        np.testing.assert_allclose(found, expected, atol=2.1 / 255)
        naive = smooth(double(mask)[None], radius)[0, 0]
        np.testing.assert_allclose(found, naive, atol=1e-6)
    assert Smooth(0, (60, 80), mask)(mask) is mask
    np.testing.assert_allclose(smoothing_matrix(7, 5.0).sum(axis=1), 1, atol=1e-6)


def test_disc_is_the_smallest_that_takes_the_score(clf, photos):
    scipy = pytest.importorskip("scipy.ndimage")
    fill = make_baseline("blur10", photos, clf.preprocess)
    work = Work(clf, photos, clf.top(photos), "mp")
    found = circular_masks(work, fill, (8, 8))
    scale = 16 / 224
    y, x = np.ogrid[-8:8, -8:8]
    discs = [(y * y + x * x <= (scale * r) ** 2).astype(float) for r in range(0, 175, 5)]
    masks = [1 - scipy.gaussian_filter(disc, 10 * scale) for disc in discs]
    for i, c in enumerate(work.target.index):
        shown = [m * photos[i] + (1 - m) * fill[i] for m in masks]
        p = clf.score(np.array(shown, np.float32))[:, c].astype(float)
        share = (p - p[-1]) / (float(work.score()[i]) - p[-1])
        first = next((k for k in range(35) if share[k] < 0.01), 34)
        np.testing.assert_allclose(found[i], masks[first][1::2, 1::2], atol=1e-5)


@EVERY
def test_finds_where_the_class_looks(clf, photos, variant):
    options = {
        "size": 8,
        "iterations": 100,
        "smoothing": 0,
        "l1": 0.1 if variant == "gildenblat" else 2e-3,
    }
    result = mp(clf, photos, clf.top(photos), variant=variant, **options)
    for image, c in enumerate(result.target.index):
        evidence = (photos[image] * clf.linear[c]).sum(0)
        inside = evidence > np.quantile(evidence, 0.9)
        saliency = result.map[image]
        assert saliency[inside].mean() > 1.5 * saliency[~inside].mean()


def test_outputs(clf, photos):
    target = clf.top(photos)
    cells, large, span = (
        mp(clf, photos, target, variant="agarwal", output=output, smoothing=1.0, **QUICK)
        for output in ("cells", "smoothed", "minmax")
    )
    np.testing.assert_array_equal(cells.native, large.native)
    blocks = cells.native.repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(cells.map, blocks, atol=1e-6)
    smoothed = 1 - smooth(double(1 - blocks)[:, None], 1.0)[:, 0]
    np.testing.assert_allclose(large.map, smoothed, atol=1e-5)
    low, high = (f(axis=(1, 2), keepdims=True) for f in (blocks.min, blocks.max))
    np.testing.assert_allclose(span.map, (blocks - low) / (high - low), atol=1e-5)


CASES = [
    *({"variant": variant} for variant in VARIANTS),
    {"variant": "fong", "top": 2, "noise": "gaussian"},
    {"init": "uniform", "upsampling": "bilinear", "jitter": 0, "baseline": "noise"},
]


@pytest.mark.parametrize("options", CASES, ids=lambda o: "-".join(map(str, o.values())))
class TestEveryVariant:
    def run(self, clf, batch, options, **more):
        return mp(clf, batch, clf.top(batch), **{**QUICK, **options, **more})

    def test_passes_are_those_counted(self, clf, photos, options):
        clf.passes = Passes()
        result = self.run(clf, photos, options)
        assert result.passes == clf.passes
        assert result.passes.backward == 4 * 6 * result.options["top"]

    def test_batch_is_its_images(self, clf, photos, options):
        seeds = [5, 6, 7, 8]
        together = self.run(clf, photos, options, seed=seeds)
        for i in range(4):
            alone = self.run(clf, photos[i : i + 1], options, seed=seeds[i])
            np.testing.assert_array_equal(alone.native[0], together.native[i])
            np.testing.assert_array_equal(alone.map[0], together.map[i])
            np.testing.assert_array_equal(alone.trace["loss"][0], together.trace["loss"][i])

    def test_same_seed_same_map(self, clf, photos, options):
        first, second = (self.run(clf, photos, options, seed=7) for _ in range(2))
        np.testing.assert_array_equal(first.native, second.native)


def test_sizes_of_masks_by_default():
    clf = ToyClassifier(size=32)
    photos = clf.photos(1)
    target, few = clf.top(photos), {"iterations": 1}
    assert mp(clf, photos, target, **few).native.shape == (1, 28, 28)
    circular = mp(clf, photos, target, variant="agarwal", init="circular", **few)
    assert circular.native.shape == (1, 32, 32)


def test_progress(clf, photos):
    calls = []
    mp(clf, photos, clf.top(photos), progress=lambda *c: calls.append(c), **QUICK)
    assert calls[-1] == (24, 24)
    assert calls == sorted(calls)


def test_no_images(clf):
    result = mp(clf, clf.photos(0), Target(np.zeros(0, np.int64)), **QUICK)
    assert result.native.shape == (0, 8, 8)
    assert result.map.shape == (0, 16, 16)
    assert result.trace["loss"].shape == (0, 6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variant", "caffe"),
        ("size", 17),
        ("upsampling", "cubic"),
        ("smoothing", -1),
        ("init", "zeros"),
        ("baseline", "fog"),
        ("l1", -1),
        ("l2", float("nan")),
        ("exponent", 0),
        ("isotropic", 1),
        ("reduction", "max"),
        ("jitter", -1),
        ("jitter", 1.5),
        ("noise", "legacy"),
        ("noise_std", -1),
        ("rate", 0),
        ("iterations", 0),
        ("output", "raw"),
        ("top", 5),
        ("seed", [1]),
    ],
)
def test_wrong_options_are_one_line(clf, photos, name, value):
    clf.passes = Passes()
    with pytest.raises(OptionError) as error:
        mp(clf, photos, clf.top(photos), **{**QUICK, name: value})
    assert "\n" not in str(error.value)
    assert name in str(error.value)
    assert clf.passes == Passes()


def test_registry_line():
    assert METHODS["mp"].load() is mp
    assert {**DEFAULTS, "seed": 0} == option_defaults(mp)
