"""The driver on a quadratic with a known optimum: parts are interchangeable, images independent."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.optim import L1, TV, Armijo, Fixed, Momentum, Penalty, Steepest, Sum, minimize


@dataclasses.dataclass
class Bowl:
    """`curvature * |M - goal|^2 / 2` per image; counts what is asked."""

    goal: np.ndarray
    curvature: float = 1.0
    values: int = 0
    grads: int = 0

    def value(self, masks, rows):
        self.values += masks.shape[0] * masks.shape[1]
        square = (masks - self.goal[rows, None]) ** 2
        return self.curvature * square.sum(axis=(2, 3), dtype=np.float64) / 2

    def grad(self, masks, step):
        self.grads += len(masks)
        return (self.curvature * (masks - self.goal)).astype(np.float32)


def bowl(count=3, seed=0, **options) -> Bowl:
    goal = np.random.default_rng(seed).uniform(-0.2, 1.2, (count, 4, 5))
    return Bowl(goal.astype(np.float32), **options)


ONES = np.ones((3, 4, 5), np.float32)
SEARCHES = [Fixed(0.3), Armijo(most=8, shrink=0.5), Armijo(most=8, shrink=0.5, warm=True)]
DESCENTS = [Steepest(), Momentum(0.5)]


@pytest.mark.parametrize("search", SEARCHES, ids=["fixed", "armijo", "warm"])
@pytest.mark.parametrize("descent", DESCENTS, ids=["steepest", "momentum"])
def test_reaches_the_clipped_optimum(search, descent):
    term = bowl()
    result = minimize(term, ONES, search=search, descent=descent, steps=60)
    np.testing.assert_allclose(result.mask, np.clip(term.goal, 0, 1), atol=5e-3)
    assert result.loss.shape == (3, 61)
    assert result.step.shape == (3, 60)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    factor=st.sampled_from([0.0, 0.5, 0.9]),
    warm=st.booleans(),
    curvature=st.sampled_from([0.1, 1.0, 30.0]),
)
def test_armijo_never_raises_the_objective(seed, factor, warm, curvature):
    term = bowl(seed=seed, curvature=curvature)
    search = Armijo(most=50, least=1e-6, warm=warm)
    penalty = Sum((L1(0.3), TV(2.0)))
    descent = Momentum(factor) if factor else Steepest()
    result = minimize(term, ONES, search=search, descent=descent, penalty=penalty, steps=12)
    tested = result.step >= search.least
    assert (np.diff(result.loss)[tested] <= 0).all()
    assert ((result.mask >= 0) & (result.mask <= 1)).all()


@pytest.mark.parametrize("warm", [False, True])
def test_chunks_change_the_cost_only(warm):
    results = []
    for chunk in (1, 2, 5, 100):
        term = bowl(curvature=7.0)
        search = Armijo(most=100, shrink=0.4, chunk=chunk, warm=warm)
        results.append((minimize(term, ONES, search=search, steps=8), term.values))
    for result, _ in results[1:]:
        np.testing.assert_array_equal(result.mask, results[0][0].mask)
        np.testing.assert_array_equal(result.step, results[0][0].step)
        np.testing.assert_array_equal(result.loss, results[0][0].loss)
    assert [cost for _, cost in results] == sorted(cost for _, cost in results)


def test_a_batch_is_its_images():
    term = bowl()
    search = Armijo(most=20, shrink=0.3)
    together = minimize(term, ONES, search=search, descent=Momentum(0.4), steps=6)
    for i in range(3):
        one = Bowl(term.goal[i : i + 1])
        alone = minimize(one, ONES[:1], search=search, descent=Momentum(0.4), steps=6)
        np.testing.assert_array_equal(alone.mask[0], together.mask[i])
        np.testing.assert_array_equal(alone.loss[0], together.loss[i])


def test_known_start_is_not_evaluated_again():
    term = bowl()
    start = term.value(ONES[:, None], np.arange(3))[:, 0]
    term.values = 0
    result = minimize(term, ONES, search=Fixed(0.1), steps=5, start=start)
    assert (term.values, term.grads) == (15, 15)
    again = minimize(bowl(), ONES, search=Fixed(0.1), steps=5)
    np.testing.assert_array_equal(result.loss, again.loss)


def test_known_objective_is_that_of_the_mask():
    term = bowl()
    penalty = Sum((L1(0.5), TV(3.0)))
    result = minimize(term, ONES, search=Armijo(most=10), penalty=penalty, steps=4)
    rows = np.arange(3)
    masks = result.mask[:, None]
    expected = (term.value(masks, rows) + penalty.value(masks, rows))[:, 0]
    np.testing.assert_array_equal(result.loss[:, -1], expected)


def test_schedule_changes_the_penalty_per_image():
    seen = []

    def schedule(step: int, penalty: Penalty, change: np.ndarray) -> Penalty:
        seen.append((step, change.copy()))
        return Sum((L1(np.array([0.0, 0.0, 50.0])),)) if step == 2 else penalty

    term = Bowl(np.full((3, 4, 5), 0.5, np.float32))
    result = minimize(term, ONES, search=Fixed(0.5), steps=30, schedule=schedule)
    assert [step for step, _ in seen] == list(range(30))
    assert (seen[0][1] == 0).all()
    np.testing.assert_allclose(result.mask[:2], 0.5, atol=1e-3)
    # Pulled to 1, where the subgradient is 0: it swings between there and one step below.
    assert result.mask[2].min() >= 0.75


def test_progress_counts_steps():
    calls: list[int] = []
    minimize(bowl(), ONES, search=Fixed(0.1), steps=3, progress=calls.append)
    assert calls == [1, 2, 3]


def test_no_images():
    result = minimize(Bowl(ONES[:0]), ONES[:0], search=Armijo(), steps=2)
    assert result.mask.shape == (0, 4, 5)
    assert result.loss.shape == (0, 3)


def test_later_terms_replace_the_first_and_are_evaluated_anew():
    """Two bowls: the second from step 3 on; what is known of the first does not count for it."""
    first, second = bowl(seed=1), bowl(seed=2)
    search = Armijo(most=8, shrink=0.5)
    result = minimize(first, ONES, search=search, steps=40, later={3: second})
    np.testing.assert_allclose(result.mask, np.clip(second.goal, 0, 1), atol=5e-3)
    assert (first.grads, second.grads) == (9, 37 * 3)
    alone = minimize(bowl(seed=1), ONES, search=search, steps=3)
    np.testing.assert_array_equal(result.loss[:, :4], alone.loss)
    again = minimize(bowl(seed=2), alone.mask, search=search, steps=37)
    np.testing.assert_array_equal(result.mask, again.mask)
    np.testing.assert_array_equal(result.loss[:, 4:], again.loss[:, 1:])


def test_later_terms_cost_one_evaluation_per_image():
    first, second = bowl(), bowl()
    minimize(first, ONES, search=Fixed(0.1), steps=5, later={2: second})
    assert (first.values, second.values) == (3 + 2 * 3, 3 + 3 * 3)
