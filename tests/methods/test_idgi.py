"""IDGI on the three paths: formula, completeness, and that one sweep gives both maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_paths import naive_blur_ig, naive_guided, naive_idgi
from toy import ToyClassifier

from pysal.errors import OptionError
from pysal.methods import METHODS
from pysal.methods.blur_ig import blur_ig, idgi_blur_ig
from pysal.methods.guided_ig import guided_ig, idgi_guided_ig
from pysal.methods.integrated_gradients import idgi, integrated_gradients
from pysal.types import Passes

PAIRS = {
    "idgi": (integrated_gradients, idgi, {"steps": 45}),
    "idgi_guided_ig": (guided_ig, idgi_guided_ig, {"steps": 30}),
    "idgi_blur_ig": (blur_ig, idgi_blur_ig, {"steps": 30, "sigma_max": 5.0}),
}

pytestmark = pytest.mark.filterwarnings("ignore::pysal.paths.IncompleteWarning")


@pytest.fixture
def clf():
    return ToyClassifier(size=10)


def points_of(name, clf, image, g):
    """Points of the path of one image, from its start, by the naive implementations."""
    black = clf.preprocess.normalize(np.zeros((1, 10, 10, 3)))[0].astype(float)
    if name == "idgi":
        return [black + t * (image - black) for t in np.linspace(0, 1, 45)]
    if name == "idgi_guided_ig":
        return naive_guided(image, black, g, 30, 0.25, 0.02)[1]
    return naive_blur_ig(image, black, g, 30, 5.0, 0.01)[1]


@pytest.mark.parametrize("name", PAIRS)
def test_follows_the_naive_implementation(name, clf):
    batch = clf.photos(3)
    target = clf.top(batch)
    _, method, options = PAIRS[name]
    result = method(clf, batch, target, channels=True, **options)
    for i, c in enumerate(target.index):

        def g(x, one=target[i : i + 1]):
            return clf.value_and_grad(x[None].astype(np.float32), one)[1][0].astype(float)

        def f(x, c=c):
            return float(clf.score(x[None].astype(np.float32))[0, c])

        points = points_of(name, clf, batch[i].astype(float), g)
        sign = -1 if name == "idgi_blur_ig" else 1  # sharp to blurred, in the loop's own order
        expected = sign * naive_idgi(points, f, g)
        np.testing.assert_allclose(result.trace["channels"][i], expected, atol=2e-6)
        np.testing.assert_allclose(result.native[i], np.abs(expected.sum(0)), atol=2e-6)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(PAIRS)),
    steps=st.integers(2, 45),
    kind=st.sampled_from(["probability", "logit"]),
    seed=st.integers(0, 9),
)
def test_is_complete_at_any_number_of_steps(name, steps, kind, seed):
    clf = ToyClassifier(size=8, seed=seed)
    batch = clf.photos(2, seed)
    _, method, _ = PAIRS[name]
    result = method(clf, batch, clf.top(batch, kind), steps=steps, reduce="sum")
    change = result.score - result.trace["score"][:, 0]
    np.testing.assert_allclose(result.native.sum(axis=(1, 2)), change, rtol=1e-4, atol=1e-6)
    assert (result.trace["residual"] < 1e-4).all()


def test_right_hand_points_are_complete_too(clf):
    batch = clf.photos(2)
    result = idgi(clf, batch, clf.top(batch), nodes="right", steps=5, reduce="sum")
    change = result.score - result.trace["score"][:, 0]
    np.testing.assert_allclose(result.native.sum(axis=(1, 2)), change, rtol=1e-4)


@pytest.mark.parametrize("name", PAIRS)
def test_one_sweep_gives_both(name, clf):
    batch = clf.photos(2)
    target = clf.top(batch)
    base, method, options = PAIRS[name]
    own, inner = base(clf, batch, target, **options), method(clf, batch, target, **options)
    clf.passes = Passes()
    both = base(clf, batch, target, both=True, **options)
    assert clf.passes == inner.passes == both.passes
    assert set(both.trace) == {"score", "residual", "riemann", "idgi"}
    np.testing.assert_array_equal(both.native, own.native)
    np.testing.assert_array_equal(both.trace["riemann"], own.native)
    np.testing.assert_array_equal(both.trace["idgi"], inner.native)
    np.testing.assert_array_equal(both.trace["residual"], own.trace["residual"])
    for result in (
        base(clf, batch, target, idgi=True, **options),
        base(clf, batch, target, idgi=True, both=True, **options),
        method(clf, batch, target, both=True, **options),
    ):
        np.testing.assert_array_equal(result.native, inner.native)
        np.testing.assert_array_equal(result.trace["residual"], inner.trace["residual"])


@pytest.mark.parametrize("name", PAIRS)
def test_every_term_has_the_sign_of_its_change(name, clf):
    """On a path that only rises no attribution is negative."""
    batch = clf.photos(4)
    _, method, options = PAIRS[name]
    result = method(clf, batch, clf.top(batch), channels=True, **options)
    rising = (np.diff(result.trace["score"], axis=1) >= 0).all(axis=1)
    assert rising.any() or name != "idgi"
    assert (result.trace["channels"][rising] >= 0).all()


def test_points_must_reach_the_image(clf):
    batch = clf.photos(1)
    for options in ({"idgi": True}, {"both": True}):
        with pytest.raises(OptionError, match='nodes is "gauss-legendre", whose points do not'):
            integrated_gradients(clf, batch, clf.top(batch), nodes="gauss-legendre", **options)


def test_what_flat_steps_lose_is_said():
    """The score rises, but up to 0.5 no gradient says where."""

    class Flat(ToyClassifier):
        def value_and_grad(self, batch, target, **options):
            value, grad = super().value_and_grad(batch, target, **options)
            return value, grad * (value > 0.5).reshape(-1, 1, 1, 1)

    clf = Flat(size=10, gain=4)
    batch = clf.photos(1)
    target = clf.top(batch)
    with pytest.warns(UserWarning, match="idgi: the attributions of 1 of 1 images"):
        result = idgi(clf, batch, target, reduce="sum")
    path = result.trace["score"][0]
    lost = path[path > 0.5].min() - path[0]
    assert result.trace["residual"][0] * (path[-1] - path[0]) == pytest.approx(lost, abs=1e-4)


@pytest.mark.parametrize("name", PAIRS)
def test_registry_lines(name):
    assert METHODS[name].load() is PAIRS[name][1]
    assert METHODS[name].kind == "probability"
