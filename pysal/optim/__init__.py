"""Mask optimizers from small parts: searches pick steps, descents pick directions."""

from pysal.optim.adam import Adam, Drawn, Trail, descend
from pysal.optim.bilateral import BilateralTV
from pysal.optim.descent import Descent, Momentum, Steepest
from pysal.optim.joint import OfProduct, halves, stack
from pysal.optim.minimize import DataTerm, Result, minimize
from pysal.optim.path import quadrature
from pysal.optim.penalty import L1, TV, Penalty, Sum
from pysal.optim.search import Accepted, Armijo, Fixed, Line, Search

__all__ = [
    "L1",
    "TV",
    "Accepted",
    "Adam",
    "Armijo",
    "BilateralTV",
    "DataTerm",
    "Descent",
    "Drawn",
    "Fixed",
    "Line",
    "Momentum",
    "OfProduct",
    "Penalty",
    "Result",
    "Search",
    "Steepest",
    "Sum",
    "Trail",
    "descend",
    "halves",
    "minimize",
    "quadrature",
    "stack",
]
