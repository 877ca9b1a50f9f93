"""XRAI: the ranking against a naive one, its invariants, base attribution, options."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import ToyClassifier

from pysal.errors import CapabilityError, OptionError, PysalError, ShapeError
from pysal.methods import METHODS
from pysal.methods.xrai import break_ties, xrai
from pysal.methods.xrai_greedy import rank_regions
from pysal.segments import Regions
from pysal.types import Passes, Target

QUICK = {"steps": 5, "min_size": 5, "min_area": 4, "dilation": 1, "resize": None, "scales": (1, 9)}
SLIC = {"segments": "slic", "num_segments": (4, 9), "steps": 3, "min_area": 3, "dilation": 2}


def naive(base, masks, fast, min_area, threshold):
    """Section 8 of the specification, word by word, in rational numbers."""
    exact = [[Fraction(float(v)) for v in row] for row in base]

    def mean(mask):
        inside = list(zip(*np.nonzero(mask), strict=True))
        return sum((exact[y][x] for y, x in inside), Fraction(0)) / len(inside)

    covered = np.zeros(base.shape, bool)
    value, steps = np.empty(base.shape, object), []
    left = [mask for mask in masks if mask.any()]
    if fast:
        left = sorted(left, key=mean, reverse=True)
    while left and covered.mean() <= threshold:
        left = [mask for mask in left if (mask & ~covered).sum() >= min_area]
        if not left:
            break
        best = 0 if fast else max(range(len(left)), key=lambda i: mean(left[i] & ~covered))
        new = left.pop(best) & ~covered
        gain = mean(new)
        value[new] = gain
        covered |= new
        steps.append((gain, new))
    rank = np.full(base.shape, len(steps) + 1)
    for place, (_, new) in enumerate(sorted(steps, key=lambda s: s[0], reverse=True)):
        rank[new] = place + 1
    if not covered.all():
        value[~covered] = mean(~covered)
    return value.astype(float), rank, [float(gain) for gain, _ in steps]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 9999),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    count=st.integers(0, 14),
    density=st.sampled_from([0.1, 0.4, 0.8]),
    fast=st.booleans(),
    min_area=st.integers(1, 6),
    threshold=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
    levels=st.sampled_from([0, 1, 3, 1000]),
)
def test_follows_the_naive_ranking(seed, shape, count, density, fast, min_area, threshold, levels):
    """Coarse levels make many gains equal: the first of such regions is taken."""
    rng = np.random.default_rng(seed)
    base = rng.integers(-levels, levels + 1, shape) / 7 if levels < 1000 else rng.normal(size=shape)
    base = base.astype(np.float32)
    masks = rng.uniform(size=(count, *shape)) < density
    found = rank_regions(
        base,
        Regions.from_masks(masks),
        fast=fast,
        min_area=min_area,
        area_threshold=threshold,
    )
    value, rank, gains = naive(base, masks, fast, min_area, threshold)
    np.testing.assert_allclose(found.value, value, rtol=1e-9, atol=1e-9 * np.abs(base).max())
    np.testing.assert_array_equal(found.rank, rank)
    np.testing.assert_allclose(found.gain, gains, rtol=1e-9, atol=1e-9 * np.abs(base).max())
    assert np.isclose(found.value.sum(), base.sum(dtype=float), atol=1e-9 * np.abs(base).sum())
    assert (np.diff(found.area) > 0).all()


def test_what_is_covered_counts_once():
    """Two overlapping masks: the second one is judged by its own half, and falls behind."""
    base = np.array([[9, 9, 5, 5, 1, 1, 0, 0]], np.float32)
    masks = np.zeros((3, 1, 8), bool)
    masks[0, 0, :4], masks[1, 0, 2:6], masks[2, 0, 6:7] = True, True, True
    found = rank_regions(base, Regions.from_masks(masks), min_area=1)
    np.testing.assert_allclose(found.value, [[7, 7, 7, 7, 1, 1, 0, 0]])
    np.testing.assert_array_equal(found.rank, [[1, 1, 1, 1, 2, 2, 3, 4]])
    assert found.area.tolist() == [4 / 8, 6 / 8, 7 / 8]


def test_stops_above_the_area_threshold():
    base = np.arange(8, 0, -1, dtype=np.float32)[None]
    regions = Regions.from_labels(np.arange(8)[None])
    for threshold, taken in ((0.0, 1), (0.2, 2), (0.25, 3), (1.0, 8)):
        for fast in (False, True):
            found = rank_regions(base, regions, fast=fast, min_area=1, area_threshold=threshold)
            assert len(found.gain) == taken
            np.testing.assert_allclose(
                found.value[0, taken:], base[0, taken:].mean() if taken < 8 else []
            )


def test_huge_and_tiny_values():
    for scale in (1e-38, 1e30):
        base = (np.arange(16, dtype=np.float32).reshape(4, 4) * np.float32(scale)).astype(
            np.float32
        )
        found = rank_regions(
            base, Regions.from_labels(np.arange(16).reshape(4, 4) // 4), min_area=1
        )
        np.testing.assert_allclose(found.value[:, 0], base.mean(axis=1, dtype=float), rtol=1e-6)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 999),
    levels=st.integers(1, 5),
    shape=st.tuples(st.integers(1, 8), st.integers(1, 8)),
)
def test_broken_ties_follow_the_base_within_a_region(seed, levels, shape):
    rng = np.random.default_rng(seed)
    value = rng.integers(0, levels, shape) / 3.0
    base = rng.normal(size=shape)
    found = break_ties(value, base)
    assert len(np.unique(found)) == found.size
    for here in np.unique(value):
        inside = value == here
        np.testing.assert_array_equal(np.argsort(found[inside]), np.argsort(base[inside]))
        assert found[inside].max() == here
        lower = value[value < here]
        if lower.size:
            assert found[inside].min() > (here + lower.max()) / 2


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def photos(clf):
    return clf.photos(4)


@pytest.mark.parametrize(
    "options", [QUICK, {**QUICK, "mode": "fast", "ties": "base"}, SLIC], ids=str
)
class TestEveryVariant:
    def test_passes_are_those_counted(self, clf, photos, options):
        clf.passes = Passes()
        found = xrai(clf, photos, clf.top(photos), **options)
        assert found.passes == clf.passes
        assert found.passes.backward == 4 * 2 * options["steps"]

    def test_batch_is_its_images(self, clf, photos, options):
        together = xrai(clf, photos, clf.top(photos), ranks=True, **options)
        for i in range(4):
            alone = xrai(clf, photos[i : i + 1], clf.top(photos)[i : i + 1], ranks=True, **options)
            np.testing.assert_array_equal(alone.native[0], together.native[i])
            np.testing.assert_array_equal(alone.trace["rank"][0], together.trace["rank"][i])
            length = alone.trace["gain"].shape[1]
            np.testing.assert_array_equal(
                alone.trace["gain"][0], together.trace["gain"][i, :length]
            )

    def test_shapes(self, clf, photos, options):
        found = xrai(clf, photos, clf.top(photos), ranks=True, **options)
        assert found.native.shape == found.map.shape == found.trace["rank"].shape == (4, 16, 16)
        assert found.native.dtype == np.float32
        assert found.trace["rank"].min() == 1
        assert found.trace["area"].shape == found.trace["gain"].shape


def integrated(clf, x, c, start, steps):
    """Gradients of the probability on the straight path, from the toy's own formula."""
    total = 0.0
    for t in np.arange(steps) / (steps - 1):
        point = (start + t * (x - start))[None].astype(np.float32)
        total += clf.value_and_grad(point, Target([c]))[1][0].astype(float)
    return (x - start) * total / steps


def test_base_is_integrated_from_both_extremes(clf, photos):
    found = xrai(clf, photos, clf.top(photos), **QUICK)
    for i, (x, c) in enumerate(zip(photos, found.target.index, strict=True)):
        both = [integrated(clf, x, c, v, 5) for v in (x.min(), x.max())]
        base = np.mean(both, axis=0).max(axis=0)
        given = xrai(clf, photos[i : i + 1], Target([c]), base=base[None], **QUICK)
        np.testing.assert_allclose(found.native[i], given.native[0], atol=1e-6)
        assert np.isclose(found.native[i].sum(dtype=float), base.sum(), atol=1e-5)


def test_other_baselines(clf, photos):
    target = clf.top(photos)
    found = xrai(clf, photos, target, baselines=["black"], **QUICK)
    assert found.passes.backward == 4 * 5
    black = clf.preprocess.normalize(np.zeros((1, 16, 16, 3)))[0]
    base = [
        integrated(clf, x, c, black, 5).max(0) for x, c in zip(photos, target.index, strict=True)
    ]
    given = xrai(clf, photos, target, base=np.array(base), **QUICK)
    np.testing.assert_allclose(found.native, given.native, atol=1e-6)
    assert found.options["baselines"] == ["black"]
    mixed = xrai(clf, photos, target, baselines=["black", photos], **QUICK)
    assert mixed.options["baselines"] == ["black", "given"]
    np.testing.assert_allclose(mixed.native.sum((1, 2)), found.native.sum((1, 2)) / 2, atol=1e-5)


def test_given_base_and_segments_need_no_gradient(clf, photos):
    base = np.random.default_rng(0).normal(size=(4, 16, 16)).astype(np.float32)
    labels = np.indices((16, 16)).sum(0) // 4
    segments = np.broadcast_to(labels, (4, 16, 16))
    found = xrai(clf, photos, clf.top(photos), base=base, segments=segments, dilation=0, min_area=1)
    assert found.passes == Passes(4, 0)
    assert (found.options["base"], found.options["segments"]) == ("given", "given")
    for image, native in zip(base, found.native, strict=True):
        for label in range(labels.max() + 1):
            expected = image[labels == label].mean(dtype=float)
            np.testing.assert_allclose(native[labels == label], expected, atol=1e-6)
    channels = np.stack([base - 1, base, base - 2], axis=1)
    again = xrai(
        clf, photos, clf.top(photos), base=channels, segments=segments, dilation=0, min_area=1
    )
    np.testing.assert_array_equal(again.native, found.native)


def test_finds_where_the_class_looks(clf, photos):
    found = xrai(clf, photos, clf.top(photos), **{**QUICK, "steps": 20})
    for image, c in enumerate(found.target.index):
        evidence = (photos[image] * clf.linear[c]).sum(0)
        inside = evidence > np.quantile(evidence, 0.9)
        assert found.map[image][inside].mean() > 2 * abs(found.map[image][~inside].mean())


def test_progress_counts_gradients(clf, photos):
    calls = []
    xrai(clf, photos, clf.top(photos), progress=lambda *c: calls.append(c), **QUICK)
    assert [d for d, _ in calls] == sorted({d for d, _ in calls})
    assert calls[-1] == (40, 40)


def test_constant_base_is_said_aloud(clf, photos):
    base = np.zeros((4, 16, 16), np.float32)
    base[1] = np.arange(16)
    with pytest.warns(UserWarning, match=r"3 of 4 images \(number 0, 2, 3\)"):
        found = xrai(clf, photos, clf.top(photos), base=base, **QUICK)
    assert (found.native[0] == 0).all()


def test_no_images_and_one_channel(clf):
    found = xrai(clf, clf.photos(0), Target(np.zeros(0, int)), ranks=True, **QUICK)
    assert found.native.shape == found.trace["rank"].shape == (0, 16, 16)
    assert found.passes == Passes()
    grey = ToyClassifier(channels=1)
    assert np.isfinite(xrai(grey, grey.photos(2), Target([0, 1]), **QUICK).native).all()


def test_bad_numbers_are_an_error(clf, photos):
    base = np.zeros((4, 16, 16))
    base[2, 3, 3] = np.nan
    with pytest.raises(CapabilityError, match="image 2 is NaN"):
        xrai(clf, photos, clf.top(photos), base=base)


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"base": np.zeros((4, 3, 3))}, ShapeError),
        ({"base": np.zeros((3, 16, 16))}, ShapeError),
        ({"segments": np.zeros((4, 16, 16))}, ShapeError),
        ({"segments": np.zeros((4, 2, 8, 8), int)}, ShapeError),
        ({"base": "gradient"}, OptionError),
        ({"segments": "watershed"}, OptionError),
        ({"steps": 1}, OptionError),
        ({"baselines": "black"}, OptionError),
        ({"baselines": []}, OptionError),
        ({"baselines": ["fog"]}, OptionError),
        ({"scales": []}, OptionError),
        ({"scales": (0, 1)}, OptionError),
        ({"num_segments": 2.5}, OptionError),
        ({"sigma": -1}, OptionError),
        ({"min_size": 0}, OptionError),
        ({"resize": (1, 2, 3)}, OptionError),
        ({"resize": 0}, OptionError),
        ({"compactness": 0}, OptionError),
        ({"dilation": -1}, OptionError),
        ({"mode": "slow"}, OptionError),
        ({"min_area": 0}, OptionError),
        ({"area_threshold": 1.5}, OptionError),
        ({"ties": "random"}, OptionError),
    ],
    ids=str,
)
def test_wrong_options_are_one_line_before_any_work(clf, photos, option, error):
    target = clf.top(photos)
    clf.passes = Passes()
    with pytest.raises(error) as caught:
        xrai(clf, photos, target, **{**QUICK, **option})
    assert "\n" not in str(caught.value)
    assert next(iter(option)).partition("s")[0] in str(caught.value)
    assert clf.passes == Passes()


def test_needs_a_gradient(clf, photos, monkeypatch):
    monkeypatch.delattr(ToyClassifier, "value_and_grad")
    with pytest.raises(PysalError, match="no gradients"):
        xrai(clf, photos, Target(np.zeros(4, int)), **QUICK)


def test_registry_line():
    assert METHODS["xrai"].load() is xrai
    assert METHODS["xrai"].needs == {"grad"}
    assert METHODS["xrai"].extra == "regions"
