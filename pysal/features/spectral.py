"""Spectral projected gradient for least squares with a bound on the 1-norm."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from pysal.features.moments import LeastSquares

Floats = NDArray[np.float64]
STEP_RANGE = (1e-10, 1e10)
SUFFICIENT = 1e-4
"""Share of the decrease of the linear model that a step must reach."""
REFRESH = 50
"""Steps after which the product with the matrix is made anew, against the drift of updates."""


@dataclasses.dataclass(frozen=True)
class Solution:
    """Minimizers of all problems.

    Attributes
    ----------
    weights : ndarray of shape (K, m)
    objective : ndarray of shape (K,)
    gap : ndarray of shape (K,)
        Bound on how far the objective is above its minimum, relative to it or to 1.
    steps : ndarray of shape (K,), int
    """

    weights: Floats
    objective: Floats
    gap: Floats
    steps: NDArray[np.int64]


def project_l1(points: NDArray[np.floating], radius: float) -> Floats:
    """Nearest point of the 1-norm ball to every row of points (K, m).

    References
    ----------
    .. [1] Duchi, Shalev-Shwartz, Singer, Chandra, "Efficient Projections onto the l1-Ball for
       Learning in High Dimensions", ICML 2008, Figure 1: soft thresholding, the threshold from
       sorted magnitudes.
    """
    rows: Floats = np.asarray(points, np.float64)
    size = np.abs(rows)
    outside = np.flatnonzero(size.sum(axis=1) > radius)
    out = rows.copy()
    if outside.size:
        far = size[outside]
        falling = -np.sort(-far, axis=1)
        excess = (falling.cumsum(axis=1) - radius) / np.arange(1, rows.shape[1] + 1)
        last = rows.shape[1] - 1 - (falling > excess)[:, ::-1].argmax(axis=1)
        threshold = np.take_along_axis(excess, last[:, None], axis=1)
        out[outside] = np.sign(rows[outside]) * np.maximum(far - threshold, 0)
    return out


def spectral_gradient(
    problem: LeastSquares,
    mu: float,
    *,
    tolerance: float = 1e-4,
    least_move: float = 1e-6,
    max_steps: int = 1000,
    memory: int = 10,
) -> Solution:
    """Minimize `|| X w_k - l_k ||^2` subject to `|| w_k ||_1 <= mu`, for all k at once.

    Parameters
    ----------
    problem : LeastSquares
    mu : float
    tolerance : float
        Relative duality gap below which a problem is solved.
    least_move : float
        A problem is solved, too, where no entry of the projected step is as large as this.
    max_steps : int
    memory : int
        Values of the objective that a step may rise to the largest of.

    Returns
    -------
    Solution

    Notes
    -----
    A step costs one product with X^T X for the problems that are still open: along a direction the
    objective is a parabola whose coefficients that product gives, so the line search and the next
    gradient cost none. The step length is that of Barzilai and Borwein. The gap is
    `<g, w> + mu * max |g|` with the gradient g: the largest decrease that the linear model allows
    within the ball, which bounds that of the convex objective.

    References
    ----------
    .. [1] Birgin, Martinez, Raydan, "Nonmonotone Spectral Projected Gradient Methods on Convex
       Sets", SIAM J. Optim. 2000, Algorithm SPG2.
    .. [2] van den Berg, Friedlander, "Probing the Pareto Frontier for Basis Pursuit Solutions",
       SIAM J. Sci. Comput. 2008.
    """
    count = len(problem.squared)
    weights = np.zeros_like(problem.correlation)
    product = np.zeros_like(weights)
    length = np.ones(count)
    history = np.repeat(problem.squared[:, None], memory, axis=1)
    steps = np.zeros(count, np.int64)
    open_ = np.arange(count)
    for step in range(max_steps + 1):
        if step % REFRESH == REFRESH - 1:
            product[open_] = problem.product(weights[open_])
        slope, value, gap = state(problem, open_, weights, product, mu)
        move = project_l1(weights[open_] - length[open_, None] * slope, mu) - weights[open_]
        left = (gap >= tolerance) & (np.abs(move).max(axis=1, initial=0) >= least_move)
        open_, slope, value, move = open_[left], slope[left], value[left], move[left]
        if not open_.size or step == max_steps:
            break
        change = problem.product(move)
        descent, curvature = dots(slope, move), dots(move, change)
        share = _search(value, history[open_].max(axis=1), descent, curvature)
        weights[open_] += share[:, None] * move
        product[open_] += share[:, None] * change
        history[open_, (step + 1) % memory] = value + share * descent + share**2 * curvature
        flat = curvature <= 0
        fresh = np.where(flat, STEP_RANGE[1], dots(move, move) / np.where(flat, 1, 2 * curvature))
        length[open_] = fresh.clip(*STEP_RANGE)
        steps[open_] += 1
    every = np.arange(count)
    _, value, gap = state(problem, every, weights, problem.product(weights), mu)
    return Solution(weights, value, gap, steps)


def state(
    problem: LeastSquares, rows: NDArray[np.intp], weights: Floats, product: Floats, mu: float
) -> tuple[Floats, Floats, Floats]:
    """Gradient, objective and relative gap of some of the problems."""
    w, half = weights[rows], product[rows] - problem.correlation[rows]
    value = problem.squared[rows] + dots(w, half - problem.correlation[rows])
    value = np.maximum(value, 0)
    gap = 2 * (dots(half, w) + mu * np.abs(half).max(axis=1, initial=0))
    return 2 * half, value, np.maximum(gap, 0) / np.maximum(value, 1)


def _search(value: Floats, highest: Floats, descent: Floats, curvature: Floats) -> Floats:
    """Share of the move that is made: halved until the objective is low enough."""
    share = np.ones_like(value)
    for _ in range(60):
        rise = value + share * descent + share**2 * curvature
        # Rounding alone must not keep a step from being accepted.
        bound = highest + SUFFICIENT * share * descent + 1e-15 * np.abs(highest)
        high = rise > bound
        if not high.any():
            break
        share[high] /= 2
    return share


def dots(a: Floats, b: Floats) -> Floats:
    """Inner products of rows."""
    return np.einsum("km,km->k", a, b)
