"""Integrated gradients on the analytic classifier; IDGI is in test_idgi.py."""

from __future__ import annotations

import numpy as np
import pytest
from naive_paths import naive_ig
from toy import ToyClassifier

from pysal.errors import OptionError
from pysal.methods import METHODS
from pysal.methods.integrated_gradients import integrated_gradients
from pysal.types import Passes, Target


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def batch(clf):
    return clf.photos(3)


def black_of(clf, batch):
    return clf.preprocess.normalize(np.zeros((1, *batch.shape[2:], 3)))[0].astype(float)


def test_follows_the_naive_implementation(clf, batch):
    target = clf.top(batch)
    result = integrated_gradients(clf, batch, target, steps=30, channels=True)
    for i in range(3):

        def g(x, one=target[i : i + 1]):
            return clf.value_and_grad(x[None], one)[1][0]

        expected = naive_ig(batch[i].astype(float), black_of(clf, batch), g, 30)
        np.testing.assert_allclose(result.trace["channels"][i], expected, atol=1e-6)
        np.testing.assert_allclose(result.native[i], np.abs(expected.sum(0)), atol=1e-6)


@pytest.mark.parametrize("nodes", ["endpoints", "right", "gauss-legendre"])
def test_quadratic_logit(clf, batch, nodes):
    """A = (x - x') (a + b t) at the mean t of the rule; one Gauss point is exact."""
    steps = {"endpoints": 2, "right": 4, "gauss-legendre": 1}[nodes]
    middle = {"endpoints": 0.5, "right": 0.625, "gauss-legendre": 0.5}[nodes]
    target = clf.top(batch, "logit")
    options = {"nodes": nodes, "steps": steps, "baseline": "zero", "channels": True}
    result = integrated_gradients(clf, batch, target, **options)
    for i, c in enumerate(target.index):
        expected = batch[i] * (clf.linear[c] + clf.quadratic[c] * middle * batch[i])
        np.testing.assert_allclose(result.trace["channels"][i], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "steps", "limit"),
    [("endpoints", 400, 0.02), ("right", 400, 0.02), ("gauss-legendre", 30, 1e-4)],
)
def test_completeness(clf, batch, nodes, steps, limit):
    target = clf.top(batch)
    options = {"nodes": nodes, "steps": steps, "reduce": "sum"}
    result = integrated_gradients(clf, batch, target, **options)
    black = np.repeat(black_of(clf, batch)[None], 3, axis=0).astype(np.float32)
    start = clf.score(black)[np.arange(3), target.index]
    gap = np.abs(result.native.sum(axis=(1, 2)) - (result.score - start))
    relative = gap / np.abs(result.score - start)
    assert (relative < limit).all()
    np.testing.assert_allclose(result.trace["residual"], relative, atol=1e-4)
    np.testing.assert_allclose(result.trace["score"][:, 0], start, atol=1e-6)


def test_cost(clf, batch):
    """The baseline's score costs a pass only where it is not a point."""
    target = clf.top(batch)
    for nodes, more in (("endpoints", 0), ("right", 1), ("gauss-legendre", 1)):
        result = integrated_gradients(clf, batch, target, steps=90, nodes=nodes)
        assert result.passes == Passes(3 * (90 + 1 + more), 3 * 90)
        assert result.trace["score"].shape == (3, 90 + more)


def test_too_few_steps_are_said(clf, batch):
    with pytest.warns(
        UserWarning, match=r"integrated_gradients: the attributions of \d of 3 images"
    ):
        result = integrated_gradients(clf, batch, clf.top(batch), steps=2)
    assert (result.trace["residual"] > 0.1).any()


def test_a_baseline_that_scores_like_the_image_is_said(clf, batch):
    """No change of score in float32, and attributions that do not add up to nothing."""
    step = np.zeros_like(batch)
    step[:, 0, 0, 0], step[:, 1, 0, 0] = 1e-9, 40.0
    clf.linear[:, :, 0, 0] = clf.quadratic[:, :, 0, 0] = 0
    clf.quadratic[:, 1, 0, 0] = 1.0
    batch[:, 1, 0, 0] = -20.0
    target = clf.top(batch, "logit")
    with pytest.warns(UserWarning, match="miss the change of the score by up to inf%"):
        result = integrated_gradients(
            clf, batch, target, baseline=batch + step, nodes="right", steps=2
        )
    assert np.isinf(result.trace["residual"]).all()


@pytest.mark.parametrize("baseline", ["blur", "mean", "noise", "white", "given"])
def test_baselines(clf, batch, baseline):
    given = batch[:1] * 0.1 if baseline == "given" else baseline
    result = integrated_gradients(clf, batch, clf.top(batch), baseline=given, steps=60)
    assert result.options["baseline"] == baseline
    assert (result.trace["residual"] < 0.1).all()


def test_seeds_of_the_noise_baseline(clf, batch):
    target = clf.top(batch)
    options = {"baseline": "noise", "steps": 60}
    one, two = (integrated_gradients(clf, batch, target, seed=s, **options).native for s in (1, 2))
    mixed = integrated_gradients(clf, batch, target, seed=[1, 2, 1], **options).native
    np.testing.assert_array_equal(mixed, np.stack([one[0], two[1], one[2]]))
    assert not np.array_equal(one, two)


def test_low_probability_warns(clf, batch):
    worst = Target(clf.score(batch * 3).argmin(axis=1))
    with pytest.warns(UserWarning, match=r"below 0.01"):
        integrated_gradients(clf, batch * 3, worst, steps=400)


def test_end_points_need_two_steps(clf, batch):
    with pytest.raises(OptionError, match="steps is 1; expected a whole number from 2 on"):
        integrated_gradients(clf, batch, clf.top(batch), steps=1)


def test_registry_line():
    assert METHODS["integrated_gradients"].load() is integrated_gradients
    assert METHODS["integrated_gradients"].kind == "probability"
