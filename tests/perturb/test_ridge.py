from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.perturb.ridge import ridge


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 999),
    samples=st.integers(1, 40),
    features=st.integers(1, 12),
    alpha=st.sampled_from([1e-3, 1.0, 50.0]),
)
def test_no_other_model_has_a_smaller_objective(seed, samples, features, alpha):
    """The gradient of the objective is zero, and it is convex."""
    rng = np.random.default_rng(seed)
    rows = rng.random((samples, features)) < 0.5
    values, weights = rng.normal(size=samples), rng.uniform(0.1, 2, samples)
    fit = ridge(rows, values, weights, alpha)
    residual = values - rows @ fit.coefficients - fit.intercept
    slope = alpha * fit.coefficients - rows.T.astype(float) @ (weights * residual)
    np.testing.assert_allclose(slope, 0, atol=1e-9)
    np.testing.assert_allclose(weights @ residual, 0, atol=1e-9)
    assert fit.r2 <= 1 or np.isnan(fit.r2)


def test_errors_are_those_of_repeated_experiments():
    """Rows and noise of unequal size drawn anew, 400 times."""
    rng = np.random.default_rng(0)
    truth, found, told = np.array([1.0, -0.5, 0.0, 2.0]), [], []
    for _ in range(400):
        rows = rng.random((120, 4)) < 0.5
        noise = rng.normal(size=120) * (0.2 + rows[:, 0])
        weights = np.where(rows[:, 1], 2.0, 0.5)
        fit = ridge(rows, rows @ truth + noise + 3, weights, 1e-6)
        found.append(fit.coefficients)
        told.append(fit.errors)
    np.testing.assert_allclose(np.mean(found, axis=0), truth, atol=0.05)
    np.testing.assert_allclose(np.mean(told, axis=0) / np.std(found, axis=0), 1, atol=0.12)


def test_values_that_do_not_vary():
    fit = ridge(np.eye(3), np.full(3, 0.4), np.ones(3), 1.0)
    assert not fit.coefficients.any()
    assert fit.intercept == 0.4
    assert np.isnan(fit.r2)


def test_one_row():
    fit = ridge(np.ones((1, 3)), np.array([0.7]), np.ones(1), 1.0)
    assert not fit.coefficients.any()
    assert np.isnan(fit.errors).all()
