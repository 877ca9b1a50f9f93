"""Adam against torch's, and its driver on a bowl with a known optimum."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pysal.optim import L1, TV, Adam, Sum, descend

START = np.random.default_rng(0).uniform(size=(3, 4, 5)).astype(np.float32)


class Bowl:
    """`|M - goal|^2 / 2`, and a tilt that is new at every step."""

    def __init__(self, goal, tilt=0.0):
        self.goal, self.tilt, self.steps = goal, tilt, []

    def value_and_grad(self, variable, step):
        self.steps.append(step)
        tilt = self.tilt * np.cos(step)
        d = variable - self.goal
        value = (d * d).sum(axis=(1, 2)) / 2 + tilt * variable.sum(axis=(1, 2))
        return value, (d + tilt).astype(np.float32)


def goal(seed=1, low=-0.3, high=1.3):
    return np.random.default_rng(seed).uniform(low, high, START.shape).astype(np.float32)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 99),
    rate=st.sampled_from([0.01, 0.1]),
    clip=st.booleans(),
    decay=st.booleans(),
)
def test_is_that_of_torch(seed, rate, clip, decay):
    term = Bowl(goal(seed), tilt=0.5)
    rates = (lambda step: rate * (1 - step / 30)) if decay else rate
    penalty = Sum((L1(0.2, "sum"), TV(0.3, 3.0, "sum", True)))
    trail = descend(term, START, rate=rates, steps=30, penalty=penalty, clip=clip)
    variable = torch.from_numpy(START).double().requires_grad_(True)
    adam = torch.optim.Adam([variable], lr=rate)
    for step in range(30):
        adam.param_groups[0]["lr"] = rates(step) if decay else rate
        tilt = 0.5 * np.cos(step)
        data = ((variable - torch.from_numpy(term.goal)) ** 2).sum((1, 2)) / 2
        data = data + tilt * variable.sum((1, 2))
        down = torch.nn.functional.pad(variable.diff(dim=1), (0, 0, 0, 1))
        right = torch.nn.functional.pad(variable.diff(dim=2), (0, 1))
        rough = ((down**2 + right**2) ** 1.5).sum((1, 2))
        loss = data + 0.2 * (1 - variable).abs().sum((1, 2)) + 0.3 * rough
        np.testing.assert_allclose(trail.loss[:, step], loss.detach(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(trail.data[:, step], data.detach(), rtol=1e-4, atol=1e-5)
        adam.zero_grad()
        loss.sum().backward()
        adam.step()
        if clip:
            with torch.no_grad():
                variable.clamp_(0, 1)
    np.testing.assert_allclose(trail.variable, variable.detach(), atol=1e-3)


def test_reaches_the_clipped_optimum():
    term = Bowl(goal())
    trail = descend(term, START, rate=lambda step: 0.1 * (1 - step / 300), steps=300)
    np.testing.assert_allclose(trail.variable, np.clip(term.goal, 0, 1), atol=1e-3)
    assert trail.loss.shape == trail.data.shape == (3, 300)
    assert term.steps == list(range(300))
    free = descend(Bowl(goal()), START, rate=0.05, steps=400, clip=False)
    np.testing.assert_allclose(free.variable, goal(), atol=1e-2)


def test_a_batch_is_its_images():
    whole = descend(Bowl(goal()), START, rate=0.1, steps=10)
    for i in range(3):
        rows = slice(i, i + 1)
        alone = descend(Bowl(goal()[rows]), START[rows], rate=0.1, steps=10)
        np.testing.assert_array_equal(alone.variable[0], whole.variable[i])


def test_first_direction_is_the_sign():
    grad = np.array([[[3.0, -0.001], [0.0, 40.0]]], np.float32)
    np.testing.assert_allclose(Adam()(grad), np.sign(grad), atol=1e-4)


def test_other_arrays():
    tensor = torch.from_numpy(START)
    first, second = Adam(), Adam()
    for _ in range(3):
        np.testing.assert_allclose(first(tensor), second(START), rtol=1e-5)


def test_no_images_and_progress():
    calls = []
    empty = descend(Bowl(START[:0]), START[:0], rate=0.1, steps=4, progress=calls.append)
    assert empty.loss.shape == (0, 4)
    assert calls == [1, 2, 3, 4]
    assert descend(Bowl(goal()), START, rate=0.1, steps=0).loss.shape == (3, 0)
