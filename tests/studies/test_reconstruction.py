"""Feature reconstruction against pairs counted one by one, and select_features."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from toy_network import ToyNetwork

from pysal.errors import OptionError
from pysal.features import select_features
from pysal.studies.reconstruction import MUS, feature_reconstruction
from pysal.studies.roc import roc_auc
from pysal.types import Passes

RNG = np.random.default_rng(6)
TRAIN, TEST = (RNG.normal(size=(n, 3, 16, 16)).astype(np.float32) for n in (20, 15))
LABELS, ANSWERS = np.arange(20) % 4, np.arange(15) % 3
QUIET = pytest.mark.filterwarnings("ignore:mu-lasso")


@pytest.fixture
def clf():
    return ToyNetwork()


def pairs(scores, members):
    """Share of pairs in the right order."""
    inside, outside = scores[members], scores[~members]
    wins = [(a > b) + (a == b) / 2 for a, b in itertools.product(inside, outside)]
    return np.mean(wins) if wins else np.nan


def test_auc_is_the_share_of_pairs():
    scores = RNG.integers(0, 4, (3, 2, 12)).astype(float)
    members = RNG.random((2, 12)) > 0.5
    found = roc_auc(scores, members)
    for m, k in np.ndindex(3, 2):
        assert found[m, k] == pytest.approx(pairs(scores[m, k], members[k]))
    perfect = roc_auc(np.array([[1.0, 2, 3, 4]]), np.array([[False, False, True, True]]))
    assert perfect == 1
    assert np.isnan(roc_auc(np.zeros((2, 3)), np.array([[True] * 3, [False] * 3]))).all()


@QUIET
def test_scores_are_those_of_selected_features(clf):
    layers = ["relu1", "relu2", "hidden"]
    clf.passes = Passes()
    result = feature_reconstruction(
        clf, TRAIN, LABELS, TEST, ANSWERS, mu=(1, 10), layers=layers, batch_size=4
    )
    assert result.passes == clf.passes == Passes(1 + 20 + 15, 0)
    assert result.mu.tolist() == [1, 10]
    activations = clf.activations(TEST, layers)
    answers = []
    for name in layers:
        r = (activations[name].astype(float).reshape(15, activations[name].shape[1], -1) ** 2).sum(
            axis=2
        )
        answers.append(r / np.maximum(r.sum(axis=1, keepdims=True), 1e-300))
    x = np.concatenate(answers, axis=1)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    for row, mu in enumerate((1, 10)):
        chosen = select_features(clf, TRAIN, LABELS, mu=mu, layers=layers)
        expected = [pairs(x @ chosen.vector(j), ANSWERS == j) for j in range(4)]
        np.testing.assert_allclose(result.auc[row], expected, atol=1e-6)
        assert result.num_features[row] == len(np.unique(chosen.features))
    assert np.isnan(result.auc[:, 3]).all()
    np.testing.assert_allclose(result.mean_auc, np.nanmean(result.auc, axis=1))


@QUIET
def test_batches_labels_and_progress(clf):
    calls = []
    one = feature_reconstruction(clf, TRAIN, LABELS, TEST, ANSWERS, mu=[2], batch_size=20)
    other = feature_reconstruction(
        clf,
        iter(list(TRAIN)),
        np.eye(4)[LABELS],
        iter(list(TEST)),
        np.eye(4, dtype=bool)[ANSWERS],
        mu=[2],
        batch_size=7,
        progress=lambda *c: calls.append(c),
    )
    np.testing.assert_allclose(one.auc, other.auc)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1] == (100, 100)
    assert len(MUS) == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mu", []),
        ("mu", [0.0]),
        ("response", "max"),
        ("solver", "newton"),
        ("tolerance", 0),
        ("batch_size", 0),
    ],
)
def test_wrong_options(clf, name, value):
    with pytest.raises(OptionError, match=name):
        feature_reconstruction(clf, TRAIN, LABELS, TEST, ANSWERS, **{name: value})


def test_wrong_labels(clf):
    with pytest.raises(OptionError, match="label is 4"):
        feature_reconstruction(clf, TRAIN, LABELS + 1, TEST, ANSWERS)
    with pytest.raises(OptionError, match=r"\(N, 4\) of 0 and 1"):
        feature_reconstruction(clf, TRAIN, np.ones((20, 3)), TEST, ANSWERS)
    for train, test in ((LABELS[1:], ANSWERS), (LABELS, ANSWERS[1:]), (LABELS, [*ANSWERS, 1])):
        with pytest.raises(OptionError, match="give one each"):
            feature_reconstruction(clf, TRAIN, train, TEST, test, mu=[1])
