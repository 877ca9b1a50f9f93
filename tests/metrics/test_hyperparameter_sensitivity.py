"""Sensitivity to hyperparameters: settings are passed on, pairs averaged, broken images dropped."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal import summarize
from pysal.errors import OptionError, ShapeError
from pysal.explainer import native_maps
from pysal.metrics import METRICS
from pysal.metrics.hyperparameter_sensitivity import hyperparameter_sensitivity
from pysal.similarity.maps import hog_correlation, prepare_maps, spearman, ssim
from pysal.types import Passes, Target

ZEROS = np.zeros((3, 4, 4))


@pytest.fixture
def clf():
    return ToyClassifier(size=24)


def noisy(clf, batch, target, *, seed=0, size=24):
    """Gradients with noise, at some size."""
    clf.score(batch)
    grad = clf.value_and_grad(batch, target)[1].sum(axis=1)
    noise = np.random.default_rng(seed).normal(size=grad.shape[1:])
    return (grad + grad.std() * noise)[:, :size, :size]


def test_it_is_the_mean_over_pairs(clf):
    x = clf.photos(3)
    target = clf.top(x)
    settings = [{"seed": 1}, {"seed": 2, "size": 12}, {"seed": 3}]
    clf.passes = Passes()
    result = hyperparameter_sensitivity(clf, x, ZEROS, target, settings=settings, explain=noisy)
    assert result.passes == clf.passes == Passes(18, 9)
    maps = [prepare_maps(noisy(clf, x, target, **s), (24, 24)) for s in settings]
    pairs = [(maps[0], maps[1]), (maps[0], maps[2]), (maps[1], maps[2])]
    for name, one in (("ssim", ssim), ("hog", hog_correlation), ("spearman", spearman)):
        expected = np.mean([one(a, b) for a, b in pairs], axis=0)
        np.testing.assert_allclose(result.values[name], expected)
    figures = summarize(result)
    assert figures["ssim_std"] == pytest.approx(result.values["ssim"].std())
    assert figures["dropped"] == 0


def test_equal_maps_are_alike(clf):
    x = clf.photos(3)
    result = hyperparameter_sensitivity(
        clf, x, ZEROS, clf.top(x), settings=[{"seed": 1}] * 3, explain=noisy
    )
    for row in result.values.values():
        np.testing.assert_allclose(row, 1)


def test_images_with_a_constant_map_are_dropped_and_counted(clf):
    x = clf.photos(3)

    def broken(clf, batch, target, *, seed=0):
        maps = noisy(clf, batch, target, seed=seed)
        maps[0] = 1.0 if seed == 2 else maps[0]
        maps[2] = np.nan if seed == 1 else maps[2]
        return maps

    result = hyperparameter_sensitivity(clf, x, ZEROS, clf.top(x), explain=broken)
    for row in result.values.values():
        assert np.isnan(row).tolist() == [True, False, True]
    figures = summarize(result)
    assert figures["dropped"] == 2
    assert figures["ssim"] == result.values["ssim"][1]


def test_scale_and_range(clf):
    x = clf.photos(3)
    target = clf.top(x)

    def tiny(clf, batch, target, *, seed=0):
        return 1e-3 * noisy(clf, batch, target, seed=seed)

    by_max = hyperparameter_sensitivity(clf, x, ZEROS, target, explain=noisy)
    same = hyperparameter_sensitivity(clf, x, ZEROS, target, explain=tiny)
    np.testing.assert_allclose(by_max.values["ssim"], same.values["ssim"], rtol=1e-4)
    raw = hyperparameter_sensitivity(clf, x, ZEROS, target, explain=tiny, scale="none")
    assert (raw.values["ssim"] > 0.99).all()  # differences are small within a range of 2
    unit = hyperparameter_sensitivity(clf, x, ZEROS, target, explain=noisy, scale="min_max")
    assert (by_max.options["data_range"], unit.options["data_range"]) == (2.0, 1.0)
    np.testing.assert_allclose(by_max.values["spearman"], same.values["spearman"], rtol=1e-3)


def test_batches_and_progress(clf):
    x = clf.photos(3)
    target = clf.top(x)
    calls = []

    def alone(clf, batch, target, *, seed=0):
        return np.stack(
            [noisy(clf, batch[i : i + 1], target[[i]], seed=seed)[0] for i in range(len(batch))]
        )

    whole = hyperparameter_sensitivity(
        clf, x, ZEROS, target, explain=alone, progress=lambda *c: calls.append(c)
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]
    for i in range(3):
        one = hyperparameter_sensitivity(clf, x[i : i + 1], ZEROS[:1], target[[i]], explain=alone)
        for name, row in one.values.items():
            assert row[0] == whole.values[name][i]


def test_methods_by_name_take_settings(clf):
    x = clf.photos(2)
    explain = native_maps("smoothgrad", samples=3)
    result = hyperparameter_sensitivity(clf, x, ZEROS[:2], clf.top(x), explain=explain)
    assert ((result.values["spearman"] > 0) & (result.values["spearman"] < 1)).all()
    with pytest.raises(OptionError, match='"smoothgrad" has no option "patch"'):
        hyperparameter_sensitivity(
            clf, x, ZEROS[:2], clf.top(x), settings=[{"patch": 3}, {"patch": 4}], explain=explain
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settings", [{"seed": 1}]),
        ("settings", [1, 2]),
        ("settings", {"seed": 1}),
        ("scale", "half"),
        ("data_range", 0),
        ("cell", 0),
    ],
)
def test_wrong_options_are_one_line(clf, name, value):
    x = clf.photos(3)
    with pytest.raises(OptionError, match=name) as error:
        hyperparameter_sensitivity(clf, x, ZEROS, clf.top(x), explain=noisy, **{name: value})
    assert "\n" not in str(error.value)


def test_wrong_input_and_no_images(clf):
    x = clf.photos(3)
    with pytest.raises(OptionError, match="explain is missing"):
        hyperparameter_sensitivity(clf, x, ZEROS, clf.top(x))
    with pytest.raises(ShapeError, match="N = 3"):
        hyperparameter_sensitivity(clf, x, ZEROS[:1], clf.top(x), explain=noisy)

    def nothing(clf, batch, target, *, seed=0):
        return np.zeros((len(batch), 4, 4))

    none = hyperparameter_sensitivity(
        clf, x[:0], ZEROS[:0], Target(np.zeros(0, int)), explain=nothing
    )
    assert none.values["ssim"].shape == (0,)
    entry = METRICS["hyperparameter_sensitivity"]
    assert entry.load() is hyperparameter_sensitivity
