"""The scaffold of methods: counts, checks, refusals; and composers on the analytic classifier."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal import kernels
from pysal.compose import Masked
from pysal.errors import CapabilityError
from pysal.types import Noise, Passes, Target
from pysal.work import SWEEP, Work


@pytest.fixture
def clf() -> ToyClassifier:
    return ToyClassifier(size=8)


@pytest.fixture
def work(clf: ToyClassifier) -> Work:
    batch = clf.photos(3)
    return Work(clf, batch, clf.top(batch), "test")


def test_what_is_reported_is_what_was_made(clf: ToyClassifier, work: Work) -> None:
    work.score()
    work.score()  # known by now
    work.value_and_grad(work.x)
    work.activations(["logits"])
    work.score_composed(lambda image, first, out: out.fill(0.1 * image), 5)
    list(work.sweep(lambda image, first, number: np.zeros((number, 3, 8, 8), np.float32), 20))
    assert work.passes == clf.passes
    result = work.finish(np.ones((3, 2, 2)), {"a": 1})
    assert result.passes == clf.passes == Passes(3 + 3 + 3 + 15 + 60, 3 + 60)
    assert result.map.shape == (3, 8, 8)
    assert (result.method, result.options) == ("test", {"a": 1})


def test_a_gradient_brings_the_score(clf: ToyClassifier, work: Work) -> None:
    value, _ = work.value_and_grad(work.x)
    np.testing.assert_array_equal(work.score(), value)
    assert clf.passes == Passes(3, 3)


def test_the_score_of_another_space_is_not_taken(clf: ToyClassifier, work: Work) -> None:
    value, _ = work.value_and_grad(work.x, kind="logit")
    assert not np.allclose(work.score(), value)


def test_sweep_gives_every_point_once_and_in_order(work: Work) -> None:
    count = 2 * SWEEP + 3

    def points(image: int, first: int, number: int) -> np.ndarray:
        steps = np.arange(first, first + number, dtype=np.float32).reshape(-1, 1, 1, 1)
        return steps / count * work.batch[image]

    seen = [
        (image, first + k, float(values[k]))
        for image, first, values, _ in work.sweep(points, count)
        for k in range(len(values))
    ]
    assert [s[:2] for s in seen] == [(i, k) for i in range(3) for k in range(count)]
    for image, k, value in seen[:: count // 2]:
        alone = work.clf.score(points(image, k, 1))[0, work.target.index[image]]
        assert value == pytest.approx(alone)


@pytest.mark.parametrize("count", [1, 7, 70])
def test_composed_scores_do_not_depend_on_chunks(work: Work, count: int) -> None:
    masks = np.random.default_rng(3).uniform(size=(3, count, 4, 4)).astype(np.float32)
    baseline = np.zeros_like(work.batch)
    noise = Noise(np.full(3, 0.1, np.float32), np.arange(3, dtype=np.uint64))
    found = work.score_composed(Masked(work.x, baseline, masks, noise), count)
    composed = kernels.blend(work.batch, baseline, masks, noise=noise)
    for i in range(3):
        expected = work.clf.score(composed[i])[:, work.target.index[i]]
        np.testing.assert_array_equal(found[i], expected)


def test_bad_numbers_name_their_image(clf: ToyClassifier, work: Work) -> None:
    def compose(image: int, first: int, out: np.ndarray) -> None:
        out[:] = np.nan if image == 1 else 0

    with pytest.raises(CapabilityError, match="perturbed version of image 1 is NaN"):
        work.score_composed(compose, 2)
    with pytest.raises(CapabilityError, match="map of image 2 is NaN"):
        work.finish(np.array([0, 1, np.nan]).reshape(3, 1, 1), {})


def test_a_class_that_the_model_does_not_see_is_said(clf: ToyClassifier) -> None:
    clf = ToyClassifier(size=8, gain=20)
    batch = clf.photos(2)
    worst = Target(clf.score(batch).argmin(axis=1))
    for kind in ("probability", "logit"):
        with pytest.warns(UserWarning, match="probability below 0.01"):
            Work(clf, batch, Target(worst.index, kind), "test").score()


def test_no_images(clf: ToyClassifier) -> None:
    work = Work(clf, clf.photos(0), Target(np.empty(0, np.int64)), "test")
    assert work.score().shape == (0,)
    assert len(work.finish(np.empty((0, 2, 2)), {}).map) == 0


def test_scores_at_other_inputs(work: Work) -> None:
    images = np.array([2, 0])
    found = work.score_at(0.5 * work.x[images], images)
    expected = work.clf.score(0.5 * work.batch[images])[[0, 1], work.target.index[images]]
    np.testing.assert_array_equal(found, expected)
    assert work.passes == Passes(2, 0)
    with pytest.raises(CapabilityError, match="score of image 2 is NaN"):
        work.score_at(np.nan * work.x[images], images)
