"""Gradient and input x gradient on the analytic classifier."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.methods import METHODS
from pysal.methods.gradient import gradient, input_x_gradient
from pysal.types import Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


def logit_gradient(clf, x, c):
    return clf.linear[c] + clf.quadratic[c] * x


def test_gradient_is_the_derivative_of_the_logit(clf):
    batch = clf.photos(4)
    target = clf.top(batch, "logit")
    clf.passes = Passes()
    result = gradient(clf, batch, target, channels=True)
    assert clf.passes == Passes(4, 4)
    for i, c in enumerate(target.index):
        expected = logit_gradient(clf, batch[i], c)
        np.testing.assert_allclose(result.trace["channels"][i], expected, atol=1e-6)
        np.testing.assert_allclose(result.native[i], np.abs(expected).max(0), atol=1e-6)


def test_gradient_of_the_probability_by_differences(clf):
    batch = clf.photos(1)
    target = clf.top(batch)
    found = gradient(clf, batch, target, channels=True).trace["channels"][0]
    c, step = target.index[0], 1e-2
    for at in [(0, 5, 5), (1, 8, 7), (2, 12, 3)]:
        moved = np.repeat(batch, 2, axis=0)
        moved[0][at] += step
        moved[1][at] -= step
        high, low = clf.score(moved)[:, c].astype(float)
        assert found[at] == pytest.approx((high - low) / (2 * step), abs=2e-5)


def test_input_x_gradient(clf):
    batch = clf.photos(3)
    target = clf.top(batch, "logit")
    result = input_x_gradient(clf, batch, target)
    for i, c in enumerate(target.index):
        expected = np.abs((batch[i] * logit_gradient(clf, batch[i], c)).sum(0))
        np.testing.assert_allclose(result.native[i], expected, atol=1e-6)


def test_input_x_gradient_of_a_linear_score_is_the_score(clf):
    clf.quadratic[:] = 0
    batch = clf.photos(3)
    result = input_x_gradient(clf, batch, clf.top(batch, "logit"), reduce="sum")
    np.testing.assert_allclose(result.native.sum(axis=(1, 2)), result.score, rtol=1e-5)


def test_a_saturated_probability_is_said():
    """Its gradient is zero in float32; the logit has one."""
    clf = ToyClassifier(gain=400)
    batch = clf.photos(2)
    target = clf.top(batch)
    with pytest.warns(UserWarning, match='2 of 2 images .* explain kind="logit" instead'):
        assert not gradient(clf, batch, target).native.any()
    assert gradient(clf, batch, Target(target.index, "logit")).native.any(axis=(1, 2)).all()


def test_registry_lines():
    assert METHODS["gradient"].load() is gradient
    assert METHODS["input_x_gradient"].load() is input_x_gradient
    assert METHODS["gradient"].kind == METHODS["input_x_gradient"].kind == "logit"
