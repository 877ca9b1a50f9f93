"""Penalties against finite differences and loops, descents, and the quadrature."""

from __future__ import annotations

import numpy as np
import pytest

from pysal.optim import L1, TV, Momentum, Steepest, Sum, quadrature

MASKS = np.random.default_rng(0).uniform(0.1, 0.9, (2, 4, 5)).astype(np.float32)
ROWS = np.arange(2)


@pytest.mark.parametrize(
    "term",
    [L1(2.0), L1(np.array([1.0, 3.0])), TV(5.0), TV(np.array([1.0, 3.0])), Sum((L1(1.0), TV(2.0)))],
    ids=["l1", "l1-each", "tv", "tv-each", "sum"],
)
def test_gradient_is_that_of_the_value(term):
    step = np.random.default_rng(1).normal(size=MASKS.shape).astype(np.float32) * 1e-2
    ahead, behind = (term.value((MASKS + s)[:, None], ROWS)[:, 0] for s in (step, -step))
    slope = (term.grad(MASKS) * step).sum(axis=(1, 2))
    np.testing.assert_allclose((ahead - behind) / 2, slope, rtol=1e-3, atol=1e-6)


def test_values_by_loops():
    mask = MASKS[0].astype(np.float64)
    down = np.mean([(mask[i + 1, j] - mask[i, j]) ** 2 for i in range(3) for j in range(5)])
    right = np.mean([(mask[i, j + 1] - mask[i, j]) ** 2 for i in range(4) for j in range(4)])
    assert TV(20.0).value(MASKS[:1, None], ROWS[:1])[0, 0] == pytest.approx(20 * (down + right))
    assert L1(3.0).value(MASKS[:1, None], ROWS[:1])[0, 0] == pytest.approx(3 * (1 - mask).mean())


def test_subgradient_of_l1_at_one_is_zero():
    mask = np.ones((1, 2, 2), np.float32)
    mask[0, 0, 0] = 0.5
    np.testing.assert_allclose(L1(4.0).grad(mask), [[[-1, 0], [0, 0]]])


def test_weights_follow_their_images():
    term = Sum((L1(np.array([1.0, 5.0])),))
    one = L1(1.0).value(MASKS[1:, None], ROWS[:1])
    np.testing.assert_allclose(term.value(MASKS[1:, None], ROWS[1:]), 5 * one)


def test_empty_sum_is_zero():
    assert not Sum().value(MASKS[:, None], ROWS).any()
    assert not Sum().grad(MASKS).any()


def test_single_cell_has_no_variation():
    cell = np.full((2, 1, 1), 0.3, np.float32)
    assert not TV(20.0).value(cell[:, None], ROWS).any()
    assert not TV(20.0).grad(cell).any()


def test_momentum():
    grad = np.ones((2, 2, 2), np.float32)
    before = grad * np.array([1, -4], np.float32)[:, None, None]
    assert Steepest()(grad, before) is grad
    assert Momentum(0.5)(grad, None) is grad
    move = Momentum(0.5)(grad, before)
    np.testing.assert_array_equal(move[0], 1.5)
    np.testing.assert_array_equal(move[1], 1.0)


def test_quadrature():
    nodes, weights = quadrature("right", 4)
    np.testing.assert_allclose(nodes, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(weights, 0.25)
    nodes, weights = quadrature("gauss-legendre", 4)
    for power in range(8):
        integral = (weights * nodes.astype(float) ** power).sum()
        assert integral == pytest.approx(1 / (power + 1), 1e-6)
