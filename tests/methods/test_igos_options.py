"""Options of I-GOS: presets, weights by resolution, and one line for every wrong value."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.errors import OptionError
from pysal.maskopt import options as igos_options
from pysal.methods.igos import igos
from pysal.options import option_defaults

QUICK = {"size": 6, "iterations": 5, "steps": 4, "l1": 0.1, "l2": 0.2}


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def photos(clf):
    return clf.photos(5)


def test_presets_and_explicit_options(clf, photos):
    target = clf.top(photos)
    fast = igos(clf, photos, target, size=4, preset="fast").options
    for name, value in igos_options.PRESETS["fast"].items():
        assert fast[name] == value
    mixed = igos(clf, photos, target, size=4, preset="fast", iterations=3, momentum=0.0).options
    assert (mixed["iterations"], mixed["momentum"]) == (3, 0.0)
    assert igos(clf, photos[:1], target[:1], size=4).options["preset"] == "published"


def test_defaults_are_those_of_the_signature():
    defaults = option_defaults(igos)
    assert {**igos_options.DEFAULTS["igos"], "seed": 0} == defaults


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, (1, 20)), (7, (1, 20)), (28, (1, 20)), (112, (3, 60)), (224, (10, 20)), (500, (10, 20))],
)
def test_published_weights(size, expected):
    assert igos_options.weights((size, size)) == pytest.approx(expected)


def test_published_bilateral_weights():
    assert igos_options.weights((28, 28), bilateral=True) == pytest.approx((1, 20))
    assert igos_options.weights((224, 224), bilateral=True) == pytest.approx((10, 20))


def test_weights_between_are_between():
    l1, l2 = igos_options.weights((56, 56))
    assert (l1, l2) == pytest.approx((2, 40))


def test_legacy_noise_is_red_and_doubled(clf):
    options = {"noise": "legacy", "noise_std": 0.2}
    std = igos_options.noise_deviation(options, clf.preprocess)
    np.testing.assert_allclose(std, [0.4, 0, 0], rtol=1e-6)
    swapped = dataclasses.replace(clf.preprocess, channels="BGR")
    assert np.flatnonzero(igos_options.noise_deviation(options, swapped)).tolist() == [2]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 0),
        ("size", -3),
        ("size", 17),
        ("size", (4, 17)),
        ("size", (4, 4, 4)),
        ("size", 2.5),
        ("size", "big"),
        ("size", True),
        ("iterations", 0),
        ("steps", 0),
        ("steps", 2.0),
        ("chunk", 0),
        ("nodes", "left"),
        ("noise", "red"),
        ("search", "newton"),
        ("preset", "slow"),
        ("noise_std", -0.1),
        ("noise_std", float("nan")),
        ("l1", -1),
        ("l2", float("inf")),
        ("step_max", 0),
        ("step_min", 0),
        ("step_min", 1e9),
        ("step_size", -1),
        ("shrink", 1.0),
        ("slope", 1.0),
        ("momentum", 1.0),
        ("momentum", "much"),
        ("seed", -1),
        ("seed", 0.5),
        ("seed", [1, 2]),
        ("baseline", "fog"),
    ],
)
def test_wrong_options_are_one_line(clf, photos, name, value):
    with pytest.raises(OptionError) as error:
        igos(clf, photos, clf.top(photos), **{**QUICK, name: value})
    assert "\n" not in str(error.value)
    assert name in str(error.value)
    assert len(str(error.value)) < 200
