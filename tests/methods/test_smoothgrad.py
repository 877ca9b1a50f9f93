"""SmoothGrad and its relatives: noise, moments, bases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_paths import naive_blur_ig, naive_guided, naive_ig
from toy import ToyClassifier

from pysal.errors import OptionError
from pysal.methods import METHODS
from pysal.methods.smoothgrad import smoothgrad, smoothgrad_squared, vargrad
from pysal.types import Target

ALL = {"smoothgrad": smoothgrad, "smoothgrad_squared": smoothgrad_squared, "vargrad": vargrad}


class Spy(ToyClassifier):
    """Remembers every input that it gave a gradient for, and that gradient."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inputs, self.grads = [], []

    def value_and_grad(self, batch, target, **options):
        value, grad = super().value_and_grad(batch, target, **options)
        self.inputs += [x.astype(float) for x in batch]
        self.grads += [g.astype(float) for g in grad]
        return value, grad


def statistic(name, samples):
    if name == "smoothgrad":
        return sum(samples) / len(samples)
    squares = sum(s * s for s in samples) / len(samples)
    if name == "smoothgrad_squared":
        return squares
    mean = sum(samples) / len(samples)
    return sum((s - mean) ** 2 for s in samples) / len(samples)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(ALL)),
    base=st.sampled_from(["gradient", "input_x_gradient"]),
    samples=st.integers(2, 45),
    noise_level=st.sampled_from([1e-4, 0.15, 1.0]),
    kind=st.sampled_from(["logit", "probability"]),
)
def test_statistics_of_the_gradients_that_were_taken(name, base, samples, noise_level, kind):
    clf = Spy(size=7)
    batch = clf.photos(2)
    options = {"samples": samples, "noise_level": noise_level, "base": base, "channels": True}
    result = ALL[name](clf, batch, clf.top(batch, kind), **options)
    assert len(clf.inputs) == 2 * samples
    for i in range(2):
        part = slice(i * samples, (i + 1) * samples)
        taken = clf.grads[part]
        if base == "input_x_gradient":
            taken = [x * g for x, g in zip(clf.inputs[part], taken, strict=True)]
        expected = statistic(name, taken)
        scale = np.abs(expected).max()
        found = result.trace["channels"][i]
        np.testing.assert_allclose(found / scale, expected / scale, atol=2e-5)


def test_noise_is_normal_and_as_wide_as_it_says():
    clf = Spy()
    batch = clf.photos(2)
    result = smoothgrad(clf, batch, clf.top(batch, "logit"), samples=60, noise_level=0.2)
    noise = np.array(clf.inputs).reshape(2, 60, *batch.shape[1:]) - batch[:, None]
    for i in range(2):
        expected = 0.2 * (float(batch[i].max()) - float(batch[i].min()))
        assert result.trace["noise_std"][i] == pytest.approx(expected, rel=1e-6)
        unit = noise[i] / expected
        assert abs(unit.mean()) < 4 / math.sqrt(unit.size)
        assert unit.std() == pytest.approx(1, abs=4 / math.sqrt(2 * unit.size))
        assert (unit**4).mean() == pytest.approx(3, abs=0.15)
        together = np.corrcoef(unit.reshape(60, -1))
        assert np.abs(together - np.eye(60)).max() < 0.2


def test_noise_depends_on_the_seed_and_the_number_of_the_copy_only():
    batch = ToyClassifier().photos(3)
    seen = []
    for rows, samples, seed in ([0, 1, 2], 30, 5), ([1], 9, 5), ([1, 1], 30, [6, 5]):
        clf = Spy()
        target = clf.top(batch[rows], "logit")
        smoothgrad(clf, batch[rows], target, samples=samples, seed=seed)
        seen.append(np.array(clf.inputs).reshape(len(rows), samples, -1))
    np.testing.assert_array_equal(seen[1][0], seen[0][1, :9])
    np.testing.assert_array_equal(seen[2][1], seen[0][1])
    assert not np.array_equal(seen[2][0], seen[0][1])


def test_vargrad_of_a_quadratic_score():
    """g = a + b x, so its variance is b^2 times that of the noise."""
    clf = ToyClassifier()
    batch = clf.photos(2)
    target = clf.top(batch, "logit")
    result = vargrad(clf, batch, target, samples=400, channels=True)
    for i, c in enumerate(target.index):
        expected = (clf.quadratic[c] * result.trace["noise_std"][i]) ** 2
        ratio = result.trace["channels"][i] / expected
        assert ratio.mean() == pytest.approx(1, abs=0.02)
        error = np.abs(result.trace["channels"][i] - expected).mean()
        assert error < 2 * result.trace["standard_error"][i]


@pytest.mark.parametrize("name", ALL)
def test_standard_error_is_the_spread_over_seeds(name):
    clf = ToyClassifier(size=8)
    batch = clf.photos(1)
    target = clf.top(batch)
    options = {"samples": 30, "channels": True}
    results = [ALL[name](clf, batch, target, seed=s, **options) for s in range(40)]
    maps = np.array([r.trace["channels"][0] for r in results])
    said = np.mean([r.trace["standard_error"][0] for r in results])
    assert said == pytest.approx(maps.std(axis=0, ddof=1).mean(), rel=0.15)


def test_one_sample_has_no_standard_error():
    clf = ToyClassifier()
    batch = clf.photos(1)
    result = smoothgrad(clf, batch, clf.top(batch, "logit"), samples=1)
    assert np.isnan(result.trace["standard_error"]).all()
    with pytest.raises(OptionError, match=r"vargrad: samples is 1; .* from 2 on"):
        vargrad(clf, batch, clf.top(batch, "logit"), samples=1)


def test_without_noise_it_is_the_gradient():
    clf = ToyClassifier()
    batch = clf.photos(2)
    target = clf.top(batch, "logit")
    result = smoothgrad(clf, batch, target, noise_level=0.0, channels=True)
    _, grads = clf.value_and_grad(batch, target)
    np.testing.assert_allclose(result.trace["channels"], grads, atol=1e-7)
    with pytest.warns(UserWarning, match="vargrad: the maps of 2 of 2"):
        vargrad(clf, batch, target, noise_level=0.0)


@pytest.mark.parametrize("base", ["integrated_gradients", "guided_ig", "blur_ig"])
def test_paths_from_noisy_copies(base):
    clf, seen = ToyClassifier(size=7), Spy(size=7)
    batch = clf.photos(2)
    target = clf.top(batch)
    smoothgrad(seen, batch, target, samples=3)  # the same copies, whatever the base
    copies = np.array(seen.inputs).reshape(2, 3, *batch.shape[1:])
    start = clf.preprocess.normalize(np.zeros((1, 7, 7, 3)))[0].astype(float)
    options = {"steps": 6}
    if base == "blur_ig":
        options["sigma_max"] = 3.0
    elif base == "guided_ig":
        options |= {"max_dist": 0.1, "baseline": "zero"}
        start = start * 0
    calls = []
    result = smoothgrad(
        clf,
        batch,
        target,
        samples=3,
        base=base,
        base_options=options,
        channels=True,
        progress=lambda *c: calls.append(c),
    )
    assert result.passes.backward == 2 * 3 * 6
    assert calls[-1] == (36, 36)
    for i, c in enumerate(target.index):

        def g(x, one=target[i : i + 1]):
            given = x[None].astype(np.float32).astype(float)
            return clf.value_and_grad(given, one)[1][0]

        expected = 0
        for x in copies[i]:
            if base == "integrated_gradients":
                expected += naive_ig(x, start, g, 6) / 3
            elif base == "guided_ig":
                expected += naive_guided(x, start, g, 6, 0.25, 0.1)[0] / 3
            else:
                expected += naive_blur_ig(x, start, g, 6, 3.0, 0.01)[0] / 3
        assert np.isfinite(expected).all(), c
        np.testing.assert_allclose(result.trace["channels"][i], expected, atol=2e-5)


def test_rules_go_to_the_engine():
    seen = []

    class Tables(ToyClassifier):
        def value_and_grad(self, batch, target, *, wrt="input", rules="gradient"):
            seen.append(rules)
            return super().value_and_grad(batch, target)

    clf = Tables()
    smoothgrad(clf, clf.photos(1), Target(np.array([0]), "logit"), rules="guided_backprop")
    assert set(seen) == {"guided_backprop"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"base_options": {"steps": 3}}, 'base "gradient" takes no base_options, steps given'),
        (
            {"base": "blur_ig", "base_options": {"baseline": "black"}},
            'base "blur_ig" of smoothgrad has no option "baseline"',
        ),
        (
            {"base": "guided_ig", "base_options": {"step": 3}},
            'has no option "step"; did you mean steps',
        ),
        ({"base": "guided_ig", "base_options": {"steps": 0}}, "smoothgrad: steps is 0"),
        ({"base": "guided_ig", "base_options": "x"}, "base_options is 'x'; expected names"),
        ({"base": "guided_ig", "rules": "deconvnet"}, "a path integrates gradients"),
        ({"seed": [1, 2]}, "2 seeds for 1 images"),
    ],
)
def test_options(options, text):
    clf = ToyClassifier()
    with pytest.raises(OptionError, match=text):
        smoothgrad(clf, clf.photos(1), Target(np.array([0]), "logit"), **options)


def test_registry_lines():
    for name, function in ALL.items():
        assert METHODS[name].load() is function
        assert METHODS[name].kind == "logit"
