"""Gradient, input x gradient, SmoothGrad and integrated gradients against captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parity_networks import NETWORKS, check, open_pair

from pysal import kernels
from pysal.baselines import make_baseline
from pysal.methods.gradient import gradient, input_x_gradient
from pysal.methods.integrated_gradients import integrated_gradients
from pysal.methods.smoothgrad import smoothgrad, smoothgrad_squared, vargrad
from pysal.types import Noise

attr = pytest.importorskip(
    "captum.attr", reason="captum is not installed; see tests/parity/requirements.txt"
)


@pytest.fixture(params=NETWORKS)
def pair(request, tmp_path):
    return open_pair(request.param, request, tmp_path)


def images(pair, dtype):
    return torch.from_numpy(pair.batch).to(dtype).requires_grad_()


@pytest.mark.parametrize("kind", ["logit", "probability"])
@pytest.mark.parametrize(
    ("method", "peer", "options"),
    [(gradient, "Saliency", {"abs": False}), (input_x_gradient, "InputXGradient", {})],
)
def test_one_gradient(pair, kind, method, peer, options):
    ours = method(pair.clf, pair.batch, pair.target(kind), channels=True)

    def theirs(dtype):
        one = getattr(attr, peer)(pair.scores(kind, dtype))
        found = one.attribute(images(pair, dtype), torch.from_numpy(pair.index), **options)
        return found.detach().numpy()

    check(ours.trace["channels"], theirs, 1e-4)


@pytest.mark.filterwarnings("ignore::pysal.paths.IncompleteWarning")
@pytest.mark.parametrize(
    ("nodes", "method"), [("gauss-legendre", "gausslegendre"), ("right", "riemann_right")]
)
def test_integrated_gradients(pair, nodes, method):
    steps, target = 24, pair.target("probability")
    ours = integrated_gradients(
        pair.clf, pair.batch, target, steps=steps, nodes=nodes, channels=True
    )
    black = make_baseline("black", pair.batch, pair.clf.preprocess)

    def theirs(dtype):
        found = attr.IntegratedGradients(pair.scores("probability", dtype)).attribute(
            images(pair, dtype),
            torch.from_numpy(black).to(dtype),
            target=torch.from_numpy(pair.index),
            n_steps=steps,
            method=method,
            internal_batch_size=8,
        )
        return found.detach().numpy()

    check(ours.trace["channels"], theirs, 1e-4)


@pytest.mark.parametrize(
    ("method", "peer"),
    [(smoothgrad, "smoothgrad"), (smoothgrad_squared, "smoothgrad_sq"), (vargrad, "vargrad")],
)
def test_noise(pair, method, peer, monkeypatch):
    """Captum draws its own noise; here it is handed ours."""
    options = {"samples": 6, "channels": True, "seed": 3}
    result = method(pair.clf, pair.batch, pair.target("logit"), **options)
    for i in range(len(pair.batch)):
        image = pair.batch[i : i + 1]
        std = np.full(3, result.trace["noise_std"][i], np.float32)
        noise = Noise(std, np.array([3], np.uint64))
        mask, nodes = np.ones((1, 1, 1, 1), np.float32), np.ones(6, np.float32)
        drawn = kernels.blend(image, image, mask, nodes=nodes, noise=noise)[0] - image

        def theirs(dtype, i=i, drawn=drawn, std=std):
            with monkeypatch.context() as patch:
                patch.setattr(torch, "normal", lambda *_: torch.from_numpy(drawn).to(dtype))
                found = attr.NoiseTunnel(attr.Saliency(pair.modules[dtype])).attribute(
                    images(pair, dtype)[i : i + 1].detach(),
                    nt_type=peer,
                    nt_samples=6,
                    stdevs=float(std[0]),
                    target=int(pair.index[i]),
                    abs=False,
                )
            return found.detach().numpy()

        check(result.trace["channels"][i : i + 1], theirs, 1e-3)
