"""The mu-lasso: least squares with a bound on the 1-norm, for many labels at once."""

from __future__ import annotations

import warnings
from typing import Literal

from pysal.features.faces import active_sets
from pysal.features.moments import LeastSquares
from pysal.features.spectral import Solution, spectral_gradient

Solver = Literal["active_sets", "spectral_gradient"]


def mu_lasso(
    problem: LeastSquares,
    mu: float,
    *,
    solver: Solver = "active_sets",
    tolerance: float = 1e-4,
    max_steps: int | None = None,
) -> Solution:
    """Minimize `|| X w_k - l_k ||^2` subject to `|| w_k ||_1 <= mu`, for all k at once.

    Parameters
    ----------
    problem : LeastSquares
    mu : float
    solver : {"active_sets", "spectral_gradient"}
        The paper [1]_ names the spectral gradient. Descriptors of neighbouring layers say nearly
        the same, so that takes thousands of steps, and before its end uses features that the
        minimum does not use. Active sets end at the minimum.
    tolerance : float
        Relative duality gap below which a problem is solved.
    max_steps : int, optional
        Default: 1000 for the spectral gradient [2]_; for active sets more than they need.

    Returns
    -------
    Solution

    Warns
    -----
    UserWarning
        If some problems are not solved.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019, equation 1.
    .. [2] Methods specification 9.1.
    """
    if solver == "active_sets":
        steps = max_steps or 100 + 10 * problem.correlation.shape[1]
        found = active_sets(problem, mu, max_steps=steps)
    else:
        steps = max_steps or 1000
        found = spectral_gradient(problem, mu, tolerance=tolerance, max_steps=steps)
    unsolved = found.gap >= tolerance
    if unsolved.any():
        warnings.warn(
            f"mu-lasso: {unsolved.sum()} of {len(unsolved)} classes are not solved, with a "
            f"relative duality gap of up to {found.gap.max():.1e}; raise max_steps or tolerance",
            stacklevel=3,
        )
    return found
