"""Active sets: the exact minimum of least squares on the 1-norm ball, face by face."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from pysal.features.moments import LeastSquares
from pysal.features.spectral import Floats, Solution, state

RIDGE = 1e-13
"""Share of its mean diagonal that is added to a matrix; repeated steps undo the error."""
SOLVED = 1e-10
"""Relative duality gap below which no feature enters."""


@dataclasses.dataclass(frozen=True)
class Face:
    """The features in use, with the signs that they must keep.

    Attributes
    ----------
    features : ndarray of shape (k,), int
    signs : ndarray of shape (k,)
        1 or -1.
    weights : ndarray of shape (k,)
        Zero or of that sign; the sum of their magnitudes is at most mu.
    square : ndarray of shape (k, k)
        Their rows and columns of X^T X.
    """

    features: NDArray[np.intp]
    signs: Floats
    weights: Floats
    square: Floats

    @classmethod
    def empty(cls) -> Face:
        """Return the face of the origin."""
        return cls(np.empty(0, np.intp), np.empty(0), np.empty(0), np.empty((0, 0)))

    def enter(self, problem: LeastSquares, feature: int, sign: float) -> Face:
        """The face with one more feature, whose weight is still 0."""
        features = np.append(self.features, feature)
        square = np.pad(self.square, (0, 1))
        square[-1] = square[:, -1] = problem.column(features, feature)
        signs, weights = np.append(self.signs, sign), np.append(self.weights, 0.0)
        return Face(features, signs, weights, square)

    def keep(self, kept: NDArray[np.bool_], weights: Floats) -> Face:
        """The face with new weights, without some of the features."""
        inner = self.square[np.ix_(kept, kept)]
        return Face(self.features[kept], self.signs[kept], weights[kept], inner)

    def dense(self, num_features: int) -> Floats:
        """Weights among those of all features, (m,)."""
        weights = np.zeros(num_features)
        weights[self.features] = self.weights
        return weights


def active_sets(problem: LeastSquares, mu: float, *, max_steps: int) -> Solution:
    """Minimize `|| X w_k - l_k ||^2` subject to `|| w_k ||_1 <= mu`, for all k at once.

    From the origin, the feature with the largest gradient enters and the minimum on the face of the
    ball that it opens is sought, until no gradient is larger than those of the features in use.

    Parameters
    ----------
    problem : LeastSquares
    mu : float
    max_steps : int
        Features that may enter, those included that leave again.

    Notes
    -----
    A step costs one product with X^T X for the problems that are still open, and a small linear
    system or more for each. There are about as many steps as features in the end.

    References
    ----------
    .. [1] Wolfe, "Finding the Nearest Point in a Polytope", Mathematical Programming 1976. Here the
       polytope is spanned by the columns of X and their negatives, times mu; the point is l.
    """
    count, num_features = problem.correlation.shape
    faces = [Face.empty() for _ in range(count)]
    weights, product = np.zeros_like(problem.correlation), np.zeros_like(problem.correlation)
    steps = np.zeros(count, np.int64)
    open_ = np.arange(count)
    for step in range(max_steps + 1):
        slope, _, gap = state(problem, open_, weights, product, mu)
        largest = np.abs(slope).argmax(axis=1) if open_.size else open_
        new = [f not in faces[row].features for row, f in zip(open_, largest, strict=True)]
        left = (gap > SOLVED) & np.array(new, bool)
        open_, slope, largest = open_[left], slope[left], largest[left]
        if not open_.size or step == max_steps:
            break
        for row, gradient, feature in zip(open_.tolist(), slope, largest.tolist(), strict=True):
            face = faces[row].enter(problem, feature, -float(np.sign(gradient[feature])))
            faces[row] = minimize_on_face(problem, row, face, mu)
            weights[row] = faces[row].dense(num_features)
        product[open_] = problem.product(weights[open_])
        steps[open_] += 1
    _, value, gap = state(problem, np.arange(count), weights, problem.product(weights), mu)
    return Solution(weights, value, gap, steps)


def minimize_on_face(problem: LeastSquares, row: int, face: Face, mu: float) -> Face:
    """Walk to the minimum of problem `row` on a face, leaving out features that reach zero.

    Notes
    -----
    Each step goes to the minimum of the quadratic under the constraints that hold now, or to the
    first point where a weight changes its sign or the 1-norm reaches mu. A step that is cut loses a
    feature or gains the bound on the norm, and the bound is released where its multiplier is
    negative, so there are about as many steps as features are lost. Two whole steps in a row end
    the walk: the second one corrects the rounding of the first.
    """
    linear = problem.correlation[row]
    on_bound = bool(np.abs(face.weights).sum() >= mu * (1 - 1e-12))
    whole = 0
    for _ in range(3 * len(face.features) + 10):
        if whole == 2 or not face.features.size:
            break
        slope = face.square @ face.weights - linear[face.features]
        move, multiplier = _newton(face.square, slope, face.signs, on_bound)
        if on_bound and multiplier < 0:
            on_bound = False
            continue
        share, lost = _first_zero(face, move)
        growth, room = float(face.signs @ move), mu - float(np.abs(face.weights).sum())
        if not on_bound and share * growth > room:
            share, lost, on_bound = max(room / growth, 0.0), -1, True
        whole = whole + 1 if share == 1.0 else 0
        kept = np.arange(len(move)) != lost
        face = face.keep(kept, face.weights + share * move)
    return face


def _first_zero(face: Face, move: Floats) -> tuple[float, int]:
    """Share of a move after which the first weight is zero, and which; 1 and -1 where none is."""
    crossing = np.flatnonzero(face.signs * (face.weights + move) < 0)
    if not crossing.size:
        return 1.0, -1
    shares = -face.weights[crossing] / move[crossing]
    return float(shares.min()), int(crossing[shares.argmin()])


def _newton(square: Floats, slope: Floats, signs: Floats, on_bound: bool) -> tuple[Floats, float]:
    """Step to the minimum of a quadratic, the 1-norm kept where `on_bound`; and the multiplier."""
    size = len(slope)
    ridge = RIDGE * max(float(np.trace(square)) / size, float(np.finfo(float).tiny))
    system = np.zeros((size + 1, size + 1))
    system[:size, :size] = square + ridge * np.eye(size)
    if on_bound:
        system[:size, size] = system[size, :size] = signs
    else:
        system[size, size] = 1.0
    found = np.linalg.solve(system, np.append(-slope, 0.0))
    return found[:size], float(found[size])
