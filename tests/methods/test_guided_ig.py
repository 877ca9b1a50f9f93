"""Guided IG on the analytic classifier; IDGI is in test_idgi.py."""

from __future__ import annotations

import numpy as np
import pytest
from naive_paths import naive_guided
from toy import ToyClassifier

from pysal.methods import METHODS
from pysal.methods.guided_ig import guided_ig
from pysal.types import Passes

pytestmark = pytest.mark.filterwarnings("ignore::pysal.paths.IncompleteWarning")


@pytest.fixture
def clf():
    return ToyClassifier(size=10)


@pytest.mark.parametrize("options", [{}, {"fraction": 0.5, "max_dist": 1.0}], ids=["", "example"])
def test_follows_the_naive_implementation(clf, options):
    batch = clf.photos(3)
    target = clf.top(batch)
    clf.passes = Passes()
    result = guided_ig(clf, batch, target, steps=25, channels=True, **options)
    assert result.passes == clf.passes == Passes(3 * 26, 3 * 25)
    black = clf.preprocess.normalize(np.zeros((1, 10, 10, 3)))[0].astype(float)
    values = {"fraction": 0.25, "max_dist": 0.02, **options}
    for i in range(3):

        def g(x, one=target[i : i + 1]):
            return clf.value_and_grad(x[None].astype(np.float32), one)[1][0]

        expected, _ = naive_guided(batch[i].astype(float), black, g, 25, **values)
        np.testing.assert_allclose(result.trace["channels"][i], expected, atol=1e-6)


def test_images_advance_together(clf):
    """One call per step for a batch, whatever its size."""
    calls = []

    class Counting(ToyClassifier):
        def value_and_grad(self, batch, target, **options):
            calls.append(len(batch))
            return super().value_and_grad(batch, target, **options)

    counting = Counting(size=10)
    batch = counting.photos(7)
    guided_ig(counting, batch, counting.top(batch), steps=12, max_dist=0.3)
    assert calls == [7] * 12


@pytest.mark.parametrize("max_dist", [0.0, 0.1, 1.0])
def test_a_linear_score_has_one_answer_on_any_path(clf, max_dist):
    clf.quadratic[:] = 0
    batch = clf.photos(2)
    target = clf.top(batch, "logit")
    options = {"steps": 8, "max_dist": max_dist, "baseline": "zero", "channels": True}
    result = guided_ig(clf, batch, target, **options)
    np.testing.assert_allclose(
        result.trace["channels"], batch * clf.linear[target.index], atol=1e-6
    )
    assert (result.trace["residual"] < 1e-5).all()


def test_without_freedom_it_is_integrated_gradients_on_left_hand_points(clf):
    batch = clf.photos(2)
    target = clf.top(batch)
    options = {"steps": 20, "max_dist": 0.0, "baseline": "zero", "channels": True}
    result = guided_ig(clf, batch, target, **options)
    for i in range(2):
        points = np.arange(20).reshape(-1, 1, 1, 1) / 20 * batch[i].astype(float)
        _, grads = clf.value_and_grad(points, target[i : i + 1].repeat(20))
        expected = batch[i] * grads.mean(axis=0)
        np.testing.assert_allclose(result.trace["channels"][i], expected, atol=1e-6)


def test_residual_falls_with_the_steps(clf):
    batch = clf.photos(3)
    target = clf.top(batch)
    means = [
        guided_ig(clf, batch, target, steps=s).trace["residual"].mean() for s in (50, 200, 800)
    ]
    assert means == sorted(means, reverse=True)
    assert means[-1] < 0.01


def test_registry_line():
    assert METHODS["guided_ig"].load() is guided_ig
    assert METHODS["guided_ig"].kind == "probability"
