"""The mu-lasso: the projection's properties, and solutions by their optimality conditions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.features.lasso import mu_lasso
from pysal.features.moments import BLOCK, Rows
from pysal.features.spectral import project_l1, spectral_gradient


def exact(problem, mu):
    return mu_lasso(problem, mu)


def gradient(problem, mu):
    return spectral_gradient(problem, mu, tolerance=1e-12, least_move=1e-12, max_steps=20000)


BOTH = pytest.mark.parametrize("solve", [exact, gradient])


def bisected(v, radius):
    """Projection by bisection on the threshold."""
    if np.abs(v).sum() <= radius:
        return v
    low, high = 0.0, np.abs(v).max()
    for _ in range(60):
        middle = (low + high) / 2
        inside = np.maximum(np.abs(v) - middle, 0).sum() < radius
        low, high = (low, middle) if inside else (middle, high)
    return np.sign(v) * np.maximum(np.abs(v) - high, 0)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 9999),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 12)),
    radius=st.floats(1e-3, 20),
    coarse=st.booleans(),
)
def test_projection(seed, shape, radius, coarse):
    """Nearest point of the ball: by bisection, by feasibility, and by the obtuse angle."""
    rng = np.random.default_rng(seed)
    points = rng.integers(-3, 4, shape).astype(float) if coarse else 3 * rng.normal(size=shape)
    found = project_l1(points, radius)
    sizes = np.abs(found).sum(axis=1)
    assert (sizes <= radius * (1 + 1e-12)).all()
    for point, near in zip(points, found, strict=True):
        np.testing.assert_allclose(near, bisected(point, radius), atol=1e-9)
        corners = radius * np.concatenate([np.eye(len(point)), -np.eye(len(point))])
        assert ((corners - near) @ (point - near)).max() <= 1e-9 * (
            1 + np.abs(point).max() * radius
        )
    np.testing.assert_allclose(project_l1(found, radius), found, atol=1e-12)
    inside = np.abs(points).sum(axis=1) <= radius
    np.testing.assert_array_equal(found[inside], points[inside])
    for row in range(len(points)):
        np.testing.assert_array_equal(project_l1(points[row : row + 1], radius)[0], found[row])


def problems(seed=0, rows=60, width=40, classes=4):
    """Descriptors of unit length, and labels that a few features predict."""
    rng = np.random.default_rng(seed)
    x = np.abs(rng.normal(size=(rows, width))) ** 3 * (rng.uniform(size=(rows, width)) < 0.4)
    label = rng.integers(0, classes, rows)
    x[np.arange(rows), label] += 2
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    return x, np.eye(classes)[label]


def collected(x, labels, step=7):
    rows = Rows(x.shape[1], labels.shape[1])
    for first in range(0, len(x), step):
        rows.add(x[first : first + step], labels[first : first + step])
    return rows.finish()


def accelerated(x, label, mu, steps=30000):
    """Another solver: projected gradient with momentum and a fixed step, in plain numpy."""
    x = x.astype(float)
    step = 1 / (2 * np.linalg.norm(x, 2) ** 2)
    w = y = np.zeros(x.shape[1])
    t = 1.0
    for _ in range(steps):
        new = bisected(y - step * 2 * x.T @ (x @ y - label), mu)
        after = (1 + np.sqrt(1 + 4 * t * t)) / 2
        if (y - new) @ (new - w) > 0:  # start the momentum anew
            after = 1.0
        still = np.abs(new - w).max() < 1e-12
        y, w, t = new + (t - 1) / after * (new - w), new, after
        if still:
            break
    return w


@BOTH
@pytest.mark.parametrize("mu", [0.5, 2, 10])
@pytest.mark.parametrize(("rows", "width"), [(30, 12), (20, 40)])
def test_objective_is_that_of_another_solver(solve, mu, rows, width):
    x, labels = problems(1, rows, width, 2)
    found = solve(collected(x, labels), mu)
    for k in range(2):
        other = accelerated(x, labels[:, k], mu, 4000)
        value = np.square(x.astype(float) @ other - labels[:, k]).sum()
        np.testing.assert_allclose(found.objective[k], value, atol=1e-7)
        assert found.objective[k] <= value + 1e-9


@BOTH
@pytest.mark.parametrize("mu", [0.5, 2, 10])
@pytest.mark.parametrize("width", [25, 200])
def test_conditions_of_the_optimum(solve, mu, width):
    """On the ball's surface the gradient is -lambda sign(w) where w is not 0, smaller elsewhere."""
    x, labels = problems(2, 80, width)
    found = solve(collected(x, labels), mu)
    for k, w in enumerate(found.weights):
        slope = 2 * x.T.astype(float) @ (x.astype(float) @ w - labels[:, k])
        size = np.abs(w).sum()
        assert size <= mu * (1 + 1e-9)
        force = np.abs(slope).max()
        if size < mu * (1 - 1e-6):
            assert force < 1e-4
        used = w != 0
        np.testing.assert_allclose(slope[used], -np.sign(w[used]) * force, atol=1e-4 * (1 + force))
        value = np.square(x.astype(float) @ w - labels[:, k]).sum()
        np.testing.assert_allclose(found.objective[k], value, atol=1e-9)
        np.testing.assert_allclose(
            found.gap[k], (slope @ w + mu * force) / max(value, 1), atol=1e-9
        )
        assert found.gap[k] < 1e-5


def test_gap_bounds_the_error():
    x, labels = problems(3)
    best = exact(collected(x, labels), 10)
    for tolerance in (1e-1, 1e-2, 1e-4):
        found = spectral_gradient(collected(x, labels), 10, tolerance=tolerance, least_move=0)
        assert (found.gap < tolerance).all()
        excess = found.objective - best.objective
        assert (excess >= -1e-9).all()
        assert (excess <= found.gap * np.maximum(found.objective, 1) + 1e-9).all()


@BOTH
def test_unit_matrix_is_the_projection(solve):
    labels = np.random.default_rng(0).normal(size=(6, 3))
    found = solve(collected(np.eye(6), labels), 1.5)
    np.testing.assert_allclose(found.weights, project_l1(labels.T, 1.5), atol=1e-9)


@pytest.mark.parametrize("solver", ["active_sets", "spectral_gradient"])
def test_all_at_once_is_one_by_one(solver):
    """Per-problem steps: neighbours change a solution by rounding only."""
    x, labels = problems(4, 50, 70, 5)
    together = mu_lasso(collected(x, labels), 5, solver=solver)
    for k in range(5):
        alone = mu_lasso(collected(x, labels[:, k : k + 1]), 5, solver=solver)
        assert alone.steps[0] == together.steps[k]
        np.testing.assert_allclose(alone.weights[0], together.weights[k], atol=1e-8)


def test_either_form_of_the_matrix_gives_the_same():
    """More rows than features: X^T X is kept instead of X; batches change nothing at all."""
    x, labels = problems(5, 2 * BLOCK + 50, 30)
    gram, dense = collected(x, labels), collected(x[:20], labels[:20])
    assert gram.is_gram
    assert not dense.is_gram
    assert (gram.matrix.shape, dense.matrix.shape) == ((30, 30), (20, 30))
    weights = np.random.default_rng(0).normal(size=(2, 30))
    exact = x.astype(float)
    np.testing.assert_allclose(gram.product(weights), weights @ (exact.T @ exact), rtol=1e-10)
    np.testing.assert_allclose(gram.correlation, labels.T @ exact, rtol=1e-10)
    np.testing.assert_allclose(gram.squared, (labels**2).sum(axis=0))
    expected = weights @ (exact[:20].T @ exact[:20])
    np.testing.assert_allclose(dense.product(weights), expected, rtol=1e-10)
    for step in (1, 100, 5000):
        again = collected(x, labels, step)
        np.testing.assert_array_equal(again.matrix, gram.matrix)
        np.testing.assert_array_equal(again.correlation, gram.correlation)


@BOTH
def test_a_class_without_images_has_no_features(solve):
    x, labels = problems(6)
    labels[:, 1] = 0
    found = solve(collected(x, labels), 10)
    assert (found.weights[1] == 0).all()
    assert (found.objective[1], found.gap[1], found.steps[1]) == (0, 0, 0)
    assert (found.weights[0] != 0).any()


@BOTH
def test_no_rows_and_no_signal(solve):
    empty = solve(collected(np.zeros((0, 3)), np.zeros((0, 2))), 1)
    assert (empty.weights == 0).all()
    silent = solve(collected(np.zeros((4, 3)), np.ones((4, 1))), 1)
    assert (silent.weights == 0).all()
    assert silent.objective == 4


@pytest.mark.parametrize("solver", ["active_sets", "spectral_gradient"])
def test_stopping_early_is_said_aloud(solver):
    x, labels = problems(7, 80, 200)
    with pytest.warns(UserWarning, match=r"of 4 classes are not solved, with a relative"):
        found = mu_lasso(collected(x, labels), 10, solver=solver, max_steps=2)
    assert found.steps.max() == 2
    assert np.abs(found.weights).sum(axis=1).max() <= 10 * (1 + 1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 9999),
    rows=st.integers(1, 12),
    width=st.integers(1, 12),
    mu=st.floats(0.01, 100),
    twins=st.booleans(),
    whole=st.booleans(),
)
def test_exact_solutions_have_no_gap(seed, rows, width, mu, twins, whole):
    """Also where columns are equal, opposite or zero, and where the bound does not matter."""
    rng = np.random.default_rng(seed)
    x = (
        rng.integers(-2, 3, (rows, width)).astype(float)
        if whole
        else rng.normal(size=(rows, width))
    )
    if twins:
        x = np.concatenate([x, x, -x, x + 1e-6 * rng.normal(size=x.shape)], axis=1)
    labels = rng.integers(0, 2, (rows, 2)).astype(float)
    found = exact(collected(x, labels), mu)
    assert (found.gap < 1e-6).all()
    assert (np.abs(found.weights).sum(axis=1) <= mu * (1 + 1e-9)).all()
    other = spectral_gradient(collected(x, labels), mu, max_steps=300)
    assert (found.objective <= other.objective + 1e-6).all()
