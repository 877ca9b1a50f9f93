"""Path methods and the gradient against PAIR's saliency, which takes single pictures (H, W, C)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parity_networks import NETWORKS, check, difference, open_pair

from pysal.baselines import make_baseline
from pysal.methods.blur_ig import blur_ig
from pysal.methods.gradient import gradient
from pysal.methods.guided_ig import guided_ig
from pysal.methods.integrated_gradients import integrated_gradients

peer = pytest.importorskip(
    "saliency.core", reason="saliency is not installed; see tests/parity/requirements.txt"
)
pytestmark = pytest.mark.filterwarnings("ignore::pysal.paths.IncompleteWarning")


@pytest.fixture(params=NETWORKS)
def pair(request, tmp_path):
    return open_pair(request.param, request, tmp_path)


def model_of(gradient):
    """A function as PAIR calls it, from one of arrays (n, C, H, W) to their gradients."""

    def call(x, call_model_args=None, expected_keys=None):
        grads = gradient(np.asarray(x).transpose(0, 3, 1, 2))
        return {"INPUT_OUTPUT_GRADIENTS": grads.transpose(0, 2, 3, 1)}

    return call


def last(image):
    return image.transpose(1, 2, 0).astype(np.float64)


def first(images):
    return np.stack([image.transpose(2, 0, 1) for image in images])


def test_gradient(pair):
    target = pair.target("probability")
    ours = gradient(pair.clf, pair.batch, target, channels=True)

    def theirs(dtype):
        masks = [
            peer.GradientSaliency().GetMask(last(x), model_of(pair.gradient(i, dtype)))
            for i, x in enumerate(pair.batch)
        ]
        return first(masks)

    check(ours.trace["channels"], theirs, 1e-4)


def test_integrated_gradients(pair):
    target = pair.target("probability")
    ours = integrated_gradients(pair.clf, pair.batch, target, steps=25, channels=True)
    black = make_baseline("black", pair.batch, pair.clf.preprocess)

    def theirs(dtype):
        masks = [
            peer.IntegratedGradients().GetMask(
                last(x), model_of(pair.gradient(i, dtype)), x_baseline=last(b), x_steps=25
            )
            for i, (x, b) in enumerate(zip(pair.batch, black, strict=True))
        ]
        return first(masks)

    check(ours.trace["channels"], theirs, 1e-4)


@pytest.mark.parametrize("spacing", ["linear", "sqrt"])
def test_blur_ig(pair, spacing):
    """On the picture before normalization, which the model call does, as in PAIR's examples.

    PAIR's points are exact to 1e-16. In its float32 run they are moved by what products in single
    precision round, 1e-6: that is how much of the difference the blurred points alone make.
    """
    record, sigma_max = pair.clf.preprocess, 5 if pair.name == "tiny" else 15
    options = {"steps": 10, "sigma_max": sigma_max, "spacing": spacing}
    target = pair.target("probability")
    ours = blur_ig(pair.clf, pair.batch, target, channels=True, **options)
    # pictures with the model's order of channels, so that no gradient has to be put in order
    gain = (record.scale / np.array(record.std)).reshape(3, 1, 1)
    offset = (-np.array(record.mean) / np.array(record.std)).reshape(3, 1, 1)

    def theirs(dtype):
        masks, moved = [], np.random.default_rng(0)
        size = 1e-6 * np.abs(pair.batch).max() * (dtype == torch.float32)
        for i, x in enumerate(pair.batch):
            inner = pair.gradient(i, dtype)

            def at(p, inner=inner):
                return gain * inner(gain * p + offset + size * moved.uniform(-1, 1, p.shape))

            mask = peer.BlurIG().GetMask(
                last((x - offset) / gain),
                model_of(at),
                max_sigma=sigma_max,
                steps=10,
                sqrt=spacing == "sqrt",
                batch_size=1,  # larger ones get the last step's width (methods specification 2.3)
            )
            masks.append(mask)
        return first(masks)

    check(ours.trace["channels"], theirs, 1e-3)


class _Numpy:
    """numpy, with the keyword of `quantile` that PAIR's Guided IG passes and numpy 2 dropped."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def quantile(values, share, interpolation):
        return np.quantile(values, share, method=interpolation)


@pytest.mark.parametrize("options", [{}, {"fraction": 0.5, "max_dist": 1.0}], ids=["", "example"])
def test_guided_ig(pair, options, monkeypatch):
    """The order of features hangs on the last bits of gradients, so both take them from pysal."""
    monkeypatch.setattr("saliency.core.guided_ig.np", _Numpy())
    black = make_baseline("black", pair.batch, pair.clf.preprocess)
    target = pair.target("probability")
    ours = guided_ig(pair.clf, pair.batch, target, steps=20, channels=True, **options)
    theirs = []
    for i, (x, b) in enumerate(zip(pair.batch, black, strict=True)):

        def inner(points, one=target[i : i + 1]):
            return pair.clf.value_and_grad(points.astype(np.float32), one)[1]

        mask = peer.GuidedIG().GetMask(
            last(x), model_of(inner), x_baseline=last(b), x_steps=20, **options
        )
        theirs.append(mask)
    assert difference(ours.trace["channels"], first(theirs)) < 1e-4
