"""I-GOS on the analytic classifier: rule, cost, repeatability, options."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_igos import naive_igos
from toy import ToyClassifier

from pysal.baselines import make_baseline
from pysal.errors import CapabilityError, PysalError
from pysal.maskopt import groups
from pysal.methods import METHODS
from pysal.methods.igos import igos
from pysal.types import Passes, Target

QUICK = {"size": 6, "iterations": 5, "steps": 4, "l1": 0.1, "l2": 0.2}


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def photos(clf):
    return clf.photos(5)


def test_shapes_and_ranges(clf, photos):
    result = igos(clf, photos, clf.top(photos), **{**QUICK, "size": (5, 7)})
    assert result.native.shape == (5, 5, 7)
    assert result.map.shape == (5, 16, 16)
    assert result.native.dtype == result.map.dtype == np.float32
    assert ((result.native >= 0) & (result.native <= 1)).all()
    assert result.trace["loss"].shape == result.trace["score"].shape == (5, 6)
    assert result.trace["step"].shape == (5, 5)
    np.testing.assert_allclose(result.map[:, ::15, ::15], result.native[:, ::4, ::6], atol=1e-6)
    scores = clf.score(photos)[np.arange(5), result.target.index]
    np.testing.assert_array_equal(result.score, scores)
    np.testing.assert_array_equal(result.trace["loss"][:, 0], scores)


def test_finds_where_the_class_looks(clf, photos):
    result = igos(clf, photos, clf.top(photos), size=8, l1=0.1, l2=0.2)
    assert (result.trace["score"][:, -1] < 0.7 * result.score).all()
    for image, c in enumerate(result.target.index):
        evidence = (photos[image] * clf.linear[c]).sum(0)
        inside = evidence > np.quantile(evidence, 0.9)
        saliency = result.map[image]
        assert saliency[inside].mean() > 2 * saliency[~inside].mean()


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 99),
    size=st.integers(1, 16),
    kind=st.sampled_from(["probability", "logit"]),
    momentum=st.sampled_from([0.0, 0.5]),
    preset=st.sampled_from(["published", "fast"]),
)
def test_armijo_rule_without_noise(seed, size, kind, momentum, preset):
    clf = ToyClassifier(seed=seed)
    photos = clf.photos(3, seed)
    options = {"size": size, "momentum": momentum, "preset": preset, "noise": "off"}
    result = igos(clf, photos, clf.top(photos, kind), **options)
    assert ((result.native >= 0) & (result.native <= 1)).all()
    tested = result.trace["step"] >= result.options["step_min"]
    assert (np.diff(result.trace["loss"])[tested] <= 0).all()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"noise": "off"},
        {"noise": "legacy", "l1_schedule": True},
        {"search": "fixed", "step_size": 3.0},
        {"momentum": 0.6, "warm_start": True, "chunk": 3},
        {"nodes": "gauss-legendre", "l2": 0},
        {"preset": "fast"},
        {"baseline": "noise"},
    ],
    ids=lambda o: "-".join(map(str, o)) or "default",
)
class TestEveryVariant:
    def run(self, clf, batch, options, **more):
        extra = {"size": 6} if "preset" in options else QUICK
        return igos(clf, batch, clf.top(batch), **{**extra, **options, **more})

    def test_passes_are_those_counted(self, clf, photos, options):
        clf.passes = Passes()
        result = self.run(clf, photos, options)
        assert result.passes == clf.passes
        assert result.passes.backward == 5 * result.options["iterations"] * result.options["steps"]

    def test_batch_is_its_images(self, clf, photos, options):
        together = self.run(clf, photos, options)
        for i in range(5):
            alone = self.run(clf, photos[i : i + 1], options)
            np.testing.assert_array_equal(alone.native[0], together.native[i])
            np.testing.assert_array_equal(alone.trace["loss"][0], together.trace["loss"][i])

    def test_same_seed_same_map(self, clf, photos, options):
        first, second = (self.run(clf, photos, options, seed=7) for _ in range(2))
        np.testing.assert_array_equal(first.native, second.native)


def test_groups_change_nothing(clf, photos, monkeypatch):
    whole = igos(clf, photos, clf.top(photos), **QUICK)
    monkeypatch.setattr(groups, "GROUP", 2)
    calls = []
    parts = igos(clf, photos, clf.top(photos), progress=lambda *c: calls.append(c), **QUICK)
    np.testing.assert_array_equal(whole.native, parts.native)
    assert whole.passes == parts.passes
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert calls[-1] == (25, 25)


def test_seed_matters_and_may_differ_per_image(clf, photos):
    target = clf.top(photos)
    one, two = (igos(clf, photos, target, seed=s, **QUICK).native for s in (1, 2))
    assert not np.array_equal(one, two)
    mixed = igos(clf, photos, target, seed=[1, 2, 1, 2, 2], **QUICK).native
    for image, seed in enumerate([1, 2, 1, 2, 2]):
        np.testing.assert_array_equal(mixed[image], (one, two)[seed - 1][image])


def test_chunk_changes_the_cost_only(clf, photos):
    results = [igos(clf, photos, clf.top(photos), chunk=c, **QUICK) for c in (1, 4, 12)]
    for result in results[1:]:
        np.testing.assert_array_equal(result.native, results[0].native)
    costs = [r.passes.forward for r in results]
    assert costs == sorted(costs)


def test_follows_the_naive_implementation(clf, photos):
    """Same rule, written twice: 15 iterations on the analytic classifier, in torch's autograd."""
    linear, quadratic = (torch.from_numpy(a) for a in (clf.linear, clf.quadratic))

    class Logits(torch.nn.Module):
        def forward(self, x):
            return (linear * x[:, None] + quadratic * x[:, None] ** 2 / 2).sum(dim=(2, 3, 4))

    baseline = make_baseline("blur", photos, clf.preprocess)
    target = clf.top(photos)
    weights = {"l1": 0.1, "l2": 0.2}
    result = igos(clf, photos, target, size=8, noise="off", **weights)
    for i in range(len(photos)):
        image, fill = (torch.from_numpy(a[i : i + 1]).double() for a in (photos, baseline))
        mask, trace = naive_igos(Logits(), image, fill, int(target.index[i]), size=8, **weights)
        np.testing.assert_allclose(1 - result.native[i], mask[0, 0], atol=1e-3)
        losses = np.array(trace.losses)
        known = np.isfinite(losses)
        np.testing.assert_allclose(result.trace["loss"][i, known], losses[known], atol=1e-4)


def test_l1_schedule_frees_stuck_images(clf, photos):
    """Nothing pays at such a weight of l1, until it is divided at half and at 80 %."""
    options = {"size": 6, "iterations": 10, "steps": 4, "noise": "off", "l1": 5.0, "l2": 0.1}
    plain = igos(clf, photos, clf.top(photos), **options)
    freed = igos(clf, photos, clf.top(photos), l1_schedule=True, **options)
    np.testing.assert_array_equal(freed.trace["loss"][:, :6], plain.trace["loss"][:, :6])
    stuck = np.abs(plain.trace["score"][:, 5] - plain.score) <= 1e-3
    assert stuck.any()
    assert (freed.native.mean(axis=(1, 2)) >= plain.native.mean(axis=(1, 2)))[stuck].all()
    assert not np.array_equal(freed.native[stuck], plain.native[stuck])


def test_low_probability_warns(clf, photos):
    worst = Target(clf.score(photos * 3).argmin(axis=1))
    with pytest.warns(UserWarning, match=r"below 0.01"):
        igos(clf, photos * 3, worst, **QUICK)
    with pytest.warns(UserWarning, match=r"below 0.01"):
        igos(clf, photos * 3, Target(worst.index, "logit"), **QUICK)


class Broken(ToyClassifier):
    """Gives NaN for one image, in the scores, or in the gradient only."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.calls = where, 0

    def score(self, batch, kind="probability"):
        self.calls += 1
        scores = super().score(batch, kind)
        # The first call is on the images themselves; then each call is one image.
        first, later = self.where == "first", self.where == "later"
        if (first and self.calls == 1) or (later and self.calls == 4):
            scores[-1] = np.nan
        return scores

    def value_and_grad(self, batch, target, **options):
        value, grad = super().value_and_grad(batch, target, **options)
        self.calls += self.where == "gradient"
        if self.where == "gradient" and self.calls == 3:
            grad[0, 0, 0, 0] = np.inf
        return value, grad


@pytest.mark.parametrize(("where", "image"), [("first", 2), ("later", 2), ("gradient", 1)])
def test_bad_numbers_are_an_error(where, image):
    clf = Broken(where)
    photos = clf.photos(3)
    with pytest.raises(CapabilityError, match=f"image {image} is NaN or infinite"):
        igos(clf, photos, clf.top(photos), **QUICK)


def test_no_images(clf):
    result = igos(clf, clf.photos(0), Target(np.zeros(0, np.int64)), **QUICK)
    assert result.native.shape == (0, 6, 6)
    assert result.map.shape == (0, 16, 16)
    assert result.trace["loss"].shape == (0, 6)
    assert result.passes == Passes()


def test_one_channel():
    clf = ToyClassifier(channels=1)
    photos = clf.photos(2)
    assert np.isfinite(igos(clf, photos, clf.top(photos), **QUICK).native).all()


def test_needs_a_gradient(clf, photos, monkeypatch):
    monkeypatch.delattr(ToyClassifier, "value_and_grad")
    with pytest.raises(PysalError, match="no gradients"):
        igos(clf, photos, Target(np.zeros(5, int)), **QUICK)


def test_registry_line():
    assert METHODS["igos"].load() is igos
    assert METHODS["igos"].needs == {"grad"}
