"""The Armijo ladder against the rule written out as a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.optim import Armijo, Fixed, Line


def line(losses: np.ndarray, slope: float, before=None):
    """A ray on which step `ladder[k]` costs `losses[image, k]`; counts evaluations."""
    ladder = Armijo().ladder
    asked = []

    def evaluate(steps, rows):
        at = np.searchsorted(-ladder, -steps)
        asked.append(steps.size)
        found = losses[rows[:, None], at]
        return found / 2, found

    images = len(losses)
    return Line(evaluate, np.ones(images), np.full(images, slope), before), asked


def test_published_ladder():
    ladder = Armijo().ladder
    assert len(ladder) == 12
    np.testing.assert_allclose(ladder[:3], [200, 40, 8])
    assert ladder[-2] >= 1e-5 > ladder[-1]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), chunk=st.integers(1, 13), slope=st.sampled_from([0.0, 3.0]))
def test_first_step_that_pays(seed, chunk, slope):
    losses = np.random.default_rng(seed).uniform(0.5, 2.5, (4, 12))
    search = Armijo(chunk=chunk)
    ray, asked = line(losses, slope)
    found = search(ray)
    for i in range(4):
        k = 0
        while k < 11 and losses[i, k] > 1 - search.ladder[k] * 1e-4 * slope:
            k += 1
        assert found.step[i] == search.ladder[k]
        assert found.loss[i] == losses[i, k]
        assert found.data[i] == losses[i, k] / 2
    assert sum(asked) <= 48


def test_waiting_images_only():
    losses = np.full((3, 12), 2.0)
    losses[0, 0] = losses[1, 5] = 0.0
    ray, asked = line(losses, 1.0)
    Armijo(chunk=4)(ray)
    assert asked == [12, 8, 4]


@pytest.mark.parametrize("before", [0, 1, 7, 11])
def test_warm_start_begins_one_rung_up(before):
    ladder = Armijo().ladder
    ray, asked = line(np.zeros((1, 12)), 1.0, ladder[[before]])
    found = Armijo(chunk=1, warm=True)(ray)
    assert asked == [1]
    assert found.step[0] == ladder[max(before - 1, 0)]


def test_warm_start_of_images_at_different_rungs():
    losses = np.full((3, 12), 2.0)
    losses[:, 11] = 0
    ladder = Armijo().ladder
    ray, asked = line(losses, 1.0, ladder[[11, 3, 0]])
    found = Armijo(chunk=4, warm=True)(ray)
    np.testing.assert_array_equal(found.step, ladder[[11, 11, 11]])
    assert sum(asked) == 2 + 10 + 12


def test_fixed():
    losses = np.arange(24.0).reshape(2, 12)
    ray, asked = line(losses, 1.0)
    found = Fixed(Armijo().ladder[3])(ray)
    np.testing.assert_array_equal(found.loss, [3, 15])
    assert asked == [2]
