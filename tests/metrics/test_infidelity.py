"""Infidelity: zero for maps that are exact, else the loop."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.baselines import make_baseline
from pysal.errors import OptionError, ShapeError
from pysal.metrics import METRICS
from pysal.metrics.infidelity import infidelity
from pysal.types import Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


def linear():
    """A network whose logits are linear."""
    clf = ToyClassifier()
    clf.quadratic[:] = 0
    return clf


def philox(seed, version):
    key, counter = [seed, 32], [0, 0, 0, version]
    return np.random.Generator(
        np.random.Philox(key=np.array(key, np.uint64), counter=np.array(counter, np.uint64))
    )


@pytest.mark.parametrize("noise", ["gaussian", "uniform"])
def test_the_gradient_of_a_linear_score_is_faithful(noise):
    clf = linear()
    x = clf.photos(3)
    target = clf.top(x, "logit")
    maps = clf.value_and_grad(x, target)[1].sum(axis=1)
    result = infidelity(clf, x, maps, target, noise=noise, samples=20)
    np.testing.assert_allclose(result.values["infidelity"], 0, atol=1e-8)
    np.testing.assert_allclose(result.values["scale"], 1, rtol=1e-3)
    half = infidelity(clf, x, maps / 2, target, noise=noise, samples=20)
    assert (half.values["infidelity"] > 1e-3).all()
    np.testing.assert_allclose(half.values["scale"], 2, rtol=1e-3)
    np.testing.assert_allclose(half.values["scaled"], 0, atol=1e-8)


def test_the_parts_of_a_logit_are_faithful_to_removal(clf):
    x = clf.photos(3)
    target = clf.top(x, "logit")
    away = make_baseline("white", x, clf.preprocess)

    def parts(images):
        z = images.astype(float)
        linear, quadratic = clf.linear[target.index], clf.quadratic[target.index]
        return (linear * z + quadratic * z * z / 2).sum(axis=1)

    maps = parts(x) - parts(away)
    result = infidelity(clf, x, maps, target, samples=20, side=5, baseline="white")
    np.testing.assert_allclose(result.values["infidelity"], 0, atol=1e-8)
    np.testing.assert_allclose(result.values["scale"], 1, rtol=1e-3)


def test_removal_is_the_loop(clf):
    x = clf.photos(2)
    target = clf.top(x)
    maps = np.random.default_rng(0).normal(size=(2, 8, 8))
    result = infidelity(clf, x, maps, target, samples=6, side=3, seed=[5, 6])
    black = make_baseline("black", x, clf.preprocess)
    for i in range(2):
        fine = maps[i].repeat(2, 0).repeat(2, 1) / 4
        before = float(clf.score(x[i : i + 1])[0, target.index[i]])
        a, d = [], []
        for version in range(6):
            row, column = philox(5 + i, version).integers(0, [14, 14])
            window = slice(row, row + 3), slice(column, column + 3)
            moved = x[i].copy()
            inside = (slice(None), *window)
            moved[inside] = black[i][inside]
            a.append(fine[window].sum())
            d.append(before - float(clf.score(moved[None])[0, target.index[i]]))
        a, d = np.array(a), np.array(d)
        scale = (a @ d) / (a @ a)
        np.testing.assert_allclose(result.values["infidelity"][i], ((a - d) ** 2).mean(), rtol=1e-4)
        np.testing.assert_allclose(result.values["scale"][i], scale, rtol=1e-3)
        scaled = ((scale * a - d) ** 2).mean()
        np.testing.assert_allclose(result.values["scaled"][i], scaled, rtol=1e-3)


def test_noise_is_the_loop(clf):
    x = clf.photos(1)
    target = clf.top(x)
    maps = np.random.default_rng(0).normal(size=(1, 16, 16))
    result = infidelity(clf, x, maps, target, samples=5, noise="gaussian", radius=0.4)
    before = float(clf.score(x)[0, target.index[0]])
    errors = []
    for version in range(5):
        plane = (0.4 * philox(0, version).standard_normal((16, 16))).astype(np.float32)
        after = float(clf.score(x - plane)[0, target.index[0]])
        errors.append(((plane * maps[0]).sum() - (before - after)) ** 2)
    np.testing.assert_allclose(result.values["infidelity"], np.mean(errors), rtol=1e-4)


@pytest.mark.parametrize("noise", ["square", "gaussian"])
def test_passes_batches_and_seeds(clf, noise):
    x = clf.photos(3)
    target = clf.top(x)
    maps = np.random.default_rng(0).normal(size=(3, 4, 4))
    calls = []
    clf.passes = Passes()
    whole = infidelity(
        clf, x, maps, target, samples=40, noise=noise, progress=lambda *c: calls.append(c)
    )
    assert whole.passes == clf.passes == Passes(3 * 41, 0)
    assert calls[-1] == (120, 120)
    for i in range(3):
        alone = infidelity(clf, x[i : i + 1], maps[i : i + 1], target[[i]], samples=40, noise=noise)
        assert alone.values["scaled"][0] == whole.values["scaled"][i]
    other = infidelity(clf, x, maps, target, samples=40, noise=noise, seed=1)
    assert (other.values["scaled"] != whole.values["scaled"]).all()


def test_zero_and_nan_maps(clf):
    x = clf.photos(2)
    maps = np.zeros((2, 4, 4))
    maps[1, 0, 0] = np.nan
    result = infidelity(clf, x, maps, clf.top(x), samples=5)
    assert result.values["scale"][0] == 0
    assert result.values["scaled"][0] == result.values["infidelity"][0] > 0
    assert all(np.isnan(row[1]) for row in result.values.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [("samples", 0), ("radius", 0), ("noise", "fog"), ("side", 0), ("side", 17), ("side", 2.5)],
)
def test_wrong_options_are_one_line(clf, name, value):
    x = clf.photos(1)
    with pytest.raises(OptionError, match=name) as error:
        infidelity(clf, x, np.zeros((1, 4, 4)), clf.top(x), **{name: value})
    assert "\n" not in str(error.value)


def test_wrong_maps_and_no_images(clf):
    x = clf.photos(2)
    with pytest.raises(ShapeError, match="N = 2"):
        infidelity(clf, x, np.zeros((1, 4, 4)), clf.top(x))
    none = infidelity(clf, x[:0], np.zeros((0, 4, 4)), Target(np.zeros(0, int)))
    assert none.values["scaled"].shape == (0,)
    assert METRICS["infidelity"].load() is infidelity
