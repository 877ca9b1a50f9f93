"""Max-sensitivity against loops, a linear explanation with a known bound, and its noise."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.errors import OptionError, ShapeError
from pysal.metrics import METRICS
from pysal.metrics.max_sensitivity import max_sensitivity
from pysal.perturb.additive import change
from pysal.types import Passes, Target

ZEROS = np.zeros((3, 4, 4))


@pytest.fixture
def clf():
    return ToyClassifier()


def gradient(clf, batch, target):
    return clf.value_and_grad(batch, target)[1].sum(axis=1)


def test_it_is_the_loop(clf):
    x = clf.photos(3)
    target = clf.top(x)
    result = max_sensitivity(
        clf, x, ZEROS, target, samples=4, radius=0.3, seed=[7, 8, 9], explain=gradient
    )
    for i in range(3):
        one = target[[i]]
        first = gradient(clf, x[i : i + 1], one)[0].astype(float)
        far = []
        for sample in range(4):
            generator = np.random.Generator(
                np.random.Philox(
                    key=np.array([7 + i, 32], np.uint64),
                    counter=np.array([0, 0, 0, sample], np.uint64),
                )
            )
            noise = 0.6 * generator.random(x[i].shape) - 0.3
            moved = (x[i] + noise.astype(np.float32))[None].astype(np.float32)
            far.append(np.linalg.norm(gradient(clf, moved, one)[0] - first))
        norm = np.linalg.norm(first)
        expected = max(far) / norm, np.mean(far) / norm, max(far)
        found = [result.values[name][i] for name in ("max", "mean", "absolute")]
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_an_explanation_that_is_the_image_moves_by_the_radius(clf):
    def image(clf, batch, target):
        return batch.reshape(len(batch), 3 * 16, 16)

    x = clf.photos(3)
    result = max_sensitivity(clf, x, ZEROS, clf.top(x), radius=0.5, noise="sphere", explain=image)
    np.testing.assert_allclose(result.values["absolute"], 0.5, rtol=1e-4)
    norms = np.linalg.norm(x.reshape(3, -1), axis=1)
    np.testing.assert_allclose(result.values["max"], 0.5 / norms, rtol=1e-4)
    rgb = max_sensitivity(clf, x, ZEROS, clf.top(x), radius=0.1, space="rgb", explain=image)
    top = 0.1 / min(clf.preprocess.std) * np.sqrt(3 * 16 * 16)
    assert (rgb.values["absolute"] < top).all()
    model = max_sensitivity(clf, x, ZEROS, clf.top(x), radius=0.1, explain=image)
    ratio = rgb.values["absolute"] / model.values["absolute"]
    assert ((ratio > 1 / max(clf.preprocess.std)) & (ratio < 1 / min(clf.preprocess.std))).all()


def test_a_constant_explanation_does_not_move(clf):
    x = clf.photos(3)
    result = max_sensitivity(
        clf, x, ZEROS, clf.top(x), explain=lambda c, b, t: np.ones((len(b), 2, 2))
    )
    np.testing.assert_array_equal(result.values["max"], 0)
    nothing = max_sensitivity(
        clf, x, ZEROS, clf.top(x), explain=lambda c, b, t: np.zeros((len(b), 2, 2))
    )
    assert np.isnan(nothing.values["max"]).all()
    np.testing.assert_array_equal(nothing.values["absolute"], 0)
    broken = max_sensitivity(
        clf, x, ZEROS, clf.top(x), explain=lambda c, b, t: np.full((len(b), 2, 2), np.nan)
    )
    assert all(np.isnan(row).all() for row in broken.values.values())


def test_passes_seeds_and_batches(clf):
    x = clf.photos(3)
    target = clf.top(x)
    calls = []
    clf.passes = Passes()
    whole = max_sensitivity(
        clf, x, ZEROS, target, samples=3, explain=gradient, progress=lambda *c: calls.append(c)
    )
    assert whole.passes == clf.passes == Passes(12, 12)
    assert calls == [(1, 3), (2, 3), (3, 3)]
    for i in range(3):
        alone = max_sensitivity(
            clf, x[i : i + 1], ZEROS[:1], target[[i]], samples=3, explain=gradient
        )
        assert alone.values["max"][0] == whole.values["max"][i]
    other = max_sensitivity(clf, x, ZEROS, target, samples=3, explain=gradient, seed=1)
    assert (other.values["max"] != whole.values["max"]).all()
    more = max_sensitivity(clf, x, ZEROS, target, samples=6, explain=gradient)
    assert (more.values["max"] >= whole.values["max"]).all()


def test_noise_has_the_size_that_it_says():
    uniform = change("uniform", (50, 50), 0.2, 1, 0)
    assert np.abs(uniform).max() <= 0.2
    assert uniform.std() == pytest.approx(0.2 / np.sqrt(3), rel=0.05)
    assert change("gaussian", (50, 50), 0.2, 1, 0).std() == pytest.approx(0.2, rel=0.05)
    assert np.linalg.norm(change("sphere", (5, 5), 0.2, 1, 0)) == pytest.approx(0.2)
    assert (change("uniform", (5,), 1, 1, 0) != change("uniform", (5,), 1, 1, 1)).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("samples", 0), ("radius", 0), ("radius", -1.0), ("noise", "fog"), ("space", "lab")],
)
def test_wrong_options_are_one_line(clf, name, value):
    x = clf.photos(3)
    with pytest.raises(OptionError, match=name) as error:
        max_sensitivity(clf, x, ZEROS, clf.top(x), explain=gradient, **{name: value})
    assert "\n" not in str(error.value)


def test_wrong_input_and_no_images(clf):
    x = clf.photos(3)
    with pytest.raises(OptionError, match="explain is missing"):
        max_sensitivity(clf, x, ZEROS, clf.top(x))
    with pytest.raises(ShapeError, match="N = 3"):
        max_sensitivity(clf, x, ZEROS[:2], clf.top(x), explain=gradient)
    sizes = iter((4, 5))

    def growing(clf, batch, target):
        return np.ones((len(batch), next(sizes), 4))

    with pytest.raises(ShapeError, match="one size"):
        max_sensitivity(clf, x, ZEROS, clf.top(x), explain=growing)
    none = max_sensitivity(clf, x[:0], ZEROS[:0], Target(np.zeros(0, int)), explain=gradient)
    assert none.values["max"].shape == (0,)
    assert METRICS["max_sensitivity"].load() is max_sensitivity
