"""Every operation of the counting classifier gives what the other gives, and counts its passes."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.again import Again, check_maps
from pysal.classifier import Classifier
from pysal.compose import Masked
from pysal.counted import CountedClassifier
from pysal.errors import CapabilityError, OptionError, ShapeError
from pysal.types import Passes


@pytest.fixture
def both():
    clf = ToyClassifier()
    return clf, CountedClassifier(clf)


def test_counts_are_the_passes_made(both):
    clf, counted = both
    x = clf.photos(3)
    target, base = clf.top(x), np.zeros_like(x)
    masks = np.random.default_rng(0).uniform(size=(3, 2, 4, 4)).astype(np.float32)
    grid = {"nodes": np.array([0.5, 1], np.float32), "weights": np.array([0.5, 0.5], np.float32)}
    calls = [
        lambda c: c.score(x),
        lambda c: c.value_and_grad(x, target),
        lambda c: c.activations(x, ["logits"]),
        lambda c: c.score_masked(x, base, masks, target),
        lambda c: c.score_composed(Masked(x, base, masks), 3, 2, target),
        lambda c: c.path_grad(x, base, masks[:, 0], target, **grid),
    ]
    for call in calls:
        clf.passes = counted.passes = Passes()
        found = call(counted)
        assert counted.passes == clf.passes != Passes()
        np.testing.assert_equal(found, call(clf))


def test_every_operation_of_a_classifier_is_passed_on():
    own = {n for n, f in vars(CountedClassifier).items() if inspect.isfunction(f)}
    wanted = {
        name
        for name, _ in inspect.getmembers(Classifier, inspect.isfunction)
        if not name.startswith("_")
    }
    # `close` is not its own to call.
    assert wanted - own == {"check_target", "check_factors", "check_redraw", "close"}


def test_what_an_engine_cannot_do(both):
    _, counted = both
    x = np.zeros((1, 3, 16, 16), np.float32)
    for call in (
        counted.weighted_layers,
        lambda: counted.randomized(["logits"]),
        lambda: counted.score_scaled(x, {"logits": np.ones(4, np.float32)}),
    ):
        with pytest.raises(CapabilityError, match="open the original"):
            call()


def test_explaining_again(both):
    clf, _ = both
    x = clf.photos(2)
    target = clf.top(x)

    def explain(clf, batch, target, *, gain=1):
        return gain * clf.value_and_grad(batch, target)[1].sum(axis=1)

    again = Again(explain, "test")
    one, two = again(clf, x, target), again(clf, x, target, gain=2)
    np.testing.assert_array_equal(2 * one, two)
    assert again.passes == Passes(4, 4)
    with pytest.raises(OptionError, match="cannot be called with size"):
        again(clf, x, target, size=3)
    with pytest.raises(ShapeError, match="N = 2"):
        Again(lambda c, b, t: np.zeros((1, 4, 4)), "test")(clf, x, target)
    with pytest.raises(ShapeError, match="N = 3"):
        check_maps(np.zeros((3, 4)), 3)
