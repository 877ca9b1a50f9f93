"""Infidelity and max-sensitivity against captum, which is handed our changes of the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parity_networks import open_pair

from pysal.baselines import make_baseline
from pysal.metrics.infidelity import infidelity
from pysal.metrics.max_sensitivity import max_sensitivity
from pysal.perturb.additive import Moved, Squares, change

metrics = pytest.importorskip(
    "captum.metrics", reason="captum is not installed; see tests/parity/requirements.txt"
)
SAMPLES = 8


@pytest.fixture
def pair(request, tmp_path):
    return open_pair("tiny", request, tmp_path)


def gradient(clf, batch, target):
    return clf.value_and_grad(batch, target)[1].sum(axis=1)


def seeds(pair):
    return np.zeros(len(pair.batch), np.uint64)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("noise", ["gaussian", "uniform", "square"])
def test_infidelity(pair, noise, normalize):
    target = pair.target("probability")
    maps = gradient(pair.clf, pair.batch, target).astype(np.float32)
    ours = infidelity(pair.clf, pair.batch, maps, target, noise=noise, samples=SAMPLES, side=5)
    if noise == "square":
        black = make_baseline("black", pair.batch, pair.clf.preprocess)
        moves = Squares(pair.batch, black, 5, seeds(pair))
    else:
        moves = Moved(pair.batch, noise, 0.2, seeds(pair))

    def perturb(inputs):
        """Captum repeats every image for all samples, then asks once."""
        rows = [(i, v) for i in range(len(pair.batch)) for v in range(SAMPLES)]
        planes = np.stack([moves.plane(i, v) for i, v in rows])
        moved = np.empty((len(rows), *pair.batch.shape[1:]), np.float32)
        for row, (i, v) in enumerate(rows):
            moves(i, v, moved[row : row + 1])
        # Its sum runs over channels; the map without channels stands in the first.
        spread = np.zeros_like(moved)
        spread[:, 0] = planes
        return torch.from_numpy(spread).double(), torch.from_numpy(moved).double()

    attributions = np.zeros_like(pair.batch)
    attributions[:, 0] = maps
    found = metrics.infidelity(
        pair.scores("probability", torch.float64),
        perturb,
        torch.from_numpy(pair.batch).double(),
        torch.from_numpy(attributions).double(),
        target=torch.from_numpy(pair.index),
        n_perturb_samples=SAMPLES,
        normalize=normalize,
    )
    name = "scaled" if normalize else "infidelity"
    np.testing.assert_allclose(ours.values[name], found.detach().numpy(), rtol=1e-3, atol=1e-10)


def test_max_sensitivity(pair):
    target = pair.target("probability")
    zeros = np.zeros((len(pair.batch), 4, 4))
    ours = max_sensitivity(
        pair.clf, pair.batch, zeros, target, samples=SAMPLES, radius=0.1, explain=gradient
    )

    def perturb(inputs, perturb_radius):
        x = inputs
        noise = [change("uniform", x.shape[1:], perturb_radius, 0, v) for v in range(SAMPLES)]
        return x + torch.from_numpy(np.tile(noise, (len(pair.batch), 1, 1, 1))).double()

    def explain(inputs):
        (x,) = inputs if isinstance(inputs, tuple) else (inputs,)
        rows = len(x) // len(pair.batch)
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            index = torch.from_numpy(pair.index).repeat_interleave(rows)
            scores = pair.scores("probability", torch.float64)(leaf)
            scores.gather(1, index[:, None]).sum().backward()
        return (leaf.grad.sum(dim=1, keepdim=True),)

    found = metrics.sensitivity_max(
        explain,
        torch.from_numpy(pair.batch).double(),
        perturb_func=perturb,
        perturb_radius=0.1,
        n_perturb_samples=SAMPLES,
    )
    np.testing.assert_allclose(ours.values["max"], found.numpy(), rtol=2e-3)
