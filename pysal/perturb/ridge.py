"""Weighted ridge regression in closed form, with the errors that random rows leave."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Fit:
    """A linear model of values from rows.

    Attributes
    ----------
    coefficients, errors : ndarray of shape (S,)
        Coefficients and their standard errors; NaN where there are too few rows for these.
    intercept : float
    r2 : float
        Weighted share of the variance that the model explains; NaN where there is none.
    """

    coefficients: Floats
    errors: Floats
    intercept: float
    r2: float


def ridge(rows: NDArray[np.generic], values: Floats, weights: Floats, alpha: float) -> Fit:
    """Minimize sum_i w_i (y_i - x_i a - c)^2 + alpha |a|^2; the intercept c is not penalized.

    Parameters
    ----------
    rows : ndarray of shape (V, S)
        x_i.
    values, weights : ndarray of shape (V,)
        y_i, and w_i from 0 on, not all 0.
    alpha : float > 0

    Returns
    -------
    Fit

    Notes
    -----
    With weighted means taken off and A = X^T W X + alpha I, a = A^-1 X^T W y. Weights are those of
    a kernel and not inverse variances, so the errors are robust ones: the squares are the diagonal
    of A^-1 (sum_i w_i^2 e_i^2 x_i x_i^T) A^-1 with residuals e_i, times V / (V - d) for
    d = 1 + trace(A^-1 X^T W X) parameters. They tell how much another draw of the rows would change
    a, given alpha.

    References
    ----------
    .. [1] MacKinnon, White: Some heteroskedasticity-consistent covariance matrix estimators with
       improved finite sample properties. Journal of Econometrics 29, 1985: HC1.
    """
    x = rows.astype(np.float64)
    y = values - values[0]  # zeros, exactly, where values do not vary
    total = weights.sum()
    mean_x, mean_y = weights @ x / total, float(weights @ y / total)
    x, y = x - mean_x, y - mean_y
    gram = (x * weights[:, None]).T @ x
    inverse = np.linalg.inv(gram + alpha * np.eye(len(mean_x)))
    coefficients: Floats = inverse @ (x.T @ (weights * y))
    residual = y - x @ coefficients
    scores = inverse @ (x * (weights * residual)[:, None]).T
    freedom = len(y) - 1 - np.trace(inverse @ gram)
    errors = np.sqrt((scores * scores).sum(axis=1) * (len(y) / freedom if freedom > 0 else np.nan))
    spread = float(weights @ (y * y))
    r2 = 1 - float(weights @ (residual * residual)) / spread if spread > 0 else float("nan")
    intercept = float(values[0] + mean_y - mean_x @ coefficients)
    return Fit(coefficients, errors, intercept, r2)
