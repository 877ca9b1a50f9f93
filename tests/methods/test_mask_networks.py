"""Mask optimizers on real networks and photos follow the naive implementations in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from naive_bilateral import naive_bilateral, to_array
from naive_fido import naive_fido
from naive_igos import blur51, naive_igos
from naive_mp import naive_mp, naive_mp2
from one_thread import one_thread  # noqa: F401
from onnx_torch import to_torch
from toy_torch import double

from pysal.baselines import make_baseline
from pysal.draws import DROPOUT, uniform
from pysal.methods.fido import fido
from pysal.methods.igos_pp import igos_pp
from pysal.methods.mp import mp
from pysal.methods.mp2 import mp2
from pysal.methods.sigcam import sigcam
from pysal.photos import load_photos
from pysal.types import Target

LAYERS = {"squeezenet1.1": "fire9/concat_1", "mobilenet_v2": "t98"}
"""Last features in front of the class scores."""
PHOTO = "000000000009"

pytestmark = pytest.mark.slow


@pytest.fixture(params=LAYERS)
def case(request, data):
    """Classifier, judge, photo as batch, target and layer."""
    backend = pytest.importorskip("pysal.backends.ort")
    path = data / "models" / f"{request.param}.onnx"
    clf = backend.OrtClassifier(path)
    batch = load_photos([data / "photos" / f"{PHOTO}.jpg"], clf.preprocess).batch
    target = Target(clf.score(batch).argmax(axis=1))
    return clf, to_torch(path, torch.float64), batch, target, LAYERS[request.param]


def test_mp(case):
    clf, judge, batch, target, _ = case
    result = mp(clf, batch, target, variant="gildenblat", noise="off", iterations=12)
    fill = make_baseline("median11", batch, clf.preprocess)
    mask, trace = naive_mp(
        judge,
        double(batch),
        double(fill),
        int(target.index[0]),
        start=torch.ones(1, 1, 28, 28, dtype=torch.float64),
        upsampling="bilinear",
        smoothing=0,
        l1=0.01,
        l2=0.2,
        exponent=3,
        isotropic=False,
        reduction="mean",
        rate=0.1,
        iterations=12,
    )
    # Adam divides by the size of a gradient: where it is rounding, the two part in single cells.
    difference = np.abs(1 - result.native[0] - mask[0, 0].numpy())
    assert np.quantile(difference, 0.99) < 5e-3
    np.testing.assert_allclose(result.trace["loss"][0], trace.losses, atol=1e-3)


def test_mp2(case):
    clf, judge, batch, target, _ = case
    options = {"size": 14, "cells": 7, "chance": 0.05}
    result = mp2(clf, batch, target, output="ranks", **options)
    x, fill = double(batch), double(make_baseline("blur10", batch, clf.preprocess))
    order, scores = naive_mp2(
        judge, x, int(target.index[0]), fill=lambda keep: (fill, x - fill), **options
    )
    steps = result.trace["steps"][0]
    k = np.rint((1 - result.native[0]) * steps).astype(int)
    np.testing.assert_array_equal(np.where(result.native[0] > 0, k, -1), order)
    np.testing.assert_allclose(result.trace["score"][0, : len(scores)], scores, atol=1e-4)


@pytest.mark.parametrize("objective", ["ssr", "sdr"])
def test_fido(case, objective):
    clf, judge, batch, target, _ = case
    result = fido(
        clf, batch, target, objective=objective, filler="mean", steps=4, samples=2, seed=3
    )
    size = batch.shape[2:]
    theta, losses, _ = naive_fido(
        judge,
        double(batch),
        int(target.index[0]),
        fill=lambda keep, step, sample: torch.zeros(1, 3, *size, dtype=torch.float64),
        draw=lambda step, sample: double(uniform(3, DROPOUT, size, step=step, index=sample))[
            None, None
        ],
        objective=objective,
        size=56,
        steps=4,
        samples=2,
        temperature=0.1,
        weight=1e-3,
        tv=0.0,
        ramp=30,
        rate=0.05,
        linear=True,
        init=0.0,
    )
    sign = 1 if objective == "ssr" else -1
    expected = sign * (torch.sigmoid(-theta[0, 0]) - 0.5).numpy()
    difference = np.abs(result.native[0] - expected)
    assert np.quantile(difference, 0.99) < 1e-3
    np.testing.assert_allclose(result.trace["loss"][0], losses, atol=0.02)


def test_sigcam(case):
    clf, judge, batch, target, layer = case
    result = sigcam(clf, batch, target, layer=layer, noise="off", iterations=3, steps=5, warmup=1)
    base = double(result.trace["base"])[None]
    kept = torch.where(base < 0.7, torch.zeros_like(base), base) * 0.15
    start = 1 - torch.nn.functional.interpolate(kept, size=(28, 28), mode="bilinear")
    mask, trace = naive_igos(
        judge,
        double(batch),
        blur51(double(batch)),
        int(target.index[0]),
        iterations=3,
        points=5,
        start=start,
        weak=double(make_baseline("weak_blur", batch, clf.preprocess)),
        warmup=1,
    )
    np.testing.assert_allclose(1 - result.native[0], mask[0, 0], atol=1e-3)
    known = np.isfinite(trace.losses)
    np.testing.assert_allclose(
        result.trace["loss"][0, known], np.array(trace.losses)[known], atol=1e-4
    )


def test_igos_pp(case):
    clf, judge, batch, target, _ = case
    unit = clf.preprocess.noise_std(1.0)
    options = {"iterations": 2, "l1": 1.0, "l2": 20.0}
    result = igos_pp(clf, batch, target, noise="off", steps=4, **options)
    if not np.allclose(unit, 1):
        # The judge weighs edges in the units of the input it is given: both see the same there.
        options["sigma"] = float(0.01 * unit[0] ** 2)
        assert np.allclose(unit, unit[0], rtol=0.05)
    mask, trace = naive_bilateral(
        judge,
        double(batch),
        blur51(double(batch)),
        int(target.index[0]),
        masks=2,
        points=4,
        **options,
    )
    np.testing.assert_allclose(1 - result.native[0], to_array(mask), atol=5e-3)
    known = np.isfinite(trace.losses)
    np.testing.assert_allclose(
        result.trace["loss"][0, known], np.array(trace.losses)[known], atol=2e-3
    )
