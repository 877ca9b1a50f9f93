"""Quadrature on the path from the baseline to the image."""

from __future__ import annotations

import numpy as np

from pysal.types import Array


def quadrature(kind: str, steps: int) -> tuple[Array, Array]:
    """Nodes in (0, 1] and their weights, which sum to 1; each of shape (steps,), float32.

    Parameters
    ----------
    kind : {"right", "gauss-legendre"}
        Right-hand points s / steps of equal weight, as in Riemann sums of integrated gradients; or
        Gauss-Legendre points, exact for polynomials of degree up to 2 * steps - 1.
    steps : int

    References
    ----------
    .. [1] Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, the sum in
       its section 5, "Computing Integrated Gradients".
    """
    if kind == "right":
        nodes = np.arange(1, steps + 1) / steps
        weights = np.full(steps, 1 / steps)
    else:
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        nodes, weights = (nodes + 1) / 2, weights / 2
    return nodes.astype(np.float32), weights.astype(np.float32)
