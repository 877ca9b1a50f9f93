"""The parts that paths share: IDGI in chunks, residuals, end points, progress."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pysal.paths import Idgi, directions, endpoints, meter
from pysal.paths.record import residual


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e-38])
def test_tiny_gradients_have_a_direction(scale):
    grads = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    squares, inverse = directions((scale * grads).astype(np.float32))
    expected = grads**2 / (grads**2).sum(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(squares * inverse[:, None, None, None], expected, rtol=1e-4)


def test_steps_without_a_gradient_are_left_out():
    grads = np.ones((3, 1, 2, 2), np.float32)
    grads[1] = 0
    sums = Idgi()
    sums.add(np.array([0.0, 0.25, 0.75]), grads)
    np.testing.assert_allclose(sums.total, np.full((1, 2, 2), 0.25 / 4))


@pytest.mark.parametrize("start", [None, 0.1])
def test_idgi_in_chunks_is_idgi_at_once(start):
    rng = np.random.default_rng(0)
    grads, scores = rng.normal(size=(9, 2, 3, 3)).astype(np.float32), rng.normal(size=9)
    totals = []
    for cuts in ([9], [1, 2, 3, 4, 5, 6, 7, 8, 9], [4, 9]):
        sums = Idgi(start)
        for first, last in zip([0, *cuts[:-1]], cuts, strict=True):
            sums.add(scores[first:last], grads[first:last])
        totals.append(sums.total)
    for total in totals[1:]:
        np.testing.assert_allclose(total, totals[0], atol=1e-6)
    change = scores[-1] - (scores[0] if start is None else start)
    assert totals[0].sum() == pytest.approx(change, abs=1e-5)


def test_residual():
    found = residual(np.array([1.0, 0.5, 0.0, 0.1, -2.0]), np.array([1.0, 1.0, 0.0, 0.0, -1.0]))
    np.testing.assert_array_equal(found, [0, 0.5, 0, math.inf, 1])


def test_end_points_and_their_weights():
    nodes, weights = endpoints(5)
    np.testing.assert_array_equal(nodes, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(weights, np.full(5, 0.2))


def test_meter():
    calls = []
    report = meter(lambda *c: calls.append(c), 30)
    report(20)
    report(10)
    assert calls == [(20, 30), (30, 30)]
    assert meter(None, 30) is None
