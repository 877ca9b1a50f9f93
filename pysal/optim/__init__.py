"""Mask optimizers from small parts: searches pick steps, descents pick directions."""

from pysal.optim.descent import Descent, Momentum, Steepest
from pysal.optim.minimize import DataTerm, Result, minimize
from pysal.optim.path import quadrature
from pysal.optim.penalty import L1, TV, Penalty, Sum
from pysal.optim.search import Accepted, Armijo, Fixed, Line, Search

__all__ = [
    "L1",
    "TV",
    "Accepted",
    "Armijo",
    "DataTerm",
    "Descent",
    "Fixed",
    "Line",
    "Momentum",
    "Penalty",
    "Result",
    "Search",
    "Steepest",
    "Sum",
    "minimize",
    "quadrature",
]
