"""Completeness: exact on an analytic network, and by integrated gradients."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.baselines import make_baseline
from pysal.errors import CapabilityError, OptionError, ShapeError
from pysal.methods.integrated_gradients import integrated_gradients
from pysal.metrics import METRICS
from pysal.metrics.completeness import completeness
from pysal.types import Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.mark.parametrize("baseline", ["black", "zero", "white"])
def test_an_exact_attribution_of_a_logit_has_no_residual(clf, baseline):
    """Logits are sums over pixels, so their parts are known."""
    x = clf.photos(3)
    target = clf.top(x, "logit")
    away = make_baseline(baseline, x, clf.preprocess)

    def parts(images):
        z = images.astype(float)
        linear, quadratic = clf.linear[target.index], clf.quadratic[target.index]
        return linear * z + quadratic * z * z / 2

    maps = (parts(x) - parts(away)).sum(axis=1)
    result = completeness(clf, x, maps, target, baseline=baseline)
    np.testing.assert_allclose(result.values["absolute"], 0, atol=1e-5)
    off = completeness(clf, x, maps + 1 / 256, target, baseline=baseline)
    np.testing.assert_allclose(off.values["residual"], 1, rtol=1e-4)
    gained = maps.sum(axis=(1, 2))
    np.testing.assert_allclose(off.values["relative"], 1 / np.abs(gained), rtol=1e-3)
    less = completeness(clf, x, maps - 1 / 256, target, baseline=baseline)
    np.testing.assert_allclose(less.values["residual"], -1, rtol=1e-4)
    np.testing.assert_allclose(less.values["absolute"], 1, rtol=1e-4)


def test_integrated_gradients_are_complete_and_gradients_are_not(clf):
    x = clf.photos(3)
    target = clf.top(x)
    maps = integrated_gradients(clf, x, target, reduce="sum", steps=100).native
    result = completeness(clf, x, maps, target)
    assert (result.values["relative"] < 0.03).all()
    slopes = clf.value_and_grad(x, target)[1].sum(axis=1)
    assert (completeness(clf, x, slopes, target).values["relative"] > 0.1).all()


def test_passes_batches_and_options(clf):
    x = clf.photos(3)
    target = clf.top(x)
    maps = np.random.default_rng(0).normal(size=(3, 4, 4))
    clf.passes = Passes()
    result = completeness(clf, x, maps, target, baseline="noise", seed=[4, 5, 6])
    assert result.passes == clf.passes == Passes(6, 0)
    assert result.options == {"baseline": "noise", "kind": "probability", "seed": [4, 5, 6]}
    for i in range(3):
        alone = completeness(
            clf, x[i : i + 1], maps[i : i + 1], target[[i]], baseline="noise", seed=[4 + i]
        )
        for name in result.values:
            assert alone.values[name][0] == result.values[name][i]
    assert completeness(clf, x, maps, target, baseline=x).options["baseline"] == "given"


def test_no_difference_and_nan(clf):
    x = clf.photos(2)
    maps = np.ones((2, 4, 4))
    maps[1, 0, 0] = np.nan
    result = completeness(clf, x, maps, clf.top(x), baseline=x)
    assert np.isnan(result.values["relative"]).all()
    assert result.values["residual"][0] == 16
    assert np.isnan(result.values["absolute"][1])


def test_wrong_input(clf):
    x = clf.photos(2)
    with pytest.raises(OptionError, match="fog"):
        completeness(clf, x, np.zeros((2, 4, 4)), clf.top(x), baseline="fog")
    with pytest.raises(ShapeError, match="N = 2"):
        completeness(clf, x, np.zeros((1, 4, 4)), clf.top(x))
    with pytest.raises(OptionError, match="seeds"):
        completeness(clf, x, np.zeros((2, 4, 4)), clf.top(x), seed=[1, 2, 3])
    clf.linear[:] = np.inf
    with np.errstate(invalid="ignore"), pytest.raises(CapabilityError, match="score of image 0"):
        completeness(clf, x, np.zeros((2, 4, 4)), Target(np.array([0, 1])))


def test_no_images(clf):
    none = completeness(clf, clf.photos(0), np.zeros((0, 4, 4)), Target(np.zeros(0, int)))
    assert none.values["relative"].shape == (0,)
    assert METRICS["completeness"].load() is completeness
