"""Insertion and deletion against Python loops, known areas, and the published sum."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.baselines import make_baseline
from pysal.errors import OptionError, ShapeError
from pysal.heatmap import upsample
from pysal.masking import MaskedScore
from pysal.metrics import METRICS
from pysal.metrics import insertion_deletion as module
from pysal.metrics.insertion_deletion import insertion_deletion
from pysal.metrics.insertion_protocols import settle
from pysal.types import Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def photos(clf):
    return clf.photos(4)


def resized(mask: np.ndarray, size: int) -> np.ndarray:
    """Bilinear, corners aligned, by loops."""
    out = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            y, x = (k * (n - 1) / (size - 1) for k, n in zip((i, j), mask.shape, strict=True))
            a, b = min(int(y), mask.shape[0] - 2), min(int(x), mask.shape[1] - 2)
            v, u = y - a, x - b
            top = (1 - u) * mask[a, b] + u * mask[a, b + 1]
            bottom = (1 - u) * mask[a + 1, b] + u * mask[a + 1, b + 1]
            out[i, j] = (1 - v) * top + v * bottom
    return out


def naive(clf, image, saliency, index, step, away, back, legacy=False):
    """Deletion and insertion areas of one image, cell after cell."""
    order = sorted(range(saliency.size), key=lambda k: (-saliency.flat[k], k))
    n, fractions, curves = saliency.size, [0.0], ([], [])

    def probability(x):
        return float(clf.score(x[None].astype(np.float32))[0, index])

    curves[0].append(probability(image))
    curves[1].append(probability(back))
    k = 0
    while k < n:
        k = min(k + step, n)
        mask = np.ones(saliency.shape)
        mask.flat[order[:k]] = 0
        large = mask if mask.shape == image.shape[1:] else resized(mask, image.shape[1])
        curves[0].append(probability(large * image + (1 - large) * away))
        curves[1].append(probability(large * back + (1 - large) * image))
        fractions.append(k / n)
    if legacy:
        last = fractions[-1] - fractions[-2]
        return [sum(p * step / n for p in curve[1:-1]) + last for curve in curves]
    return [
        sum(
            (b - a) * (p + q) / 2
            for a, b, p, q in zip(fractions, fractions[1:], c, c[1:], strict=False)
        )
        for c in curves
    ]


@pytest.mark.parametrize("size", [7, 8, 16])
@pytest.mark.parametrize("legacy", [False, True])
def test_igos_protocol_is_the_loop(clf, photos, size, legacy):
    generator = np.random.default_rng(size)
    # Three levels only: most cells are tied.
    maps = generator.integers(0, 3, (4, size, size)) / 2
    target = clf.top(photos)
    result = insertion_deletion(clf, photos, maps, target, legacy_igos_pp=legacy)
    blur = make_baseline("blur", photos, clf.preprocess)
    step = max(1, size**2 // 50)
    assert result.options["step"] == step
    for i in range(4):
        expected = naive(clf, photos[i], maps[i], target.index[i], step, blur[i], blur[i], legacy)
        found = result.values["deletion"][i], result.values["insertion"][i]
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_rise_protocol_is_the_loop(clf, photos):
    maps = np.random.default_rng(0).normal(size=(4, 16, 16))
    target = clf.top(photos)
    result = insertion_deletion(clf, photos, maps, target, protocol="rise", step=50)
    away = make_baseline("mean", photos, clf.preprocess)
    back = make_baseline("blur11", photos, clf.preprocess)
    assert not away.any()
    for i in range(4):
        expected = naive(clf, photos[i], maps[i], target.index[i], 50, away[i], back[i])
        found = result.values["deletion"][i], result.values["insertion"][i]
        np.testing.assert_allclose(found, expected, atol=2e-6)
    assert result.curves["fraction"][-2] == pytest.approx(250 / 256)


@pytest.mark.parametrize(
    ("protocol", "baselines", "step"),
    [
        ("rise", ("mean", "blur11"), 8 * 16),
        ("aop", ("blur", "blur"), 2 * 16),
        ("g", ("mean", "mean"), 8 * 16),
    ],
)
def test_protocols_of_pixels_are_the_loop(clf, photos, protocol, baselines, step):
    maps = np.random.default_rng(0).normal(size=(4, 16, 16))
    target = clf.top(photos)
    result = insertion_deletion(clf, photos, maps, target, protocol=protocol)
    assert result.options["step"] == step
    assert result.options["cells"] == "image"
    assert (result.options["deletion_baseline"], result.options["insertion_baseline"]) == baselines
    away, back = (make_baseline(kind, photos, clf.preprocess) for kind in baselines)
    for i in range(4):
        expected = naive(clf, photos[i], maps[i], target.index[i], step, away[i], back[i])
        found = result.values["deletion"][i], result.values["insertion"][i]
        np.testing.assert_allclose(found, expected, atol=2e-6)
    steps = 256 // step
    assert len(result.curves["fraction"]) == steps + 1
    assert result.passes == Passes(4 * (2 * steps + (baselines[0] != baselines[1])), 0)


def test_published_numbers_of_pixel_steps():
    """224 x 224: 28 steps of 1,792 pixels, and 112 of 448."""
    for protocol, step, steps in (("rise", 1792, 28), ("g", 1792, 28), ("aop", 448, 112)):
        chosen = settle(protocol, None, (None, None), None, False, "stable", 1)
        assert chosen.step_of(224 * 224, 224) == step
        assert 224 * 224 / step == steps


def test_options_make_one_protocol_another(clf, photos):
    maps = np.random.default_rng(0).normal(size=(4, 5, 7)).astype(np.float32)
    target = clf.top(photos)
    rise = insertion_deletion(clf, photos, maps, target, protocol="rise")
    made = insertion_deletion(
        clf,
        photos,
        maps,
        target,
        protocol="igos",
        cells="image",
        deletion_baseline="mean",
        insertion_baseline="blur11",
        step=8 * 16,
    )
    np.testing.assert_array_equal(made.curves["deletion"], rise.curves["deletion"])
    np.testing.assert_array_equal(made.curves["insertion"], rise.curves["insertion"])
    coarse = insertion_deletion(clf, photos, maps, target, protocol="rise", cells="map", step=3)
    np.testing.assert_allclose(coarse.curves["fraction"], np.append(np.arange(0, 35, 3), 35) / 35)


def test_no_mask_is_stored(clf, photos, monkeypatch):
    """Same bits as with stored masks, and what the engine is given does not grow with the steps."""
    maps = np.random.default_rng(0).integers(0, 9, (4, 8, 8)).astype(float)
    target = clf.top(photos)
    kinds = {"deletion_baseline": "mean", "insertion_baseline": "blur11"}
    given = []

    def watched(compose, num_images, count, target):
        given.append((compose, count))
        return ToyClassifier.score_composed(clf, compose, num_images, count, target)

    monkeypatch.setattr(clf, "score_composed", watched)
    monkeypatch.setattr(clf, "score_masked", None)
    for step in (1, 7):
        result = insertion_deletion(clf, photos, maps, target, step=step, **kinds)
        ((compose, count),) = given
        arrays = [a for part, _ in compose.parts for a in (part.ranks, part.thresholds)]
        assert count == 2 * (len(result.curves["fraction"]) - 1) + 1
        assert sum(a.size for a in arrays) < 3 * maps.size + 2 * count
        given.clear()
        monkeypatch.undo()
        check_stored_form(clf, photos, maps, target, result)
        monkeypatch.setattr(clf, "score_composed", watched)
        monkeypatch.setattr(clf, "score_masked", None)


def check_stored_form(clf, photos, maps, target, result):
    """Compare with masks that are made first, one per step, to the bit."""
    away, back = (make_baseline(kind, photos, clf.preprocess) for kind in ("mean", "blur11"))
    ranks = np.empty((4, 64), int)
    for row, saliency in zip(ranks, maps, strict=True):
        row[np.argsort(-saliency.ravel(), kind="stable")] = np.arange(64)
    ends = np.rint(64 * result.curves["fraction"])
    masks = (ranks.reshape(4, 1, 8, 8) >= ends[:, None, None]).astype(np.float32)
    deletion = MaskedScore(clf, photos, away, target).score(masks)
    insertion = MaskedScore(clf, back, photos, target).score(masks)
    np.testing.assert_array_equal(result.curves["deletion"], deletion)
    np.testing.assert_array_equal(result.curves["insertion"], insertion)


def test_rise_enlarges_maps_of_another_size(clf, photos):
    maps = np.random.default_rng(0).normal(size=(4, 5, 7)).astype(np.float32)
    small = insertion_deletion(clf, photos, maps, clf.top(photos), protocol="rise")
    large = upsample(maps, (16, 16))
    result = insertion_deletion(clf, photos, large, clf.top(photos), protocol="rise")
    np.testing.assert_array_equal(small.values["difference"], result.values["difference"])
    assert small.options["step"] == 8 * 16


@pytest.mark.parametrize(
    ("size", "step", "evaluations", "last"),
    [(7, 1, 49, 1), (14, 3, 66, 1), (28, 15, 53, 4), (112, 250, 51, 44), (224, 1003, 51, 26)],
)
def test_published_step_counts(size, step, evaluations, last):
    clf = ToyClassifier(size=8)
    maps = np.zeros((1, size, size), np.float32)
    result = insertion_deletion(clf, clf.photos(1), maps, Target(np.array([0])))
    fraction = result.curves["fraction"] * size**2
    assert result.options["step"] == step
    assert len(fraction) == evaluations + 1
    assert fraction[-1] - fraction[-2] == pytest.approx(last)


class Share(ToyClassifier):
    """Probability of class 0 = mean of the image: areas are known."""

    def score(self, batch, kind="probability"):
        self.passes += Passes(len(batch), 0)
        mean = batch.mean(axis=(1, 2, 3))
        return np.stack([mean, 1 - mean, 0 * mean, 0 * mean], axis=1)


def test_analytic_area():
    """Bright half of ones on zero background, ranked first: deletion 1/8, insertion 3/8."""
    clf = Share(size=8)
    photo = np.zeros((1, 3, 8, 8), np.float32)
    photo[:, :, :4] = 1
    maps = np.arange(64, 0, -1.0).reshape(1, 8, 8)
    options = {"protocol": "rise", "step": 4, "insertion_baseline": "zero"}
    result = insertion_deletion(clf, photo, maps, Target(np.array([0])), **options)
    assert result.values["deletion"][0] == pytest.approx(1 / 8)
    assert result.values["insertion"][0] == pytest.approx(3 / 8)
    assert result.values["difference"][0] == pytest.approx(2 / 8)
    # A constant score under an uneven last step: the area is the score.
    flat = insertion_deletion(clf, photo + 0.25 - photo, maps, Target(np.array([1])), step=10)
    assert flat.values["deletion"][0] == pytest.approx(0.75)


def test_bias_of_the_published_sum():
    """(1 - p_last) * last / n more than the plain right-hand sum, spec/metrics.md 1.3."""
    clf = Share(size=14)
    photo = np.full((1, 3, 14, 14), 0.25, np.float32)
    result = insertion_deletion(
        clf, photo, np.zeros((1, 7, 7)), Target(np.array([0])), legacy_igos_pp=True
    )
    assert result.values["deletion"][0] == pytest.approx(0.25 + 0.75 / 49)


def test_passes_are_those_counted(clf, photos):
    maps = np.zeros((4, 8, 8))
    for options, per_image in (
        ({}, 2 * 64),
        ({"step": 10}, 2 * 7),
        ({"deletion_baseline": "mean"}, 2 * 64 + 1),
        ({"protocol": "rise", "step": 100}, 2 * 3 + 1),
        ({"step": 64}, 2),
        ({"step": 1000}, 2),
        ({"step": 10, "tie": "random", "orders": 3}, 2 + 3 * 12),
    ):
        clf.passes = Passes()
        result = insertion_deletion(clf, photos, maps, clf.top(photos), **options)
        assert result.passes == clf.passes == Passes(4 * per_image, 0), options


def test_batch_and_groups_change_nothing(clf, photos, monkeypatch):
    maps = np.random.default_rng(0).normal(size=(4, 8, 8))
    target = clf.top(photos)
    whole = insertion_deletion(clf, photos, maps, target)
    monkeypatch.setattr(module, "GROUP", 3)
    calls = []
    parts = insertion_deletion(clf, photos, maps, target, progress=lambda *c: calls.append(c))
    np.testing.assert_array_equal(whole.curves["deletion"], parts.curves["deletion"])
    assert calls == [(3, 4), (4, 4)]
    for i in range(4):
        alone = insertion_deletion(clf, photos[i : i + 1], maps[i : i + 1], target[[i]])
        assert alone.values["difference"][0] == whole.values["difference"][i]


def test_ties(clf, photos):
    target = clf.top(photos)
    maps = np.zeros((4, 8, 8))
    falling = np.broadcast_to(np.arange(64, 0, -1.0).reshape(8, 8), maps.shape)
    stable = insertion_deletion(clf, photos, maps, target)
    ranked = insertion_deletion(clf, photos, falling, target)
    np.testing.assert_array_equal(stable.values["deletion"], ranked.values["deletion"])
    random = [
        insertion_deletion(clf, photos, maps, target, tie="random", orders=k, seed=3)
        for k in (1, 1, 4)
    ]
    np.testing.assert_array_equal(random[0].values["deletion"], random[1].values["deletion"])
    assert (random[0].values["deletion"] != stable.values["deletion"]).all()
    assert random[2].options["orders"] == 4
    # One seed each is what each image has with its own.
    seeds = [3, 8, 3, 9]
    each = insertion_deletion(clf, photos, maps, target, tie="random", orders=4, seed=seeds)
    np.testing.assert_array_equal(
        each.values["deletion"][[0, 2]], random[2].values["deletion"][[0, 2]]
    )
    for i in (1, 3):
        rows = slice(i, i + 1)
        options = {"tie": "random", "orders": 4, "seed": seeds[i]}
        alone = insertion_deletion(clf, photos[rows], maps[rows], target[rows], **options)
        assert alone.values["deletion"][0] == each.values["deletion"][i]
    last = insertion_deletion(clf, photos, maps, target, tie="reverse")
    rising = insertion_deletion(clf, photos, falling[:, ::-1, ::-1], target)
    np.testing.assert_array_equal(last.values["deletion"], rising.values["deletion"])
    # Without ties the random orders agree.
    strict = insertion_deletion(clf, photos, falling, target, tie="random", orders=2)
    np.testing.assert_allclose(strict.values["deletion"], ranked.values["deletion"])


def test_nan_map_is_a_constant_map(clf, photos):
    target = clf.top(photos)
    maps = np.random.default_rng(0).normal(size=(4, 8, 8))
    maps[1] = np.nan
    result = insertion_deletion(clf, photos, maps, target)
    constant = insertion_deletion(clf, photos, np.full((4, 8, 8), 5.0), target)
    assert result.values["difference"][1] == constant.values["difference"][1]
    maps[2, 0, 0] = np.nan
    with pytest.warns(UserWarning, match="number 2"):
        partly = insertion_deletion(clf, photos, maps, target)
    assert partly.values["difference"][2] == constant.values["difference"][2]
    maps[:] = np.inf
    infinite = insertion_deletion(clf, photos, maps, target)
    np.testing.assert_array_equal(infinite.values["deletion"], constant.values["deletion"])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16])
def test_map_types(clf, photos, dtype):
    maps = np.random.default_rng(0).integers(0, 2, (4, 8, 8))
    plain = insertion_deletion(clf, photos, maps.astype(float), clf.top(photos))
    other = insertion_deletion(clf, photos, maps.astype(dtype), clf.top(photos))
    np.testing.assert_array_equal(plain.values["deletion"], other.values["deletion"])


def test_score_is_the_probability_whatever_the_kind(clf, photos):
    maps = np.random.default_rng(0).normal(size=(4, 8, 8))
    a, b = (
        insertion_deletion(clf, photos, maps, clf.top(photos, k)) for k in ("logit", "probability")
    )
    np.testing.assert_array_equal(a.values["deletion"], b.values["deletion"])


@pytest.mark.parametrize("shape", [(3, 8, 8), (4, 8), (4, 0, 8), (4, 1, 8, 8)])
def test_wrong_maps(clf, photos, shape):
    with pytest.raises(ShapeError, match="N = 4"):
        insertion_deletion(clf, photos, np.zeros(shape), clf.top(photos))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("protocol", "pixel"),
        ("cells", "pixels"),
        ("legacy_igos_pp", 1),
        ("deletion_baseline", np.zeros((16, 16, 3))),
        ("tie", "high"),
        ("step", 0),
        ("step", 1.5),
        ("orders", 0),
        ("seed", -1),
        ("deletion_baseline", "fog"),
        ("insertion_baseline", "fog"),
    ],
)
def test_wrong_options_are_one_line(clf, photos, name, value):
    with pytest.raises(OptionError) as error:
        insertion_deletion(clf, photos, np.zeros((4, 8, 8)), clf.top(photos), **{name: value})
    assert "\n" not in str(error.value)


def test_single_cell_and_no_images(clf, photos):
    one = insertion_deletion(clf, photos, np.zeros((4, 1, 1)), clf.top(photos))
    np.testing.assert_allclose(one.values["insertion"], one.values["deletion"])
    none = insertion_deletion(clf, photos[:0], np.zeros((0, 8, 8)), Target(np.zeros(0, int)))
    assert none.values["insertion"].shape == (0,)
    assert none.curves["deletion"].shape == (0, 65)


def test_registry_line():
    assert METRICS["insertion_deletion"].load() is insertion_deletion
